// Leader state. Owns the shapes of one leader actor: its wiring, its part of the lease, its view, and what it does in office.

import type { Appender } from "../../src/kernel/appender.js";
import type { ReplyTo, Request, Ticket, WorldMessage } from "../../src/kernel/effect.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import type { Incident, LedgerRecord } from "../../src/ledger/event.js";
import type { Tail } from "../../src/ledger/tail.js";
import type { LooseAdminRequest } from "../../src/protocol/control-codec.js";
import type { NodeId } from "../../src/protocol/subjects.js";
import type { Ring } from "../../src/ring/ring.js";
import type { LeaderConfig } from "./config.js";
import type { Lease } from "./lease.js";
import type { MovesMemory } from "./moves.js";
import type { PlannerMemory } from "./plan.js";
import type { Sessions } from "./sessions.js";
import type { SnapshotWriter } from "./snapshots.js";
import type { Trimmer } from "./trim.js";

/** `start` once after birth; `stop` before a graceful end: the lease is given back. */
export type LeaderMessage = { readonly kind: "start" } | { readonly kind: "stop" } | Request | WorldMessage;

export interface Order {
  readonly request: LooseAdminRequest;
  readonly from: ReplyTo;
}

/** One record on its way into the ledger. */
export interface Flight {
  readonly record: LedgerRecord;
  /** Holds the replies that depend on it (I1). */
  readonly ticket: Ticket;
  /** Nodes that the record declares down: no lease for them any more. */
  readonly condemned: ReadonlySet<NodeId>;
}

export type Office =
  /** Not the leader, or not any more. */
  | { readonly kind: "standby" }
  /** Holds the lease and learns what the ledger holds, up to its end; `sinceMs` is when it last got on. */
  | {
      readonly kind: "entering";

      step: "looking" | "snapshot" | "electing";
      ticket: Ticket;
      sinceMs: number;
      lastSeq: number;
      /** A snapshot beyond what was lost is stored. */
      mended: boolean;
    }
  | { readonly kind: "leading"; readonly sinceMs: number };

export interface LeaderState {
  readonly config: LeaderConfig;
  readonly hash: Hash;
  readonly tickets: Tickets;
  readonly lease: Lease;
  readonly tail: Tail;
  readonly appender: Appender;
  readonly sessions: Sessions;
  readonly snapshots: SnapshotWriter;
  readonly trimmer: Trimmer;
  readonly orders: Order[];
  readonly incidents: Incident[];
  readonly moves: MovesMemory;
  readonly planner: PlannerMemory;
  office: Office;
  flight: Flight | undefined;
  /** The ledger subject's last sequence: what the next append expects. */
  fenceSeq: number;
  /** Term of this member's leadership, as in the ledger. */
  term: number;
  /** Something changed that may ask for a record. */
  dirty: boolean;
  balanceAtMs: number;
  repairAtMs: number;
  /** When the last snapshot was begun. */
  snapshotAtMs: number;
  ring: { readonly key: string; readonly ring: Ring } | undefined;
  /** Drawn at the start: no two records of two processes are alike. */
  nonce: string;
  /** The lease was given back by will: this actor competes no more. */
  stopped: boolean;
}
