// Phases. Owns what each phase of a move waits for, and how it ends; one handler a phase, each a comparison of what is with what is wanted.
// PH1 the source goes only after its digests and the destination's agreed (I11). PH2 whatever dies, a ready replica stays (RP1): a destination that is lost fails
//     the move, a lost source leaves it to go on with what the log and the other replicas hold.
// PH3 nothing is removed before the newest primary serves: it may still have to ask a predecessor to be silent (I7).

import { limits } from "../../../src/config/limits.js";
import type { LedgerEvent } from "../../../src/ledger/event.js";
import type { MovePhase } from "../../../src/ledger/move.js";
import { isAttached, onAttaching, onPulling, roleLostEarly } from "./copy-on-write.js";
import { digestsOf } from "./digests.js";
import {
  advance,
  end,
  handOverTo,
  hasReplica,
  isActivated,
  isLost,
  isReady,
  isUp,
  letGo,
  type Sight,
  statusOf,
  type Verdict,
  wait,
} from "./sight.js";

/** Hand-overs of one move: the role that is lost again and again to failures stays where it is. */
const handOversAtMost = 4;

export const phases: { readonly [P in MovePhase]: (sight: Sight) => Verdict } = {
  copying: (sight) => (sight.move.strategy === "copy-on-write" ? onAttaching(sight) : onCopying(sight)),
  verifying: (sight) => (sight.move.strategy === "copy-on-write" ? onVerifyingAgain(sight) : onVerifying(sight)),
  handingOver: onHandingOver,
  pulling: onPulling,
  verifyingAgain: onVerifyingAgain,
  decommissioning: onDecommissioning,
  rollingBack: onRollingBack,
};

function onCopying(sight: Sight): Verdict {
  const { to } = sight.move;
  const broken = destinationBroken(sight);
  if (broken !== undefined) return broken;
  if (!isReady(sight, to)) return wait(isUp(sight, to) ? `${to} to be filled` : `${to} to come back`);
  const lsn = statusOf(sight, sight.fragment.primary)?.lsn;
  if (lsn === undefined) return wait(`${sight.fragment.primary} to report`);
  return advance("verifying", lsn, "");
}

function onVerifying(sight: Sight): Verdict {
  const { move, fragment } = sight;
  const broken = destinationBroken(sight);
  if (broken !== undefined) return broken;
  if (!isReady(sight, move.to)) return fail(sight, `${move.to} lost its copy`);
  const sourceCounts = hasReplica(sight, move.from) && !isLost(sight, move.from);
  const digests = digestsOf(sight, sourceCounts);
  if (digests.kind === "unknown") return wait(digests.why);
  if (digests.kind === "different") return fail(sight, digests.note, mismatch(sight, digests.note));
  if (!isActivated(sight)) return wait(`${fragment.primary} to serve`);
  const note = `digests agree at LSN ${digests.lsn}`;
  if (fragment.primary === move.to) return advance("handingOver", digests.lsn, note);
  if (fragment.primary === move.from || move.role) return handOver(sight, note);
  return decommission(sight, note);
}

/** The destination holds all that is in the log: the role goes to it. */
export function handOver(sight: Sight, note: string): Verdict {
  const { move } = sight;
  const tries = move.phases.filter(({ phase }) => phase === "handingOver").length;
  if (tries >= handOversAtMost) return fail(sight, `the role was lost ${tries} times on its way to ${move.to}`);
  if (!isAble(sight, move.to)) return wait(`${move.to} to follow`);
  return advance("handingOver", 0, note, handOverTo(sight, move.to));
}

function isAble(sight: Sight, node: string): boolean {
  const state = statusOf(sight, node)?.state;
  const leaving = sight.state.sessions.get(node)?.leaving === true;
  if (!isUp(sight, node) || leaving) return false;
  return (
    state === "following" || (sight.move.strategy === "copy-on-write" && node === sight.move.to && isAttached(sight))
  );
}

function onHandingOver(sight: Sight): Verdict {
  const { move, fragment } = sight;
  if (!isActivated(sight)) return wait(`${fragment.primary} to serve`);
  if (fragment.primary !== move.to) return move.strategy === "copy-on-write" ? roleLostEarly(sight) : roleLost(sight);
  if (move.strategy === "leader-only") return end("done", `${move.to} serves`);
  const next = move.strategy === "copy-on-write" ? "pulling" : "verifyingAgain";
  return advance(next, fragment.activatedLsn, `${move.to} serves from LSN ${fragment.activatedLsn}`);
}

/** A failure gave the role to another replica. */
function roleLost(sight: Sight): Verdict {
  const broken = destinationBroken(sight);
  if (broken !== undefined) return broken;
  if (!isReady(sight, sight.move.to)) return fail(sight, `${sight.move.to} lost its copy`);
  return handOver(sight, `${sight.fragment.primary} had become primary`);
}

