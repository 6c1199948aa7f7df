// Thread entry. Owns the start of a worker thread that holds one host.

import { parentPort } from "node:worker_threads";
import { serveInside } from "./inside.js";

const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
serveInside({
  post: (message) => port.postMessage(message),
  on: (listener) => port.on("message", listener),
  off: (listener) => port.off("message", listener),
});
