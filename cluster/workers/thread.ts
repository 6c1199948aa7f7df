// Thread. The first file of a Piscina thread: it steps back behind the threads that answer requests before it loads anything, and then is the compute worker.
// On Linux a priority is a thread's own; elsewhere it would be the whole process', so nothing is changed there.

import { setPriority } from "node:os";

const behindRequests = 5;

if (process.platform === "linux") setPriority(behindRequests);

export default (await import("./compute.js")).default;
