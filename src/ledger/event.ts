// Ledger events. Owns the facts, past tense, of which the cluster view is the fold.
// One ledger record is one JSON-free msgpack `{term, member, nonce, events}`; events of a record take effect together.

import type { Profile } from "../forecast/profile.js";
import type { Bytes } from "../kernel/bytes.js";
import type { Policy } from "../plan/policy.js";
import type { FragmentId, MemberId, NodeId } from "../protocol/subjects.js";
import type { TableDef } from "../table/table.js";
import type { Move, MoveOutcome, MovePhase } from "./move.js";
import type { Merge, Split } from "./reshape.js";

export interface NewFragment {
  readonly id: FragmentId;
  readonly from: Bytes;
  /** Undefined = to the end of the key space. */
  readonly to: Bytes | undefined;
  readonly group: number;
  /** The first is the primary of epoch 1. */
  readonly replicas: readonly NodeId[];
}

export type LedgerEvent =
  | {
      readonly kind: "clusterCreated";
      readonly logGroups: number;
      readonly partitions: number;
      readonly createdMs: number;
    }
  | { readonly kind: "leaderElected"; readonly term: number; readonly member: MemberId }
  /** First sight of a node, or its return with another zone, weight or disk (`storeId`). */
  | {
      readonly kind: "nodeJoined";
      readonly node: NodeId;
      readonly zone: string;
      readonly weight: number;
      readonly storeId: string;
      readonly bootCount: number;
    }
  /** It answers heartbeats; `incarnation` names the process. */
  | { readonly kind: "nodeUp"; readonly node: NodeId; readonly incarnation: string; readonly bootCount: number }
  | { readonly kind: "nodeDown"; readonly node: NodeId; readonly incarnation: string; readonly atMs: number }
  | { readonly kind: "nodeDraining"; readonly node: NodeId; readonly draining: boolean; readonly by: string }
  | { readonly kind: "nodeRemoved"; readonly node: NodeId }
  | { readonly kind: "tableCreated"; readonly table: TableDef; readonly fragments: readonly NewFragment[] }
  | { readonly kind: "tableDropped"; readonly table: number }
  /** A new epoch for each: its primary may be the same node. */
  | {
      readonly kind: "primariesChanged";
      readonly changes: readonly { readonly fragment: FragmentId; readonly epoch: number; readonly primary: NodeId }[];
      readonly cause: string;
    }
  /** The primary of `epoch` has its epoch marker at `lsn` in the log and serves: the fragment's history is at least this long. */
  | {
      readonly kind: "fragmentsActivated";
      readonly activations: readonly { readonly fragment: FragmentId; readonly epoch: number; readonly lsn: number }[];
    }
  /** Joining: it copies and follows, but counts for nothing yet. */
  | {
      readonly kind: "replicasAdded";
      readonly replicas: readonly { readonly fragment: FragmentId; readonly node: NodeId }[];
      readonly cause: string;
    }
  | {
      readonly kind: "replicasReady";
      readonly replicas: readonly { readonly fragment: FragmentId; readonly node: NodeId }[];
    }
  | {
      readonly kind: "replicasRemoved";
      readonly replicas: readonly { readonly fragment: FragmentId; readonly node: NodeId }[];
      readonly cause: string;
    }
  /** A fragment wants another number of replicas than its table; 0 = as the table. `spare`, absent = 0: so many of them a planner added for reads. */
  | {
      readonly kind: "replicaCountChanged";
      readonly fragment: FragmentId;
      readonly count: number;
      readonly spare?: number | undefined;
    }
  /** In its first phase: see `firstPhase`. */
  | { readonly kind: "moveStarted"; readonly move: Move }
  | {
      readonly kind: "moveAdvanced";
      readonly move: number;
      readonly phase: MovePhase;
      readonly atMs: number;
      readonly lsn: number;
      readonly note: string;
    }
  | {
      readonly kind: "moveEnded";
      readonly move: number;
      readonly outcome: MoveOutcome;
      readonly atMs: number;
      readonly why: string;
    }
  /** How the planner may act, from now on. */
  | { readonly kind: "policyChanged"; readonly policy: Policy; readonly by: string; readonly atMs: number }
  /** Of a move that the planner began: what would have been without it, once that is known. */
  | { readonly kind: "moveJudged"; readonly move: number; readonly atMs: number; readonly verdict: string }
  /** A profile declared, or declared anew under its name. Kept in the ledger of the first control partition. */
  | { readonly kind: "profilePut"; readonly profile: Profile }
  | { readonly kind: "profileRemoved"; readonly name: string }
  /** The primary is asked for a `split` record; the child's id is spent from now on. */
  | ({ readonly kind: "splitStarted" } & Split)
  /** The primary could not: no record was written. */
  | {
      readonly kind: "splitCancelled";
      readonly fragment: FragmentId;
      readonly child: FragmentId;
      readonly atMs: number;
      readonly why: string;
    }
  /** The `split` record stands at `baseLsn`: the child has the parent's group, replicas and primary, and is at epoch 1. */
  | {
      readonly kind: "fragmentSplit";
      readonly fragment: FragmentId;
      readonly child: FragmentId;
      readonly at: Bytes;
      readonly baseLsn: number;
      readonly baseHash: Bytes;
      readonly atMs: number;
    }
  /** The right one is to be sealed, then the left one takes it over. */
  | ({ readonly kind: "mergeStarted" } & Merge)
  /** The `absorb` record stands at `lsn` in the left one's log: the right one is no more. */
  | {
      readonly kind: "fragmentsMerged";
      readonly left: FragmentId;
      readonly right: FragmentId;
      readonly lsn: number;
      readonly rightLsn: number;
      readonly changedLsn: number;
      readonly atMs: number;
    }
  /** A log stream as found: `created` changes when somebody deleted and remade it. */
  | { readonly kind: "logStreamSeen"; readonly group: number; readonly created: string }
  /** Something was lost or found wrong, and what became of it. Kept in the view for people, the last 100. */
  | { readonly kind: "incidentReported"; readonly incident: Incident };

export interface Incident {
  readonly atMs: number;
  readonly node: NodeId;
  readonly what: IncidentKind;
  /** `healed`: nothing acknowledged was lost. `refused`: the fragments stay closed until an operator acts. `noticed`: information. */
  readonly outcome: "healed" | "refused" | "noticed";
  readonly fragments: readonly FragmentId[];
  /** A sentence for a person. */
  readonly note: string;
}

export type IncidentKind =
  | "logRegressed"
  | "logRecreated"
  | "logGap"
  | "recordCorrupt"
  | "replicaDiverged"
  | "replicaRebuilt"
  /** A copy that differed from the majority was replaced, wholly or in part. */
  | "replicaRepaired"
  | "storeReplaced"
  | "storeRolledBack"
  | "storeCorrupt";

export interface LedgerRecord {
  readonly term: number;
  readonly member: MemberId;
  /** Unique per append: tells a leader whether the record at a sequence is its own. */
  readonly nonce: string;
  readonly events: readonly LedgerEvent[];
}
