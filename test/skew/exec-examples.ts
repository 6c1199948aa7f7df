// Exec examples. Owns one request and one answer of every operation that routers and nodes say to each other.

import { pack, unpack } from "../../src/protocol/codec.js";
import type { ExecReply, ExecRequest, Op, OpResult } from "../../src/protocol/exec.js";
import { decodeExec, decodeExecReply, encodeExec, encodeExecReply } from "../../src/protocol/exec-codec.js";
import { type Example, entriesOf } from "./example.js";

const position = Uint8Array.of(1, 0x61, 0x64, 0x61);
const later = Uint8Array.of(1, 0x62);
const document = Uint8Array.of(0x81, 0xa1, 0x61, 1);
const filter = { op: "ge", field: ["age"], value: 18 } as const;

const ops: { readonly [K in Op["op"]]: Extract<Op, { op: K }> } = {
  get: { op: "get", position, read: { level: "bounded", maxStaleMs: 250 } },
  write: {
    op: "write",
    requestId: "r-1",
    steps: [
      { act: "put", position, document },
      { act: "insert", position: later, document, ifVersion: 0 },
      { act: "update", position, document, ifVersion: 65536 },
      { act: "delete", position, document: new Uint8Array(0) },
    ],
  },
  scan: {
    op: "scan",
    from: position,
    to: later,
    reverse: true,
    limit: 10,
    maxBytes: 1000,
    filter,
    fields: [["name", "first"], ["age"]],
    read: { level: "strong" },
  },
  aggregate: {
    op: "aggregate",
    from: position,
    to: undefined,
    filter: undefined,
    groupBy: [["city"]],
    aggregates: [
      { fn: "count", as: "n" },
      { fn: "avg", field: ["age"], as: "mean" },
    ],
    read: { level: "any" },
  },
  changes: { op: "changes", afterLsn: 7, afterSeq: 9, waitMs: 3000, limit: 100, filter, ended: [48, 64] },
};

const results: { readonly [K in OpResult["op"]]: Extract<OpResult, { op: K }> } = {
  get: { op: "get", row: { version: 65536, document } },
  write: { op: "write", versions: [65536, 65537] },
  scan: { op: "scan", rows: [{ position, version: 65536, document }], next: later },
  aggregate: { op: "aggregate", groups: Uint8Array.of(0x90), rowsSeen: 12 },
  changes: {
    op: "changes",
    changes: [
      { lsn: 8, position, version: 65536, document },
      { lsn: 9, position: later, version: 65537, document: undefined },
    ],
    lastLsn: 9,
    lastSeq: 11,
  },
  fault: { op: "fault", fault: { code: "CONFLICT", message: "the row has another version", detail: { held: 3 } } },
};

export const execExamples: readonly Example[] = [
  ...entriesOf(ops).map(([name, op]) =>
    asked(`exec.ask.${name}`, { timeLeftMs: 4990.5, parts: [{ fragment: 16, epoch: 3, ops: [op] }] }),
  ),
  asked("exec.ask.groups", {
    timeLeftMs: 100,
    parts: [{ fragment: 16, epoch: 0, ops: [{ op: "get", position, read: { level: "strong" } }], group: 1 }],
    groups: ["shop", "office"],
  }),
  ...entriesOf(results).map(([name, result]) =>
    answered(`exec.answer.${name}`, { viewSeq: [5, 6], results: [[result]] }),
  ),
];

function asked(name: string, value: ExecRequest): Example {
  return {
    name,
    meaning: "a router asks a node: operations by fragment",
    value,
    encode: () => pack(encodeExec(value)),
    decode(bytes) {
      const body = unpack(bytes);
      return body.ok ? decodeExec(body.value) : body;
    },
    // Of a list that may be one longer (the groups of a part) the element is of another type, and refused all the same.
    grows: [
      { at: [], is: "refused" },
      { at: [1, 0], is: "refused" },
      { at: [1, 0, 2, 0], is: "refused" },
    ],
  };
}

function answered(name: string, value: ExecReply): Example {
  return {
    name,
    meaning: "a node answers a router: results in the order of the question",
    value,
    encode: () => pack(encodeExecReply(value)),
    decode(bytes) {
      const body = unpack(bytes);
      return body.ok ? decodeExecReply(body.value) : body;
    },
    grows: [
      { at: [], is: "ignored" },
      { at: [1, 0, 0], is: "ignored" },
    ],
  };
}
