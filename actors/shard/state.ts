// Shard state. Owns the shapes: what a shard knows, the modes it can be in, and the messages it eats.
// One shard is one replica of one fragment. Its node tells it what the ledger says (`assign`), what the log brings (`record`) and what is asked (`exec`).

import type { Timing } from "../../src/config/limits.js";
import type { DigestTree, Search } from "../../src/fragment/digest.js";
import type { CopyBounds, Pace } from "../../src/fragment/pace.js";
import type { FragmentRecord } from "../../src/fragment/record.js";
import type { Replica } from "../../src/fragment/replica.js";
import type { Store } from "../../src/fragment/store.js";
import type { RequestWindow } from "../../src/fragment/window.js";
import type { Appender } from "../../src/kernel/appender.js";
import type { Bytes } from "../../src/kernel/bytes.js";
import type { ActorId, LogRecord, LogSubject, ReplyTo, Ticket, WorldMessage } from "../../src/kernel/effect.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import type { Incident } from "../../src/ledger/event.js";
import type { Base, Split } from "../../src/ledger/reshape.js";
import type { KeyLoad } from "../../src/load/keys.js";
import type { Mix } from "../../src/load/mix.js";
import type { ReplicaStatus, Verified } from "../../src/protocol/control.js";
import type { Change, Op, OpResult } from "../../src/protocol/exec.js";
import type {
  CopyChunk,
  Damage,
  DigestAnswer,
  PeerRequest,
  PullRange,
  ReplicaPosition,
  WindowSlice,
} from "../../src/protocol/peer.js";
import type { FragmentId, NodeId } from "../../src/protocol/subjects.js";
import type { Groups } from "../../src/query/aggregate.js";
import type { FieldExtract } from "../../src/query/extract.js";
import type { Filter } from "../../src/query/query.js";
import type { Position, PositionRange, TableDef } from "../../src/table/table.js";
import type { Held } from "./held.js";
import type { Lateness } from "./lateness.js";
import type { LenderSearch } from "./lender.js";

/** What a node and its shards share on one host: written by one side, read by the other, never awaited. */
export interface Board {
  /** Until when strong reads are allowed, by control partition, on the host's monotonic clock. Written by the node. */
  readonly leaseUntilMs: number[];
  /** Written by the shards, reported with heartbeats. */
  readonly statuses: Map<FragmentId, ReplicaStatus>;
  readonly changed: Set<FragmentId>;
  /** A status among the changed ones is waited for by the leader: the node should not keep it until the next heartbeat. */
  urgent: boolean;
  /** Bounded by the node when it reports them. */
  readonly incidents: Omit<Incident, "atMs">[];
  /** Fragments here that the ledger does not name any more: kept until their left neighbours have taken them over. Written by the node. */
  readonly retired: Set<FragmentId>;
  /** Fragments whose replica here was taken over: their shards do nothing more. Written by the shards that took them. */
  readonly gone: Set<FragmentId>;
  /** Shards that wait for a right neighbour to be sealed here. */
  readonly waits: Map<FragmentId, ActorId>;
  /** Share of a core that this host used of late. Written by the node. */
  burden: number;
  /** What primaries here remember of the keys that they are asked for. Written by the shards. */
  readonly keys: Map<FragmentId, KeyLoad>;
  /** How the node reads from a shard in a step of its own, without a message there and back. Written by the shards. */
  readonly readers: Map<FragmentId, Reader>;
  /** What the load of primaries here consists of, as last told. Written by the node. */
  readonly mixes: Map<FragmentId, Mix>;
}

/** Answers a get as of this moment; undefined: not now, or not here, so it is to be sent to the shard as a message. */
export type Reader = (op: Extract<Op, { op: "get" }>, nowMs: number) => OpResult | undefined;

export interface ShardConfig {
  readonly fragment: FragmentId;
  readonly table: TableDef;
  readonly node: NodeId;
  /** `node/incarnation`: names this process in the records it writes. */
  readonly writer: string;
  readonly group: number;
  readonly parent: ActorId;
  readonly self: ActorId;
  readonly timing: Timing;
  /** Between which bounds copies to this node go. */
  readonly copyBounds: CopyBounds;
}

export interface ShardWiring {
  readonly store: Store;
  readonly hash: Hash;
  readonly board: Board;
}

