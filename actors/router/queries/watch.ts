// Watch. Owns the long poll of a table's change feed: marks per fragment go in with the cursor and come out moved on.
// W1 every change after the cursor is given once per fragment in the order of its log; nothing orders fragments among each other.
// W2 a first pass asks without waiting; only when nothing is there do waits go out, each for one fragment, for at most `waitSliceMs`.

import { limits } from "../../../src/config/limits.js";
import { emptyBytes } from "../../../src/kernel/bytes.js";
import type { Effect, Effects } from "../../../src/kernel/effect.js";
import { none } from "../../../src/kernel/effect.js";
import { fault } from "../../../src/kernel/fault.js";
import type { Context } from "../../../src/kernel/machine.js";
import type { Change } from "../../../src/protocol/exec.js";
import { encodeWatchCursor } from "../../../src/query/cursor.js";
import type { WatchMark } from "../../../src/query/query.js";
import { changeOf } from "../answer.js";
import type { Outcome } from "../courier.js";
import type { Inquiry } from "../desk.js";
import { type Kit, type QueryHandler, type QueryOf, refuseFor, send } from "../kit.js";
import type { Located } from "../locations.js";

const waitSliceMs = 1000;
const pageBytes = Math.floor(limits.replyBytes / 2);

interface Watch {
  readonly kit: Kit;
  readonly inquiry: Inquiry;
  readonly table: Located;
  readonly query: QueryOf<"watch">;
  readonly marks: Map<number, WatchMark>;
  readonly changes: Change[];
  bytes: number;
  left: number;
  readonly waitUntilMs: number;
}

export const startWatch: QueryHandler<"watch"> = (kit, inquiry, table, query, context) => {
  const known = query.after.filter((mark) => kit.locations.fragment(table, mark.fragment) !== undefined);
  const marks = new Map(known.map((mark) => [mark.fragment, mark]));
  const waitMs = query.waitMs;
  // The wait is what the client asked for on top of the time that an answer may take.
  kit.desk.grant(inquiry, Math.max(inquiry.grantedMs, waitMs + kit.config.timing.askTimeoutMs * 2), context);
  const watch: Watch = {
    kit,
    inquiry,
    table,
    query,
    marks,
    changes: [],
    bytes: 0,
    left: 0,
    waitUntilMs: context.nowMs + waitMs,
  };
  const fresh = query.after.length === 0;
  for (const fragment of kit.locations.fragmentsIn(table, emptyBytes, undefined)) {
    if (!marks.has(fragment.id)) marks.set(fragment.id, { fragment: fragment.id, lsn: fresh ? -1 : 0, seq: 0 });
  }
  return pass(watch, 0, context);
};

/** Asks every fragment once. */
function pass(watch: Watch, waitMs: number, context: Context): Effects {
  const effects: Effect[] = [];
  watch.left = watch.marks.size;
  for (const mark of [...watch.marks.values()]) effects.push(...ask(watch, mark, waitMs, context));
  return effects;
}

function ask(watch: Watch, mark: WatchMark, waitMs: number, context: Context): Effects {
  const { kit, inquiry, table, query } = watch;
  return send(
    kit,
    inquiry,
    table,
    {
      access: "read",
      lane: "waiting",
      read: undefined,
      bytes: 256,
      tryMs: waitMs + kit.config.timing.askTimeoutMs,
      find: () => kit.locations.fragment(table, mark.fragment),
      opFor: () => ({
        op: "changes",
        afterLsn: mark.lsn,
        afterSeq: mark.seq,
        waitMs,
        limit: query.limit,
        filter: query.filter,
      }),
      done: (outcome, at) => onChanges(watch, waitMs, outcome, at),
    },
    context,
  );
}

function onChanges(watch: Watch, waitMs: number, outcome: Outcome, context: Context): Effects {
  const { kit, inquiry } = watch;
  if ("fault" in outcome) return refuseFor(kit, inquiry, outcome);
  const { result, fragment } = outcome;
  if (result.op !== "changes") return none;
  const bytes = result.changes.reduce(
    (sum, change) => sum + change.position.length + (change.document?.length ?? 0),
    0,
  );
  const fits =
    watch.changes.length === 0 ||
    (watch.bytes + bytes <= pageBytes && watch.changes.length + result.changes.length <= watch.query.limit);
  if (fits) {
    // What does not fit is left for the next poll: its mark stays where it was.
    if (!kit.desk.hold(inquiry, bytes)) return kit.desk.refuse(inquiry, noRoom);
    watch.bytes += bytes;
    watch.changes.push(...result.changes);
    watch.marks.set(fragment.id, { fragment: fragment.id, lsn: result.lastLsn, seq: result.lastSeq });
  }
  watch.left--;
  if (waitMs > 0 && watch.changes.length > 0) return answer(watch);
  if (waitMs > 0) return waitOn(watch, fragment.id, context);
  if (watch.left > 0) return none;
  if (watch.changes.length > 0 || context.nowMs >= watch.waitUntilMs) return answer(watch);
  return pass(watch, sliceOf(watch, context), context);
}

const noRoom = fault("OVERLOADED", "this router has no room for the changes right now; try again later", {
  retryAfterMs: 50,
});

/** One fragment's wait ended empty: ask it again, or answer once the time is over for all. */
function waitOn(watch: Watch, fragment: number, context: Context): Effects {
  const mark = watch.marks.get(fragment);
  const moreMs = sliceOf(watch, context);
  if (mark !== undefined && moreMs > shortestSliceMs) {
    watch.left++;
    return ask(watch, mark, moreMs, context);
  }
  return watch.left === 0 ? answer(watch) : none;
}

const shortestSliceMs = 5;

function sliceOf(watch: Watch, context: Context): number {
  return Math.min(waitSliceMs, Math.max(0, Math.ceil(watch.waitUntilMs - context.nowMs)));
}

function answer(watch: Watch): Effects {
  const { kit, inquiry, table, query } = watch;
  const changes = watch.changes.map((change) => changeOf(table.def, change));
  return kit.desk.answer(inquiry, {
    changes,
    cursor: encodeWatchCursor(query.fingerprint, [...watch.marks.values()], kit.hash),
  });
}
