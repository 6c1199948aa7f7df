// Move. Owns the words of a moving fragment: its strategies, phases and ends, and which phase may follow which.
// MV1 the fold takes no other step than these, whoever leads: a source is not let go before a verification, and what is handed over can come back until then.

import type { FragmentId, NodeId } from "../protocol/subjects.js";

export const strategies = ["log-shipping", "copy-on-write", "leader-only"] as const;
export type Strategy = (typeof strategies)[number];

export const movePhases = [
  /** The destination is being filled (copy-on-write: attached to the log, without rows). */
  "copying",
  /** Source and destination compare their digests at one record. */
  "verifying",
  /** The primary role goes to the destination. */
  "handingOver",
  /** Copy-on-write: the destination is primary and still lacks rows. */
  "pulling",
  /** Once more, after the hand-over; until it passed the move can be rolled back. */
  "verifyingAgain",
  /** The source lets its replica go. */
  "decommissioning",
  /** The role goes back to the source, the destination's replica goes. */
  "rollingBack",
] as const;
export type MovePhase = (typeof movePhases)[number];

export const moveOutcomes = ["done", "cancelled", "rolledBack", "failed"] as const;
export type MoveOutcome = (typeof moveOutcomes)[number];

export const moveCauses = ["operator", "drain", "join", "plan", "merge"] as const;
export type MoveCause = (typeof moveCauses)[number];

export interface Move {
  /** Per control partition, without gaps. */
  readonly id: number;
  readonly fragment: FragmentId;
  readonly strategy: Strategy;
  readonly from: NodeId;
  readonly to: NodeId;
  /** The primary role moves along. */
  readonly role: boolean;
  readonly cause: MoveCause;
  /** Who asked. */
  readonly by: string;
  readonly why: string;
  readonly startedMs: number;
  /** When the copy should be there, wall clock; 0 = no hurry. */
  readonly deadlineMs: number;
}

export interface PhaseEntry {
  readonly phase: MovePhase;
  /** Wall clock of the leader. */
  readonly atMs: number;
  /** What a verification has to pass: the LSN when the phase began. */
  readonly lsn: number;
  /** Ledger sequence of the record that began it. */
  readonly seq: number;
  readonly note: string;
}

export interface MoveView extends Move {
  phase: MovePhase;
  /** The last of them is the present one. */
  phases: PhaseEntry[];
}

export interface PastMove extends Move {
  readonly phases: readonly PhaseEntry[];
  readonly outcome: MoveOutcome;
  readonly endedMs: number;
  /** Why it ended so. */
  readonly end: string;
  /** Of one that the planner began: what would have been without it; "" = not known. */
  readonly verdict: string;
}

/** Phases of one move that are remembered: a move that goes back and forth more often is ended. */
export const phasesKept = 24;
export const pastMovesKept = 200;

export function firstPhase(strategy: Strategy): MovePhase {
  return strategy === "leader-only" ? "handingOver" : "copying";
}

type Steps = Readonly<Record<MovePhase, readonly MovePhase[]>>;

const shipping: Steps = {
  copying: ["verifying"],
  // A replica that is not primary has no role to hand over.
  verifying: ["handingOver", "decommissioning"],
  // The role may be lost on the way, and handed over again.
  handingOver: ["handingOver", "verifyingAgain", "rollingBack"],
  pulling: [],
  verifyingAgain: ["handingOver", "decommissioning", "rollingBack"],
  decommissioning: [],
  rollingBack: [],
};

const steps: Readonly<Record<Strategy, Steps>> = {
  "log-shipping": shipping,
  "copy-on-write": {
    ...shipping,
    copying: ["handingOver"],
    handingOver: ["handingOver", "pulling", "rollingBack"],
    pulling: ["handingOver", "verifying", "rollingBack"],
    verifying: ["handingOver", "decommissioning", "rollingBack"],
    verifyingAgain: [],
  },
  "leader-only": {
    ...shipping,
    copying: [],
    verifying: [],
    handingOver: ["handingOver", "rollingBack"],
    verifyingAgain: [],
  },
};

export function mayFollow(strategy: Strategy, phase: MovePhase, next: MovePhase): boolean {
  return steps[strategy][phase].includes(next);
}

interface Partitioned {
  readonly partition: number;
  readonly partitions: number;
}

/** The number by which people name a move: unique in the cluster, and the id itself where there is one partition. */
export function moveNumber(id: number, { partition, partitions }: Partitioned): number {
  return (id - 1) * partitions + partition + 1;
}

/** The id of move `number` in its partition. */
export function moveOfNumber(number: number, { partitions }: Pick<Partitioned, "partitions">): number {
  return Math.floor((number - 1) / partitions) + 1;
}

export function partitionOfMove(number: number, partitions: number): number {
  return (number - 1) % partitions;
}
