// Action. Owns what a plan consists of: actions with their price, times and reasons; what was rejected and why; and what a person has to be told.

import type { Strategy } from "../ledger/move.js";
import type { FragmentId, NodeId } from "../protocol/subjects.js";

interface Reasoned {
  readonly fragment: FragmentId;
  /** Whose load is relieved. */
  readonly from: NodeId;
  /** Bytes copied. */
  readonly bytes: number;
  readonly lastsMs: number;
  /** Wall clock. `startMs` at or before the plan's time: begin now; later: not yet, it is planned anew in each round. */
  readonly startMs: number;
  /** The first step at risk begins; 0 = no hurry. */
  readonly deadlineMs: number;
  /** It ends after its deadline: no instant action was left. */
  readonly isLate: boolean;
  /** What it answers to: a forecast, the present load, or calm. */
  readonly cause: "forecast" | "present" | "calm";
  /** Sum over the steps of the probability of overload that it averts. */
  readonly gain: number;
  /** Highest risk over the steps: of `from` before and after, and of `to` after. */
  readonly riskBefore: number;
  readonly riskAfter: number;
  readonly riskTo: number;
  /** For people, at most 256 characters. */
  readonly why: string;
}

export type Action = Reasoned &
  (
    | { readonly kind: "handOver"; readonly to: NodeId; readonly strategy: "leader-only"; readonly role: true }
    | { readonly kind: "moveReplica"; readonly to: NodeId; readonly strategy: Strategy; readonly role: boolean }
    /** A copy that answers reads, at `to` or wherever placement puts it. */
    | { readonly kind: "addReplica"; readonly to: NodeId; readonly count: number }
    /** A copy that was added for reads, on `from`, is let go. */
    | { readonly kind: "removeReplica"; readonly count: number }
    /** Where its load is halved. */
    | { readonly kind: "split" }
    /** With `right`, the half that was split off behind it. */
    | { readonly kind: "merge"; readonly right: FragmentId }
  );

export interface Rejected {
  readonly fragment: FragmentId;
  readonly from: NodeId;
  readonly to: NodeId | "";
  readonly what: Action["kind"];
  readonly why: string;
}

export type FindingKind =
  | "allOverloaded"
  | "cannotSplit"
  | "nowhere"
  | "noCapacity"
  | "noForecast"
  | "budgetSpent"
  | "tooHot";

/** Something that a person should know, whether or not an action answers it. */
export interface Finding {
  readonly kind: FindingKind;
  readonly node: NodeId | "";
  readonly fragment: FragmentId | -1;
  readonly text: string;
}

const whyLength = 256;

export function shorten(why: string): string {
  return why.length <= whyLength ? why : `${why.slice(0, whyLength - 1)}…`;
}