/** What the ledger says of the fragment, as far as its replica must know. */
export interface Assignment {
  readonly epoch: number;
  readonly primary: NodeId;
  readonly activatedLsn: number;
  /** The other replicas' nodes that are up: they are asked before a primary opens. */
  readonly livePeers: readonly NodeId[];
  /** All other replicas' nodes. */
  readonly peers: readonly NodeId[];
  /** When the copy that is made here should be there, wall clock; absent or 0 = no hurry. */
  readonly copyDeadlineMs?: number;
  /** The replica here is to be a sparse one (copy-on-write): where its rows come from, the best first. */
  readonly sparse?: { readonly sources: readonly NodeId[] } | undefined;
  /** Where the log of a fragment that came from a split goes on from. */
  readonly base?: Base | undefined;
  /** The log does not begin with the fragment as it is: a replica that has nothing has to copy. */
  readonly reshaped?: boolean;
  /** The fragment is to be split. */
  readonly split?: Split | undefined;
  /** The right neighbour is to be taken over. */
  readonly absorb?: FragmentId | undefined;
  /** The left neighbour is to take this fragment over: it is to be sealed. */
  readonly seal?: boolean;
}

export interface Tail {
  readonly lsn: number;
  readonly epoch: number;
  readonly seq: number;
  readonly hash: Bytes;
}

/** A copy under way at the destination. */
export interface CopyRun {
  readonly source: NodeId;
  /** Names this asker's numbering of chunks to the source. */
  readonly session: string;
  /** Chunks asked for, by ticket, and what the pace was charged for them beforehand; those to be asked for again; those that came before their turn. */
  readonly flights: Map<Ticket, { readonly chunk: number; readonly chargedBytes: number }>;
  readonly again: Set<number>;
  readonly arrived: Map<number, CopyChunk>;
  /** Where chunk `nextTake` begins. */
  cursor: Bytes;
  nextAsk: number;
  nextTake: number;
  /** Number of the last chunk, once it has come. */
  last: number | undefined;
  tries: number;
  /** What an earlier copy, which was interrupted, had brought. */
  readonly bytesBefore: number;
  /** The source's range, once known. */
  range: PositionRange | undefined;
  readonly pace: Pace;
  /** Records that the source wrote since the first chunk. */
  lagLsn: number;
  totalRows: number;
  totalBytes: number;
  readonly startedAtMs: number;
  /** Chunks taken in; of these on the disk, and how many will be once `ticket` comes back (0: none is under way). */
  taken: number;
  readonly durable: { ticket: Ticket; reaches: number; taken: number };
}

/** A copy that somebody takes from here: where its chunks begin, as far as remembered. */
export interface Loan {
  readonly beginnings: Map<number, Bytes>;
}

/** A sparse replica that is being made: it takes the request window, and the place in the log. */
export interface AttachRun {
  readonly source: NodeId;
  after: Bytes;
  ticket: Ticket;
  tries: number;
  start: WindowSlice | undefined;
}

/** One question for rows that are missing here. */
export interface PullRun {
  readonly source: NodeId;
  readonly positions: readonly Position[];
  readonly range: PullRange | undefined;
  /** The scan that waits for the range; 0 = none. */
  readonly slice: number;
  readonly background: boolean;
}

/** What a sparse replica is pulling. Soft state: a process that starts again begins with what is missing. */
export interface Pulls {
  readonly runs: Map<Ticket, PullRun>;
  /** Scans that wait for rows. */
  readonly slices: Set<number>;
  /** Somebody began to wait in this step. */
  wanted: boolean;
  /** Of the background. */
  readonly pace: Pace;
  /** Which of the sources is asked. */
  turn: number;
  /** Since when no source has answered; undefined when the last one did. */
  failingSinceMs: number | undefined;
  why: string;
  backgroundArmed: boolean;
  retryArmed: boolean;
  rows: number;
  bytes: number;
  startedAtMs: number;
}

/** Reads the log record by record until `lsn` is reached. */
export interface CatchUp {
  ticket: Ticket;
  /** False while it goes on from the replica's own sequence; true once it started over from the subject's first record. */
  fromStart: boolean;
  targetLsn: number;
}

export type Mode =
  /** Backup, finding out or reading what it lacks. */
  | {
      readonly kind: "behind";
      tailTicket: Ticket;
      catchUp: CatchUp | undefined;
      copy: CopyRun | undefined;
      attach: AttachRun | undefined;
      /** Copies begun, or wished for with no source, since the log was last asked for its first record. */
      copyTries: number;
      /** Peers are being asked how they are: who has the least to do is copied from. */
      search: LenderSearch | undefined;
      firstTicket: Ticket;
      /** The log has everything: it is read, however long that takes. */
      readsAll: boolean;
      /** Answers of the log that said less than is known. */
      looks: number;
    }
  /** Backup at the tail. */
  | { readonly kind: "following" }
  /** Primary that may not serve yet. */
  | {
      readonly kind: "opening";
      readonly epoch: number;
      tail: Tail | undefined;
      /** The newest record that the log delivered meanwhile: a tail that was read may be older. */
      delivered: Tail | undefined;
      tailTicket: Ticket;
      readonly asked: Map<Ticket, NodeId>;
      readonly positions: Map<NodeId, ReplicaPosition>;
      catchUp: CatchUp | undefined;
      copy: CopyRun | undefined;
      rechecked: boolean;
      stuck: boolean;
    }
  | { readonly kind: "serving"; readonly epoch: number; readonly markerLsn: number };

