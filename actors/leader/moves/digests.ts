// Digests. Owns how a move learns whether its source and destination are equal: it has the primary compare, and reads what came of it.
// D1 only a comparison at a record after the phase began counts. D2 it is asked for again, with pauses, until it comes: without it a move waits.

import type { Verified } from "../../../src/protocol/control.js";
import { type Sight, statusOf } from "./sight.js";

export type Digests =
  | { readonly kind: "unknown"; readonly why: string }
  | { readonly kind: "equal"; readonly lsn: number }
  | {
      readonly kind: "different";
      readonly note: string;
      /** Most replicas hold what the destination holds: it is the source that is damaged. */
      readonly sourceAlone: boolean;
    };

/** A comparison that missed a copy is worth another soon; the primary ignores requests while it is about one. */
const askPauseMs = 500;

/** Compares `from` and `to`; a source that is not there any more is not compared. */
export function digestsOf(sight: Sight, sourceCounts: boolean): Digests {
  const { fragment, entry } = sight;
  const found = statusOf(sight, fragment.primary)?.verified;
  if (found === undefined || found.lsn <= entry.lsn) {
    ask(sight);
    return { kind: "unknown", why: `${fragment.primary} to compare the digests` };
  }
  return judge(sight, found, sourceCounts);
}

function judge(sight: Sight, { lsn, agree, differ }: Verified, sourceCounts: boolean): Digests {
  const { from, to } = sight.move;
  const different = differ.find(({ node }) => node === to) ?? differ.find(({ node }) => node === from);
  if (different !== undefined) {
    // Without an end it is no range, but a sentence.
    const where = different.to === "" ? different.from : `in keys from ${different.from} to ${different.to}`;
    const note = `the copy on ${different.node} differs ${where} at LSN ${lsn}`;
    return { kind: "different", note, sourceAlone: different.node === from && agree.includes(to) && agree.length > 1 };
  }
  const silent = [to, ...(sourceCounts ? [from] : [])].filter((node) => !agree.includes(node));
  if (silent.length === 0) return { kind: "equal", lsn };
  ask(sight);
  return { kind: "unknown", why: `the digest of ${silent.join(" and ")}` };
}

function ask({ state, fragment, move, context }: Sight): void {
  const { moves, sessions } = state;
  const name = `${move.id}/${move.phases.length}/${fragment.epoch}`;
  const asked = moves.asked.get(move.id);
  const session = sessions.get(fragment.primary);
  if (session === undefined || (asked?.name === name && context.nowMs - asked.atMs < askPauseMs)) return;
  moves.asked.set(move.id, { name, atMs: context.nowMs });
  session.verify.add(fragment.id);
}
