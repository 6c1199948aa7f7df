// Sessions. Owns what a leader remembers of nodes between ledger records: until when each may hold a lease, what its replicas said, who is certainly dead.
// S1 until when a lease may run is never under-estimated (I7): a leader counts from when it answered; a new one assumes that every node of the view was
//    granted one by its predecessor just before its election.
// S2 nothing here is needed for safety after a crash: all of it comes again with the heartbeats.

import type { Timing } from "../../src/config/limits.js";
import type { NodePower } from "../../src/load/power.js";
import type { Heartbeat, HostDied, ReplicaStatus } from "../../src/protocol/control.js";
import type { FragmentId, NodeId } from "../../src/protocol/subjects.js";

export interface Session {
  readonly incarnation: string;
  readonly sinceMs: number;
  leaseUntilMs: number;
  readonly statuses: Map<FragmentId, ReplicaStatus>;
  /** Every replica was reported at least once in this term. */
  whole: boolean;
  leaving: boolean;
  /** Fragments that this node is asked to checkpoint with the next answer. */
  readonly checkpoint: Set<FragmentId>;
  /** Likewise, to have the digests compared. */
  readonly verify: Set<FragmentId>;
  /** How far the node has followed the ledger. */
  viewSeq: number;
  freeBytes: number | undefined;
  /** What the node said of its load and capacity. */
  power: NodePower | undefined;
}

/** A process that the ledger does not have as up: it waits to be recorded. */
export interface Arrival {
  readonly heartbeat: Heartbeat;
  readonly atMs: number;
}

export interface Sessions {
  /** Forgets all leases and reports; from now on every node may hold a lease granted by the predecessor. */
  begin(nowMs: number): void;
  get(node: NodeId): Session | undefined;
  status(node: NodeId, fragment: FragmentId): ReplicaStatus | undefined;
  entries(): Iterable<readonly [NodeId, Session]>;
  /** Takes in a heartbeat of the process that the ledger has as up, and notes the lease that it will be granted. */
  renew(heartbeat: Heartbeat, nowMs: number): Session;
  /** A process is being recorded as up: it is not silent before it could ask for a lease. */
  expect(node: NodeId, nowMs: number): void;
  leaseUntilMs(node: NodeId): number;
  readonly arrivals: Map<NodeId, Arrival>;
  end(node: NodeId): void;
  bury(died: HostDied): void;
  isDead(node: NodeId, incarnation: string): boolean;
}

const burials = 1000;

export function createSessions({ nodeLeaseMs, leaseMarginMs }: Timing): Sessions {
  const sessions = new Map<NodeId, Session>();
  const arrivals = new Map<NodeId, Arrival>();
  const dead = new Set<string>();
  const expectedUntilMs = new Map<NodeId, number>();
  let assumedUntilMs = 0;
  return {
    arrivals,
    begin(nowMs) {
      sessions.clear();
      arrivals.clear();
      expectedUntilMs.clear();
      assumedUntilMs = nowMs + nodeLeaseMs + leaseMarginMs;
    },
    get: (node) => sessions.get(node),
    status: (node, fragment) => sessions.get(node)?.statuses.get(fragment),
    entries: () => sessions,
    renew(heartbeat, nowMs) {
      const known = sessions.get(heartbeat.node);
      const session = known?.incarnation === heartbeat.incarnation ? known : newSession(heartbeat.incarnation, nowMs);
      sessions.set(heartbeat.node, session);
      session.leaseUntilMs = nowMs + nodeLeaseMs + leaseMarginMs;
      session.leaving = heartbeat.leaving;
      session.viewSeq = heartbeat.viewSeq;
      session.freeBytes = heartbeat.freeBytes;
      session.power = heartbeat.power;
      if (heartbeat.all) {
        session.statuses.clear();
        session.whole = true;
      }
      for (const status of heartbeat.statuses) session.statuses.set(status.fragment, status);
      return session;
    },
    expect(node, nowMs) {
      expectedUntilMs.set(node, nowMs + nodeLeaseMs + leaseMarginMs);
    },
    leaseUntilMs: (node) =>
      Math.max(assumedUntilMs, expectedUntilMs.get(node) ?? 0, sessions.get(node)?.leaseUntilMs ?? 0),
    end: (node) => void sessions.delete(node),
    bury({ node, incarnation }) {
      dead.add(nameOf(node, incarnation));
      for (const oldest of dead) {
        if (dead.size <= burials) break;
        dead.delete(oldest);
      }
    },
    isDead: (node, incarnation) => dead.has(nameOf(node, incarnation)),
  };
}

function newSession(incarnation: string, nowMs: number): Session {
  return {
    incarnation,
    sinceMs: nowMs,
    leaseUntilMs: 0,
    statuses: new Map(),
    whole: false,
    leaving: false,
    checkpoint: new Set(),
    verify: new Set(),
    viewSeq: 0,
    freeBytes: undefined,
    power: undefined,
  };
}

function nameOf(node: NodeId, incarnation: string): string {
  return `${node} ${incarnation}`;
}
