// Control examples. Owns one of everything that is said to leaders, among peers and by forecasters, and the answers.

import type { Bytes } from "../../src/kernel/bytes.js";
import type { Result } from "../../src/kernel/fault.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import type { AdminAnswer, AdminRequest } from "../../src/protocol/control.js";
import {
  decodeAdminAnswer,
  decodeAdminRequest,
  decodeHeartbeat,
  decodeHeartbeatAnswer,
  decodeHostDied,
  encodeAdminRequest,
} from "../../src/protocol/control-codec.js";
import type { PeerAnswer, PeerRequest } from "../../src/protocol/peer.js";
import { decodePeerAnswer, decodePeerRequest } from "../../src/protocol/peer-codec.js";
import { type Example, entriesOf, type Growth, ignoredOnTop } from "./example.js";
import { aProfile, bytes, verified } from "./parts.js";

type Admins = { readonly [K in AdminRequest["kind"]]: Extract<AdminRequest, { kind: K }> };
const admin: Admins = {
  createTable: {
    kind: "createTable",
    name: "orders",
    partitioning: "range",
    key: { partition: "string", sort: "date" },
    fragments: 0,
    splitAt: [["m"], ["t"]],
    replicas: 3,
  },
  dropTable: { kind: "dropTable", name: "orders" },
  drainNode: { kind: "drainNode", node: "n1", draining: true, by: "ops" },
  removeNode: { kind: "removeNode", node: "n1" },
  moveFragment: {
    kind: "moveFragment",
    table: "orders",
    fragment: 16,
    to: "n2",
    from: "",
    strategy: "log-shipping",
    role: true,
    withinMs: 60_000,
    by: "ops",
    why: "a fuller disk",
  },
  putProfile: { kind: "putProfile", profile: aProfile },
  removeProfile: { kind: "removeProfile", name: "nightly" },
  cancelMove: { kind: "cancelMove", move: 4, by: "ops" },
  rollbackMove: { kind: "rollbackMove", move: 4, by: "ops" },
  listMoves: { kind: "listMoves", history: true },
  verify: { kind: "verify", table: "orders", fragment: null, begin: true },
  setReplicas: { kind: "setReplicas", table: "orders", fragment: 16, count: 4 },
  setPolicy: { kind: "setPolicy", change: { mode: "reactive" }, by: "ops" },
  showPlan: { kind: "showPlan" },
  splitFragment: { kind: "splitFragment", table: "orders", fragment: 16, at: ["p"], by: "ops" },
  mergeFragments: { kind: "mergeFragments", table: "orders", left: 16, right: 32, by: "ops" },
};

const adminAnswers: Readonly<Record<"done" | "moves" | "verify" | "fault", AdminAnswer>> = {
  done: { done: true, viewSeq: 40, move: 4 },
  moves: {
    done: true,
    viewSeq: 40,
    moves: [
      {
        ...{ move: 4, table: "orders", fragment: 16, strategy: "log-shipping", from: "n1", to: "n2", role: true },
        ...{
          cause: "operator",
          by: "ops",
          why: "",
          phase: "copying",
          startedMs: 1000,
          deadlineMs: 0,
          waitsFor: "rows",
        },
        phases: [{ phase: "copying", atMs: 1000, note: "" }],
        progress: { rows: 1, bytes: 20, totalRows: 5, totalBytes: 100, lagLsn: 2, bytesPerSecond: 1024.5 },
      },
    ],
  },
  verify: {
    done: true,
    viewSeq: 40,
    verify: [{ fragment: 16, primary: "n1", copies: 3, lsn: 90, verified }],
  },
  fault: { fault: { code: "NOT_POSSIBLE", message: "n2 is draining", detail: { node: "n2" } } },
};

type Peers = { readonly [K in PeerRequest["kind"]]: Extract<PeerRequest, { kind: K }> };
const peer: Peers = {
  position: { kind: "position", fragment: 16, epoch: 4 },
  fresh: { kind: "fresh", fragment: 16 },
  hot: { kind: "hot", table: { partition: 0, id: 2 } },
  copy: { kind: "copy", fragment: 16, session: "n2-1", chunk: 3, cursor: bytes(9), maxBytes: 262_144 },
  window: { kind: "window", fragment: 16, after: bytes(), maxBytes: 1000 },
  pull: {
    kind: "pull",
    fragment: 16,
    baseLsn: 80,
    positions: [bytes(1)],
    range: { from: bytes(2), to: null, reverse: true },
    maxBytes: 1000,
  },
  digest: { kind: "digest", fragment: 16, lsn: 90, from: bytes(), to: null },
  mend: {
    kind: "mend",
    fragment: 16,
    lsn: 90,
    damage: { ranges: [{ from: bytes(1), to: bytes(2) }], whole: false, where: "a to b" },
  },
};

