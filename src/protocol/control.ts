// Control. Owns what nodes, supervisors, routers and operators say to the leader of a control partition, and its answers.

import type { Profile } from "../forecast/profile.js";
import type { Cut, Join } from "../fragment/replica.js";
import type { Fault } from "../kernel/fault.js";
import type { Incident } from "../ledger/event.js";
import type { MoveOutcome, MovePhase, Strategy } from "../ledger/move.js";
import type { Mix } from "../load/mix.js";
import type { NodePower } from "../load/power.js";
import type { KeySchema, KeyValue, Partitioning, RowKey } from "../table/table.js";
import type { FragmentId, NodeId } from "./subjects.js";

/** State of one replica as its node reports it; sent when it changed, and all of them when the leader asks (`wantAll`). */
export interface ReplicaStatus {
  readonly fragment: FragmentId;
  /**
   * `opening`: primary of `epoch`, not serving yet. `serving`: primary of `epoch`, its marker is in the log. `following`: a backup at the log's tail.
   * `attached`: the same, but rows are missing here (`sparse`): no backup yet.
   * `copying`: behind the trimmed log, pulls a snapshot. `behind`: a backup reading the log. `faulted`: closed, see incidents.
   */
  readonly state: "opening" | "serving" | "following" | "attached" | "behind" | "copying" | "faulted";
  /** Rows are missing here; they are pulled from a whole replica. */
  readonly sparse: boolean;
  /** Highest epoch that the replica knows of: the ledger's, or what the log shows beyond it. */
  readonly epoch: number;
  readonly lsn: number;
  /** LSN of this epoch's marker once serving. */
  readonly markerLsn: number;
  /** Stream sequence of the last record that is durable in the node's store: the log may be trimmed below it. */
  readonly durableSeq: number;
  readonly rows: number;
  readonly bytes: number;
  /** Of a primary: what came of the last digests that were compared. */
  readonly verified?: Verified | undefined;
  /** Of a primary: what its load consists of, once enough was asked. */
  readonly mix?: Mix | undefined;
  /** Of a replica that is being filled. */
  readonly progress?: CopyProgress | undefined;
  /** The split that the ledger asks for, as it stands in the log. */
  readonly cut?: Cut | undefined;
  /** Why the split into `child` cannot be. */
  readonly refused?: { readonly child: FragmentId; readonly why: string } | undefined;
  /** The merge that the ledger asks for, as it stands in the log. */
  readonly joined?: Join | undefined;
  /** Its rows lie apart from its neighbours' (a store of an earlier version): it cannot be merged where it lies. */
  readonly apart?: boolean | undefined;
}

/** Digests of all replicas at one record, as the primary gathered them. */
export interface Verified {
  /** LSN of the record at which they were taken. */
  readonly lsn: number;
  /** Replicas with the digest of the majority, the primary among them unless it differs itself. */
  readonly agree: readonly NodeId[];
  /** The others that answered, each with a key range, as a person reads it, in which it differs. */
  readonly differ: readonly { readonly node: NodeId; readonly from: string; readonly to: string }[];
}

export interface CopyProgress {
  readonly rows: number;
  readonly bytes: number;
  /** As the source counts them. */
  readonly totalRows: number;
  readonly totalBytes: number;
  /** Records that the log is ahead of what is applied here. */
  readonly lagLsn: number;
  readonly bytesPerSecond: number;
}

export interface Heartbeat {
  readonly kind: "heartbeat";
  readonly node: NodeId;
  readonly incarnation: string;
  readonly zone: string;
  readonly weight: number;
  readonly storeId: string;
  readonly bootCount: number;
  /** Ledger sequence folded. */
  readonly viewSeq: number;
  readonly statuses: readonly ReplicaStatus[];
  /** True when `statuses` holds every replica of the partition on this node. */
  readonly all: boolean;
  readonly incidents: readonly Omit<Incident, "atMs">[];
  /** The node is stopping by will: move its primaries away, then say `drained`. */
  readonly leaving: boolean;
  /** Room on the disk of its store; undefined when the node cannot tell. */
  readonly freeBytes?: number | undefined;
  /** What it carries and could carry; undefined of earlier versions. */
  readonly power?: NodePower | undefined;
}

export interface HeartbeatAnswer {
  readonly term: number;
  /** Lease from when the node asked; 0 = none (unknown node process, or the leader itself is about to lose its lease). */
  readonly leaseMs: number;
  /** Fold at least this far: a change for this node is there. */
  readonly viewSeq: number;
  /** Send every status with the next heartbeat. */
  readonly wantAll: boolean;
  /** Primaries that should append a checkpoint record, so that the log can be trimmed. */
  readonly checkpoint: readonly FragmentId[];
  /** Primaries that should append a `verify` record and have the digests compared there, unless they are about it already. */
  readonly verify: readonly FragmentId[];
  /** Leaving node: no primary is left here. */
  readonly drained: boolean;
}

