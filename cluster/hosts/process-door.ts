// Process door. Owns one child process that holds one host.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { HostDoor } from "./door.js";
import { doorTo } from "./remote.js";

const entry = fileURLToPath(new URL("./process-entry.js", import.meta.url));

export function openProcess(name: string, moduleUrl: string): HostDoor {
  // `advanced` carries what structured clone carries; an own process group keeps a Ctrl-C of the terminal away.
  const child = fork(entry, [name], {
    execArgv: [],
    serialization: "advanced",
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `its process ended with code ${code}` : `its process was ended by ${signal}`),
    );
  });
  const far = {
    name,
    pid: child.pid ?? 0,
    end: {
      post: (message: unknown) => {
        if (child.connected) child.send(message as object, () => undefined);
      },
      on: (listener: (message: unknown) => void) => child.on("message", listener),
      off: (listener: (message: unknown) => void) => child.off("message", listener),
    },
    ended,
    dismiss: () => {
      if (child.connected) child.disconnect();
    },
    force: () => void child.kill("SIGKILL"),
  };
  return doorTo(far, moduleUrl, () => void child.kill("SIGKILL"));
}
