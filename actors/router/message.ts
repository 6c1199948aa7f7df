// Router messages. Owns the union of what a router may receive.

import type { Request, WorldMessage } from "../../src/kernel/effect.js";

export type RouterMessage = { readonly kind: "start" | "stop" } | Request | WorldMessage;