/** Where a result belongs: the node gathers by job and slot. */
export interface Slot {
  readonly job: number;
  readonly part: number;
  readonly index: number;
}

export interface WriteJob {
  readonly slot: Slot;
  readonly op: Extract<Op, { op: "write" }>;
  readonly deadlineAtMs: number;
  readonly bytes: number;
}

export interface ReadJob {
  readonly slot: Slot;
  readonly op: Extract<Op, { op: "get" | "scan" | "aggregate" }>;
  readonly deadlineAtMs: number;
}

/** A scan or aggregate between two slices. */
export interface SliceJob extends ReadJob {
  readonly op: Extract<ReadJob["op"], { op: "scan" | "aggregate" }>;
  from: Position;
  to: Position | undefined;
  rows: { position: Position; version: number; document: Bytes }[];
  bytes: number;
  groups: Groups | undefined;
  /** Of documents it is asked for nothing else. */
  readonly extract: FieldExtract;
  rowsSeen: number;
}

export interface Watcher {
  readonly slot: Slot;
  readonly limit: number;
  readonly filter: Filter | undefined;
  /** Fragments that it has read to their ends. */
  readonly ended: readonly FragmentId[];
  readonly untilMs: number;
  afterLsn: number;
  afterSeq: number;
  /** Under way: a read of the log for changes older than the memory of recent ones. */
  ticket: Ticket;
  readonly found: Change[];
  foundBytes: number;
}

export interface Flight {
  readonly record: FragmentRecord;
  readonly bytes: Bytes;
  readonly answers: readonly Done[];
  readonly jobs: readonly WriteJob[];
}

export interface ShardState {
  readonly config: ShardConfig;
  readonly wiring: ShardWiring;
  readonly log: LogSubject;
  readonly tickets: Tickets;
  readonly appender: Appender;
  readonly replica: Replica;
  window: RequestWindow;
  assignment: Assignment;
  mode: Mode;
  /** Highest epoch whose primary was promised silence (position asks). */
  promisedEpoch: number;
  /** Highest epoch that log or peers showed beyond the ledger's. */
  seenEpoch: number;
  /** When this step began, and when the last record was applied, on the host's clock: the fragment's time goes on from that record's stamp. */
  stepAtMs: number;
  /** No step was carried out yet, or one is; stays so when one throws. */
  stepping: boolean;
  stampedAtMs: number;
  flight: Flight | undefined;
  /** The log takes no more: its stream or disk is at its limit. Until the record in flight is in, further writes are refused. */
  logFull: boolean;
  writes: WriteJob[];
  writeBytes: number;
  /** Reads that wait for the primary to open or for proof of freshness. */
  reads: ReadJob[];
  readonly slices: Map<number, SliceJob>;
  nextSlice: number;
  /** This backup's rows were current at this time of the host's clock. */
  freshAtMs: number;
  freshAsk: { readonly ticket: Ticket; readonly askedAtMs: number } | undefined;
  /** The primary said it was at this LSN when asked; fresh once applied. */
  freshTarget: { readonly lsn: number; readonly askedAtMs: number } | undefined;
  readonly pulls: Pulls;
  /** Copies that others take from here, by session; the one used last stands last. */
  readonly loans: Map<string, Loan>;
  readonly lateness: Lateness;
  /** What the log delivered, and what cannot be applied yet. */
  readonly held: Held;
  /** The last records without a gap, while somebody watches or the replica is sparse. */
  readonly recent: FragmentRecordAt[];
  recentBytes: number;
  /** When a watcher came last. */
  watchedAtMs: number;
  readonly watchers: Set<Watcher>;
  wantCheckpoint: boolean;
  wantVerify: boolean;
  /** Digests of this copy at the last `verify` record it applied. */
  digest: DigestRun | undefined;
  /** Of a primary: the digests of all copies are being compared. */
  comparison: Comparison | undefined;
  /** Of a primary: what the last comparison found. */
  verified: Verified | undefined;
  /** The disk ran short while this copy was filled: it waits for room. */
  noRoom: boolean;
  /** This copy is known to differ from the majority. */
  damage: Mending | undefined;
  scrub: ScrubRun | undefined;
  /** Sequences that a scrub has reported. */
  readonly scrubbed: Set<number>;
  /** What the store has on disk: its stream sequence, and the commit that will move it. */
  durableSeq: number;
  durableTicket: Ticket;
  durablePendingSeq: number;
  expiryArmed: boolean;
  /** A split is being prepared: its key is chosen, and the rows behind it are counted. */
  survey: Survey | undefined;
  /** Why the split into `child` cannot be. */
  refusal: { readonly child: FragmentId; readonly why: string } | undefined;
  /** The record that takes the right neighbour over is next, and that one is not at its end here yet. */
  awaited: { readonly right: FragmentId; lsn: number; sinceMs: number } | undefined;
}

