// Thread door. Owns one worker thread that holds one host.

import { Worker } from "node:worker_threads";
import type { HostDoor } from "./door.js";
import { doorTo } from "./remote.js";

const entry = new URL("./thread-entry.js", import.meta.url);

/** Of Node's options only those that a profile of every thread is asked for by. */
function isProfiling(option: string): boolean {
  return option.startsWith("--cpu-prof");
}

export function openThread(name: string, moduleUrl: string): HostDoor {
  const worker = new Worker(entry, { name, execArgv: process.execArgv.filter(isProfiling) });
  let words = "";
  worker.on("error", (error) => {
    words = error instanceof Error ? error.message : String(error);
  });
  const ended = new Promise<string>((resolve) => {
    worker.once("exit", (code) => resolve(words === "" ? `its thread ended with code ${code}` : words));
  });
  const far = {
    name,
    pid: process.pid,
    end: {
      post: (message: unknown) => worker.postMessage(message),
      on: (listener: (message: unknown) => void) => worker.on("message", listener),
      off: (listener: (message: unknown) => void) => worker.off("message", listener),
    },
    ended,
    dismiss: () => void worker.terminate(),
    force: () => void worker.terminate(),
  };
  // A thread has no signal to die by: it ends itself between two steps, without any order.
  return doorTo(far, moduleUrl, (api) => void api.crash().catch(() => undefined));
}