function onVerifyingAgain(sight: Sight): Verdict {
  const { move, fragment } = sight;
  if (!isActivated(sight)) return wait(`${fragment.primary} to serve`);
  if (fragment.primary !== move.to) return roleLost(sight);
  const sourceCounts = hasReplica(sight, move.from) && !isLost(sight, move.from);
  const digests = digestsOf(sight, sourceCounts);
  if (digests.kind === "unknown") return wait(digests.why);
  if (digests.kind === "equal") return decommission(sight, `digests agree at LSN ${digests.lsn}`);
  const { note } = digests;
  if (digests.sourceAlone || !sourceCounts)
    return end(
      "failed",
      `${note}; the other copies agree with ${move.to}, which keeps the role`,
      mismatch(sight, note),
    );
  if (!isAble(sight, move.from)) return wait(`${move.from} to follow: ${note}`);
  return advance("rollingBack", 0, note, mismatch(sight, note), handOverTo(sight, move.from));
}

function decommission(sight: Sight, note: string): Verdict {
  const { move } = sight;
  return hasReplica(sight, move.from)
    ? advance("decommissioning", 0, note, letGo(sight, move.from))
    : advance("decommissioning", 0, `${note}; ${move.from} has no replica any more`);
}

/** Gone when its node has followed the ledger beyond the record that said so: it clears in the same step. */
function onDecommissioning(sight: Sight): Verdict {
  const { state, move, entry } = sight;
  const session = state.sessions.get(move.from);
  if (isUp(sight, move.from) && (session === undefined || session.viewSeq < entry.seq))
    return wait(`${move.from} to let its replica go`);
  return end("done", `${move.from} holds nothing of it`);
}

function onRollingBack(sight: Sight): Verdict {
  const { move, fragment, entry } = sight;
  if (!isActivated(sight)) return wait(`${fragment.primary} to serve`);
  if (fragment.primary === move.to) {
    if (!hasReplica(sight, move.from) || isLost(sight, move.from))
      return end("failed", `${move.from} was lost before it had the role back; ${move.to} keeps it`);
    if (!isAble(sight, move.from)) return wait(`${move.from} to follow`);
    return wait(`${move.from} to take the role`, handOverTo(sight, move.from));
  }
  return end("rolledBack", entry.note, ...withoutDestination(sight));
}

/** Ends a move whose destination cannot be used; nothing when it can. */
export function destinationBroken(sight: Sight): Verdict | undefined {
  const { move, draft } = sight;
  if (isLost(sight, move.to)) return fail(sight, `${move.to} was lost`);
  if (!hasReplica(sight, move.to)) return fail(sight, `${move.to} has no replica any more`);
  if (draft.view.nodes.get(move.to)?.draining === true && move.strategy !== "leader-only")
    return fail(sight, `${move.to} is being drained`);
  if (statusOf(sight, move.to)?.state === "faulted") return fail(sight, faultedWords(sight));
  return undefined;
}

function faultedWords({ state, move }: Sight): string {
  const free = state.sessions.get(move.to)?.freeBytes ?? Number.POSITIVE_INFINITY;
  if (free >= limits.diskFloorBytes) return `the replica on ${move.to} is faulted; see incidents`;
  return `the disk of ${move.to} filled up, ${mib(free)} MiB are free: make room there, or choose another node`;
}

function mib(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024);
}

/** The source stays, the destination's replica goes; while it is primary it stays until the role is elsewhere. */
export function fail(sight: Sight, why: string, ...events: readonly LedgerEvent[]): Verdict {
  const { move, fragment } = sight;
  if (fragment.primary === move.to) return wait(`another primary: ${why}`);
  if (!isActivated(sight)) return wait(`${fragment.primary} to serve: ${why}`);
  return end("failed", why, ...events, ...withoutDestination(sight));
}

/** What a move brought to its destination goes again, unless nothing else is whole. */
export function withoutDestination(sight: Sight): readonly LedgerEvent[] {
  const { move, fragment } = sight;
  const others = fragment.replicas.some(({ node, state }) => node !== move.to && state === "ready");
  return move.strategy !== "leader-only" && others && hasReplica(sight, move.to) ? [letGo(sight, move.to)] : [];
}

function mismatch({ move, fragment, context }: Sight, note: string): LedgerEvent {
  return {
    kind: "incidentReported",
    incident: {
      atMs: context.wallMs,
      node: move.to,
      what: "replicaDiverged",
      outcome: "noticed",
      fragments: [fragment.id],
      note: `move ${move.id} of fragment ${fragment.id} was stopped: ${note}`,
    },
  };
}
