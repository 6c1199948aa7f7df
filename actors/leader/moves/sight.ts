// Sight. Owns what one phase of a move looks at: the move, its fragment, and what is known of its two nodes. Reads only.

import type { Context } from "../../../src/kernel/machine.js";
import type { LedgerEvent } from "../../../src/ledger/event.js";
import { replicaOn } from "../../../src/ledger/fold.js";
import type { MoveOutcome, MovePhase, MoveView, PhaseEntry } from "../../../src/ledger/move.js";
import type { FragmentView } from "../../../src/ledger/view.js";
import type { ReplicaStatus } from "../../../src/protocol/control.js";
import type { NodeId } from "../../../src/protocol/subjects.js";
import type { Draft } from "../draft.js";
import { furthestEpoch } from "../primaries.js";
import type { LeaderState } from "../state.js";

export interface Sight {
  readonly state: LeaderState;
  readonly draft: Draft;
  readonly context: Context;
  readonly move: MoveView;
  readonly fragment: FragmentView;
  /** How and when the present phase began. */
  readonly entry: PhaseEntry;
}

/** What a phase wants: to wait, to go on, or to end. The events go into the same record, before the step. */
export type Verdict =
  | { readonly kind: "wait"; readonly for: string; readonly events: readonly LedgerEvent[] }
  | {
      readonly kind: "advance";
      readonly phase: MovePhase;
      readonly lsn: number;
      readonly note: string;
      readonly events: readonly LedgerEvent[];
    }
  | {
      readonly kind: "end";
      readonly outcome: MoveOutcome;
      readonly why: string;
      readonly events: readonly LedgerEvent[];
    };

export function wait(why: string, ...events: readonly LedgerEvent[]): Verdict {
  return { kind: "wait", for: why, events };
}

export function end(outcome: MoveOutcome, why: string, ...events: readonly LedgerEvent[]): Verdict {
  return { kind: "end", outcome, why, events };
}

export function advance(phase: MovePhase, lsn: number, note: string, ...events: readonly LedgerEvent[]): Verdict {
  return { kind: "advance", phase, lsn, note, events };
}

export function isUp({ draft }: Sight, node: NodeId): boolean {
  return draft.view.nodes.get(node)?.state === "up";
}

/** Nothing of it is waited for any more: removed, or down for longer than a rebuild waits. */
export function isLost({ state, draft, context }: Sight, node: NodeId): boolean {
  const known = draft.view.nodes.get(node);
  return (
    known === undefined ||
    (known.state === "down" && context.wallMs - known.downSinceMs > state.config.timing.rebuildAfterMs)
  );
}

export function statusOf({ state, fragment }: Sight, node: NodeId): ReplicaStatus | undefined {
  return state.sessions.status(node, fragment.id);
}

export function hasReplica({ fragment }: Sight, node: NodeId): boolean {
  return replicaOn(fragment, node) !== undefined;
}

export function isReady({ fragment }: Sight, node: NodeId): boolean {
  return replicaOn(fragment, node)?.state === "ready";
}

/** The primary of the newest epoch serves. */
export function isActivated({ fragment }: Sight): boolean {
  return fragment.activatedEpoch === fragment.epoch;
}

export function handOverTo({ state, fragment }: Sight, primary: NodeId): LedgerEvent {
  const epoch = Math.max(fragment.epoch, furthestEpoch(state, fragment)) + 1;
  return { kind: "primariesChanged", changes: [{ fragment: fragment.id, epoch, primary }], cause: "move" };
}

export function letGo({ fragment }: Sight, node: NodeId): LedgerEvent {
  return { kind: "replicasRemoved", replicas: [{ fragment: fragment.id, node }], cause: "move" };
}
