// Board. Owns the empty board that a node and its shards share.

import type { Board } from "./state.js";

export function createBoard(): Board {
  return {
    leaseUntilMs: [],
    statuses: new Map(),
    changed: new Set(),
    urgent: false,
    incidents: [],
    retired: new Set(),
    gone: new Set(),
    waits: new Map(),
    burden: 0,
    keys: new Map(),
    readers: new Map(),
    mixes: new Map(),
  };
}
