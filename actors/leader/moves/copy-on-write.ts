// Copy on write. Owns the phases in which a move's destination leads before it has the rows: attached, primary, whole.
// CW1 the role goes to a replica that lacks rows only here, and only while a ready one is up: that one has the rows, and takes the role back if the destination dies.
// CW2 the source stays a replica until the destination is whole and their digests agreed: until then any failure costs the move, never a row.

import { destinationBroken, handOver } from "./phases.js";
import { advance, isActivated, isReady, isUp, type Sight, statusOf, type Verdict, wait } from "./sight.js";

/** Waits until the destination has the request window and follows the log: no rows are copied before it leads. */
export function onAttaching(sight: Sight): Verdict {
  const { move } = sight;
  const broken = destinationBroken(sight);
  if (broken !== undefined) return broken;
  if (!isActivated(sight)) return wait(`${sight.fragment.primary} to serve`);
  if (!isAttached(sight))
    return wait(isUp(sight, move.to) ? `${move.to} to follow the log` : `${move.to} to come back`);
  return handOver(sight, "");
}

/** Follows the log up to its end, with all rows or without. */
export function isAttached(sight: Sight): boolean {
  const state = statusOf(sight, sight.move.to)?.state;
  const sourced = sight.fragment.replicas.some(
    ({ node, state: is }) => is === "ready" && node !== sight.move.to && isUp(sight, node),
  );
  return sourced && (state === "attached" || state === "following");
}

export function onPulling(sight: Sight): Verdict {
  const { move, fragment } = sight;
  if (!isActivated(sight)) return wait(`${fragment.primary} to serve`);
  if (fragment.primary !== move.to) return roleLostEarly(sight);
  if (!isReady(sight, move.to)) return wait(`${move.to} to pull what it lacks`);
  return advance("verifying", statusOf(sight, move.to)?.lsn ?? fragment.activatedLsn, "every row is there");
}

/** A failure gave the role to a whole replica: the destination takes it again once it follows. */
export function roleLostEarly(sight: Sight): Verdict {
  const broken = destinationBroken(sight);
  if (broken !== undefined) return broken;
  if (!isAttached(sight)) return wait(`${sight.move.to} to follow the log again`);
  return handOver(sight, `${sight.fragment.primary} had become primary`);
}