const place = { lsn: 90, seq: 120, epoch: 4, hash: bytes(1, 2, 3, 4, 5, 6, 7, 8) };
const shape = {
  from: bytes(),
  to: bytes(0x80),
  changedLsn: 88,
  sealed: false,
  cut: { child: 32, at: bytes(0x80), lsn: 70, hash: place.hash },
  joined: { right: 48, lsn: 80, rightLsn: 12, changedLsn: 10 },
};
const peerAnswers: Readonly<Record<string, PeerAnswer>> = {
  position: {
    position: { fragment: 16, known: true, lsn: 90, epoch: 4, hash: place.hash, partial: false, sparse: false },
  },
  fresh: { freshLsn: 90 },
  chunk: {
    chunk: {
      ...{ fragment: 16, chunk: 3, block: bytes(5, 6), cursor: bytes(9), nextCursor: bytes(10), done: false },
      ...{ rows: 5, bytes: 100, ...place, stampMs: 1000, shape, lateMs: 0.5, digest: place.hash },
    },
  },
  early: { early: { fragment: 16, chunk: 3 } },
  window: {
    window: {
      ...{ fragment: 16, entries: [[bytes(1), bytes(2)]], done: true, ...place, stampMs: 1000 },
      ...{ rows: 5, bytes: 100, shape, digest: place.hash },
    },
  },
  pulled: {
    pulled: {
      ...{ fragment: 16, lsn: 90, hash: place.hash, found: [[bytes(1), null]], rows: [[bytes(2), bytes(3)]] },
      ...{ covered: { from: bytes(2), to: null }, lateMs: 0, digest: place.hash },
    },
  },
  digest: {
    digest: {
      ...{ fragment: 16, lsn: 90, state: "ready", root: "r", window: "w", counts: "c" },
      parts: [{ from: bytes(), digest: "d", leaf: true }],
    },
  },
  hot: { hot: [{ fragment: 16, perSecond: 12.5, keys: [[bytes(1), 0.25]] }] },
  fault: { fault: { code: "UNAVAILABLE", message: "not whole here", detail: { lsn: 3 } } },
};

const status = {
  ...{ fragment: 16, state: "serving", sparse: false, epoch: 4, lsn: 90, markerLsn: 60, durableSeq: 118 },
  ...{ rows: 5, bytes: 100, verified, cut: shape.cut, refused: { child: 64, why: "one row" }, apart: true },
};
const heartbeat = {
  ...{ kind: "heartbeat", node: "n1", incarnation: "i-1", zone: "east", weight: 1.5, storeId: "s1", bootCount: 2 },
  ...{ viewSeq: 40, statuses: [status], all: true, leaving: false, freeBytes: 1e9 },
  incidents: [{ node: "n1", what: "storeReplaced", outcome: "healed", fragments: [16], note: "a new disk" }],
  power: { qps: 12.5, capacityQps: 500, basis: "learned" },
};
const heartbeatAnswer = {
  ...{ term: 3, leaseMs: 4000, viewSeq: 41, wantAll: false, checkpoint: [16], verify: [32], drained: false },
};

/** Maps within the message are open too. */
const inside = (...at: (string | number)[]): Growth => ({ at, is: "ignored" });

export const controlExamples: readonly Example[] = [
  packed("control.heartbeat", "a node tells a leader how it is", heartbeat, decodeHeartbeat, [
    ...ignoredOnTop,
    inside("statuses", 0),
    inside("power"),
  ]),
  packed("control.heartbeatAnswer", "the lease, and what to do", heartbeatAnswer, decodeHeartbeatAnswer),
  packed("control.hostDied", "a process has ended", { kind: "hostDied", node: "n1", incarnation: "i" }, decodeHostDied),
  ...entriesOf(admin).map(([name, value]) =>
    packed(`control.ask.${name}`, "a router asks a leader", encodeAdminRequest(value), decodeAdminRequest),
  ),
  ...entriesOf(adminAnswers).map(([name, value]) =>
    packed(`control.answer.${name}`, "a leader answers", value, decodeAdminAnswer),
  ),
  ...entriesOf(peer).map(([name, value]) =>
    packed(`peer.ask.${name}`, "a node asks another", value, decodePeerRequest),
  ),
  ...entriesOf(peerAnswers).map(([name, value]) =>
    packed(`peer.answer.${name}`, "a node answers another", value, decodePeerAnswer),
  ),
];

function packed(
  name: string,
  meaning: string,
  value: unknown,
  decode: (body: unknown) => Result<unknown>,
  grows: readonly Growth[] = ignoredOnTop,
): Example {
  return {
    ...{ name, meaning, value, grows },
    encode: () => pack(value),
    decode(given: Bytes) {
      const body = unpack(given);
      return body.ok ? decode(body.value) : body;
    },
  };
}