/** A host process ended for certain (its exit was seen): no lease of it needs to be waited for. */
export interface HostDied {
  readonly kind: "hostDied";
  readonly node: NodeId;
  readonly incarnation: string;
}

export type AdminRequest =
  | {
      readonly kind: "createTable";
      readonly name: string;
      readonly partitioning: Partitioning;
      readonly key: KeySchema;
      /** Count for `hash`; `range` tables are cut at `splitAt` instead. */
      readonly fragments: number;
      readonly splitAt: readonly RowKey[];
      /** 0 = as many as there are nodes, at most 3. */
      readonly replicas: number;
    }
  | { readonly kind: "dropTable"; readonly name: string }
  | { readonly kind: "drainNode"; readonly node: NodeId; readonly draining: boolean; readonly by?: string }
  | { readonly kind: "removeNode"; readonly node: NodeId }
  | {
      readonly kind: "moveFragment";
      readonly table: string;
      readonly fragment: FragmentId;
      readonly to: NodeId;
      /** Whose replica goes; empty = the primary's. */
      readonly from: NodeId | "";
      /** Empty = leader-only where `to` holds a replica, else log-shipping. */
      readonly strategy: Strategy | "";
      /** The primary role goes to `to` also when `from` is not primary. */
      readonly role: boolean;
      /** The copy should be there by then; 0 = no hurry. */
      readonly withinMs: number;
      readonly by: string;
      readonly why: string;
    }
  /** To the leader of the first control partition: it keeps the profiles. */
  | { readonly kind: "putProfile"; readonly profile: Profile }
  | { readonly kind: "removeProfile"; readonly name: string }
  | { readonly kind: "cancelMove"; readonly move: number; readonly by: string }
  | { readonly kind: "rollbackMove"; readonly move: number; readonly by: string }
  | { readonly kind: "listMoves"; readonly history: boolean }
  /** Has the copies of a table's fragments (or of one) compared when `begin`; answers at once with what the last comparisons found. */
  | { readonly kind: "verify"; readonly table: string; readonly fragment: FragmentId | null; readonly begin: boolean }
  | {
      readonly kind: "setReplicas";
      readonly table: string;
      readonly fragment: FragmentId;
      /** 0 = as the table says. */
      readonly count: number;
    }
  /** Every leader plans its own partition by it. `change`: fields of a policy, on top of the present one. */
  | { readonly kind: "setPolicy"; readonly change: unknown; readonly by: string }
  /** What would be done now, and why: from the last round of planning. */
  | { readonly kind: "showPlan" }
  /** `at`: a key, or the first part of one; absent: the primary chooses by load. */
  | {
      readonly kind: "splitFragment";
      readonly table: string;
      readonly fragment: FragmentId;
      readonly at?: KeyValue | RowKey;
      readonly by: string;
    }
  | {
      readonly kind: "mergeFragments";
      readonly table: string;
      readonly left: FragmentId;
      readonly right: FragmentId;
      readonly by: string;
    };

/** One fragment, and what its primary's last comparison found; null: none yet. */
export interface VerifyLine {
  readonly fragment: FragmentId;
  readonly primary: NodeId;
  readonly copies: number;
  /** Where the log is: a comparison that begins now is beyond it. */
  readonly lsn: number;
  readonly verified: Verified | null;
}

export type AdminAnswer =
  | {
      readonly done: true;
      readonly viewSeq: number;
      /** Number of the move that began. */
      readonly move?: number | undefined;
      readonly moves?: readonly MoveLine[] | undefined;
      readonly verify?: readonly VerifyLine[] | undefined;
      /** As people are told of it: see docs/PROTOCOL.md. */
      readonly plan?: PlanTold | undefined;
    }
  | { readonly fault: Fault };

/** The planning of one control partition, for people and their programs; what is inside is fixed by `actors/leader/plan/told.ts`. */
export type PlanTold = Readonly<Record<string, unknown>>;

/** One move as people are told of it. */
export interface MoveLine {
  readonly move: number;
  readonly table: string;
  readonly fragment: FragmentId;
  readonly strategy: Strategy;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly role: boolean;
  readonly cause: string;
  readonly by: string;
  readonly why: string;
  readonly phase: MovePhase;
  readonly phases: readonly { readonly phase: MovePhase; readonly atMs: number; readonly note: string }[];
  readonly startedMs: number;
  readonly deadlineMs: number;
  /** What the phase waits for. */
  readonly waitsFor: string;
  readonly progress?: CopyProgress | undefined;
  /** Of a move that ended. */
  readonly outcome?: MoveOutcome | undefined;
  readonly endedMs?: number | undefined;
  readonly end?: string | undefined;
  /** What would have been without it. */
  readonly verdict?: string | undefined;
}
