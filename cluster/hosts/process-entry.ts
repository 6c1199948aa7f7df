// Process entry. Owns the start of a child process that holds one host.
// E1 it does not outlive its parent: when the channel closes, the host stops and the process ends, at the latest after `orphanMs`.

import { serveInside } from "./inside.js";

const orphanMs = 5_000;

const stop = serveInside({
  post: (message) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  },
  on: (listener) => process.on("message", listener),
  off: (listener) => process.off("message", listener),
});

function endInOrder(): void {
  setTimeout(() => process.exit(1), orphanMs).unref();
  void stop()
    .catch(() => undefined)
    .then(() => process.exit(0));
}

process.once("disconnect", endInOrder);
process.once("SIGTERM", endInOrder);
// Ctrl-C in a terminal reaches the whole group; the supervisor decides the order of the end.
process.on("SIGINT", () => undefined);
