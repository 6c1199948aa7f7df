// Node state. Owns the shapes: what a node knows of its shards, its leases and the requests it is gathering.

import type { Timing } from "../../src/config/limits.js";
import type { CopyBounds } from "../../src/fragment/pace.js";
import type { Store } from "../../src/fragment/store.js";
import type { ActorId, ReplyTo, Request, Ticket, WorldMessage } from "../../src/kernel/effect.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { IdMap } from "../../src/kernel/id-map.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import type { Tail } from "../../src/ledger/tail.js";
import type { Cell } from "../../src/load/counter.js";
import type { Gauges } from "../../src/load/gauges.js";
import type { ClientGroups } from "../../src/load/group.js";
import type { MixMeter } from "../../src/load/mix.js";
import type { Ceiling, PowerMeter } from "../../src/load/power.js";
import type { Tally } from "../../src/load/tally.js";
import type { FragmentOps, OpResult } from "../../src/protocol/exec.js";
import type { FragmentId, MemberId, NodeId } from "../../src/protocol/subjects.js";
import type { Assignment, Board, ShardReport } from "../shard/state.js";
import type { Gate } from "./gate.js";
import type { Sampling } from "./sampling.js";

export interface NodeConfig {
  readonly id: NodeId;
  readonly zone: string;
  readonly weight: number;
  /** Names this process; a new one at every start. */
  readonly incarnation: string;
  /** Names the store's disk, and counts its openings. */
  readonly storeId: string;
  readonly bootCount: number;
  readonly partitions: number;
  readonly logGroups: number;
  readonly timing: Timing;
  /** Between which bounds copies to this node go; absent: the defaults. */
  readonly copyBounds?: CopyBounds;
  /** Absent or 0: no load is sampled. */
  readonly sampleIntervalMs?: number;
  /** Absent: each user is a group. */
  readonly clientGroups?: ClientGroups;
  readonly verify?: VerifyPace;
  /** How much it may be asked of; absent: as much as it can bear. */
  readonly ceiling?: Ceiling;
}

/** How fast copies are compared when nobody asks for it. */
export interface VerifyPace {
  /** Bytes of rows that this node leads, as a mean over time; 0 = never. */
  readonly bytesPerSecond: number;
  /** No fragment has its turn more often than this. */
  readonly everyMs: number;
}

export interface NodeWiring {
  readonly store: Store;
  readonly hash: Hash;
  readonly gauges?: Gauges;
}

export interface ShardSlot {
  readonly fragment: FragmentId;
  readonly actor: ActorId;
  readonly group: number;
  readonly shelf: number;
  readonly tableId: number;
  readonly tableName: string;
  assignment: Assignment;
  failures: number;
}

/** Where an operation is counted: as load, and for people who watch. */
export interface Counted {
  readonly cell: Cell;
  readonly tally: Tally;
}

/** A request whose parts are with the shards. */
export interface Job {
  readonly from: ReplyTo;
  readonly results: (OpResult | undefined)[][];
  readonly parts: readonly FragmentOps[];
  /** Monotonic: operations that are not carried out by then are not begun. */
  readonly deadlineAtMs: number;
  /** Where the operations of each part are counted; undefined: nowhere. */
  readonly cells: readonly (Counted | undefined)[];
  readonly begunAtMs: number;
  missing: number;
  readonly count: number;
  readonly bytes: number;
  /** The user of a client that came straight here; undefined: a router asks. */
  readonly user: string | undefined;
}

/** One heartbeat under way; `statuses` are reported again when it gets lost. */
export interface Beat {
  readonly partition: number;
  readonly askedAtMs: number;
  readonly fragments: readonly FragmentId[];
  readonly incidents: readonly Board["incidents"][number][];
}

/** A ledger, by when its cluster was created, and a sequence in it. */
export interface Seen {
  readonly createdMs: number;
  readonly seq: number;
}

export interface PartitionState {
  readonly tail: Tail;
  /** A lease that counts once the view has reached `viewSeq`. */
  granted: { readonly untilMs: number; readonly viewSeq: number } | undefined;
  reportAll: boolean;
  /** Who led when the last heartbeat was answered; undefined once one was not: the next asks everybody. */
  answeredBy: MemberId | undefined;
  /** How far the store has followed this ledger, once it has in this process. */
  seen: Seen | undefined;
  drained: boolean;
}

/** One fragment's log at a time is read from end to end. */
export interface ScrubRound {
  readonly done: Set<FragmentId>;
  current: FragmentId | undefined;
  /** How long the present fragment, and the round, have taken. */
  currentTicks: number;
  roundTicks: number;
}

/** Copies are compared all the time, at a low rate: one fragment that this node leads after the other. */
export interface VerifyRound {
  /** When each fragment may have its next turn, counted in ticks. */
  readonly dueTicks: Map<FragmentId, number>;
  ticks: number;
  current: FragmentId | undefined;
  currentTicks: number;
  /** What may be read now; a large fragment overdraws it, and the next one waits. */
  budgetBytes: number;
}

export interface NodeState {
  readonly config: NodeConfig;
  readonly wiring: NodeWiring;
  readonly board: Board;
  readonly tickets: Tickets;
  readonly partitions: readonly PartitionState[];
  readonly shards: Map<FragmentId, ShardSlot>;
  /** Log groups that are followed. */
  readonly groups: Set<number>;
  readonly jobs: IdMap<Job>;
  nextJob: number;
  opsUnderWay: number;
  /** Of clients that came straight here, by user. */
  readonly opsOfUsers: Map<string, number>;
  bytesUnderWay: number;
  readonly beats: Map<Ticket, Beat>;
  /** A heartbeat out of turn is on its way to be sent; when the last one was. */
  urgentArmed: boolean;
  beatAtMs: number;
  readonly scrub: ScrubRound;
  readonly verifying: VerifyRound;
  readonly sampling: Sampling | undefined;
  /** What the load of the fragments consists of that this node leads. */
  readonly mixes: Map<FragmentId, MixMeter>;
  readonly power: PowerMeter;
  /** Undefined where there is no ceiling: everybody is let in. */
  readonly gate: Gate | undefined;
  leaving: boolean;
  leaveUntilMs: number;
}

export type NodeMessage =
  | { readonly kind: "start" }
  /** End: with `leave`, hand the primaries over first. */
  | { readonly kind: "stop"; readonly leave: boolean; readonly withinMs: number }
  | Request
  | ShardReport
  | WorldMessage;