/** Rows and bytes from `at` to `cursor` are counted; changes below the cursor are counted as they come. */
export interface Survey {
  readonly child: FragmentId;
  /** Undefined: the middle is looked for; `left` rows are still before it. */
  at: Position | undefined;
  left: number;
  cursor: Position;
  rows: number;
  bytes: number;
  done: boolean;
}

/** A reading of the whole log: where it is, and the record that the next one must follow. */
export interface ScrubRun {
  ticket: Ticket;
  seq: number;
  lsn: number;
  hash: Bytes | undefined;
  readonly untilLsn: number;
  unanswered: number;
}

export interface DigestRun {
  readonly lsn: number;
  readonly ticket: Ticket;
  tree: DigestTree | undefined;
}

/** A primary's round over all live replicas. */
export interface Comparison {
  readonly lsn: number;
  readonly sinceMs: number;
  readonly peers: Map<NodeId, PeerDigest>;
  /** Ticks of its timer, which come later each time. */
  ticks: number;
  /** Where one copy differs is being looked for. */
  search: DigestSearch | undefined;
  /** Differences that were found, by the node of the copy that has them. */
  readonly damages: Map<NodeId, Damage>;
}

export interface PeerDigest {
  /** 0 = nothing under way. */
  ticket: Ticket;
  answer: DigestAnswer | undefined;
  /** Nothing more is expected. */
  done: boolean;
}

export interface DigestSearch {
  /** Whose digests are compared with this primary's, and whose copy differs from the majority. */
  readonly peer: NodeId;
  readonly odd: NodeId;
  readonly ranges: Search;
  ticket: Ticket;
}

export interface Mending extends Damage {
  /** The replacement has begun; it is over when the copy is whole. */
  begun: boolean;
}

export interface FragmentRecordAt {
  readonly record: FragmentRecord;
  readonly seq: number;
}

export type ShardMessage =
  | { readonly kind: "start" }
  | { readonly kind: "assign"; readonly assignment: Assignment }
  | {
      readonly kind: "exec";
      readonly job: number;
      readonly part: number;
      readonly epoch: number;
      readonly ops: readonly Op[];
      /** Of each operation, its place in its part. */
      readonly places: readonly number[];
      readonly deadlineAtMs: number;
    }
  /** From the group's tail. */
  | { readonly kind: "record"; readonly record: LogRecord }
  /** The group's log is not what it was: look at it anew. */
  | { readonly kind: "logShaken" }
  | { readonly kind: "peer"; readonly request: PeerRequest; readonly from: ReplyTo }
  | { readonly kind: "checkpoint" }
  /** Compare the digests of all copies; answered by `verifyDone`. */
  | { readonly kind: "verify" }
  /** Read the own log from end to end; answered by `scrubDone`. */
  | { readonly kind: "scrubLog" }
  | { readonly kind: "slice"; readonly id: number }
  /** Go on counting for a split. */
  | { readonly kind: "survey" }
  /** A neighbour here has come to its end. */
  | { readonly kind: "neighbour" }
  /** Reads that waited may go on. */
  | { readonly kind: "resume" }
  /** Go on applying what is held. */
  | { readonly kind: "held" }
  /** The next record may be gathered. */
  | { readonly kind: "pump" }
  /** Rows that were missing are here. */
  | { readonly kind: "pulled" }
  | WorldMessage;

/** What a shard tells its node. */
export type ShardReport =
  | { readonly kind: "execDone"; readonly done: readonly Done[] }
  | { readonly kind: "scrubDone"; readonly fragment: FragmentId }
  | { readonly kind: "verifyDone"; readonly fragment: FragmentId }
  /** A status on the board should be told at once. */
  | { readonly kind: "statusUrgent" }
  /** Its bounds changed; the replicas of `gone` here are its own now. */
  | { readonly kind: "reshaped"; readonly fragment: FragmentId; readonly gone: readonly FragmentId[] };

export interface Done {
  readonly slot: Slot;
  readonly result: OpResult;
}
