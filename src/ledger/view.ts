// Cluster view. Owns the shape of what the ledger folds to; the fold itself is in `fold.ts`.
// I9 every member that folded sequence n holds the same view n. Plain data: it is also the snapshot's content.

import type { Profile } from "../forecast/profile.js";
import type { Bytes } from "../kernel/bytes.js";
import type { Policy } from "../plan/policy.js";
import type { FragmentId, MemberId, NodeId } from "../protocol/subjects.js";
import type { TableDef } from "../table/table.js";
import type { Incident } from "./event.js";
import type { MoveView, PastMove } from "./move.js";
import type { Base, Merge, PastReshape, Split, Taken } from "./reshape.js";

export interface NodeView {
  readonly id: NodeId;
  zone: string;
  weight: number;
  storeId: string;
  bootCount: number;
  /** The process that answers now, or answered last. */
  incarnation: string;
  state: "up" | "down";
  draining: boolean;
  /** Who asked that it be drained. */
  drainedBy: string;
  /** Wall clock of the leader when it went down, 0 while up. For people and for the rebuild delay across leaders. */
  downSinceMs: number;
}

export interface ReplicaView {
  readonly node: NodeId;
  /** `joining` copies and follows; `ready` may become primary and serves bounded reads. */
  state: "joining" | "ready";
}

export interface FragmentView {
  readonly id: FragmentId;
  readonly table: number;
  readonly from: Bytes;
  readonly to: Bytes | undefined;
  readonly group: number;
  epoch: number;
  primary: NodeId;
  /** Highest epoch whose primary reported its marker, and that marker's LSN: the log must reach at least this far. 0, 0 = never served. */
  activatedEpoch: number;
  activatedLsn: number;
  replicas: ReplicaView[];
  /** Replicas that this fragment should have; 0 = as many as its table says. */
  replicasWanted: number;
  /** So many of them a planner added for reads, and may let go. */
  replicasSpare: number;
  /** Of a fragment that came from a split; its log goes on from there. */
  readonly base: Base | undefined;
  /** Its bounds are not those with which its log begins: whoever has nothing cannot begin with the log. */
  readonly reshaped: boolean;
}

export interface PolicyView {
  readonly policy: Policy;
  readonly by: string;
  readonly atMs: number;
}

export interface ClusterView {
  readonly partition: number;
  /** Sequence of the last folded ledger record. */
  seq: number;
  term: number;
  leader: MemberId;
  logGroups: number;
  partitions: number;
  createdMs: number;
  nextTableId: number;
  /** Count of fragments ever made; a fragment's id is `count * limits.controlPartitions + partition`. */
  nextFragment: number;
  readonly nodes: Map<NodeId, NodeView>;
  readonly tables: Map<number, TableDef>;
  readonly fragments: Map<FragmentId, FragmentView>;
  /** Fragment ids of a table in the order of their ranges. */
  readonly order: Map<number, FragmentId[]>;
  /** `created` of each log stream as last recorded. */
  readonly logStreams: Map<number, string>;
  readonly incidents: Incident[];
  /** How the planner may act; undefined: as it is by default. */
  policy: PolicyView | undefined;
  /** Declared demand, by name. */
  readonly profiles: Map<string, Profile>;
  nextMove: number;
  /** Moves under way, by id. */
  readonly moves: Map<number, MoveView>;
  /** The last ones that ended, oldest first. */
  readonly pastMoves: PastMove[];
  /** Under way, by the fragment that is to be split. */
  readonly splits: Map<FragmentId, Split>;
  /** Under way, by the left fragment. */
  readonly merges: Map<FragmentId, Merge>;
  /** Fragments that were taken over, the last ones, oldest first. */
  readonly taken: Taken[];
  /** Splits and merges that ended, the last ones, oldest first. */
  readonly pastReshapes: PastReshape[];
  /** Index of `tables` by name; rebuilt from a snapshot, not part of it. */
  readonly tableIds: Map<string, number>;
  /** Index of `fragments` by the nodes that hold a replica; rebuilt from a snapshot, not part of it. */
  readonly held: Map<NodeId, Set<FragmentId>>;
  /** Index of `moves` by fragment: one has at most one move under way; rebuilt from a snapshot, not part of it. */
  readonly moving: Map<FragmentId, number>;
  /** Index of `merges` by the right fragment; rebuilt from a snapshot, not part of it. */
  readonly merging: Map<FragmentId, FragmentId>;
}
