// Watch. Owns the long poll of a table's change feed: marks per fragment go in with the cursor and come out moved on.
// W1 every change after the cursor is given once per fragment in the order of its log; nothing orders fragments among each other.
// W3 the feed of a fragment that was split off begins where its parent's ends, and is read after it; a fragment that was merged into its neighbour has to be
//    read to its end before the neighbour's feed goes past that point. Who cannot any more is told TRIMMED.
// W4 marks are brought in line only with a view that is not older than the one by which they were made.
// W2 a first pass asks without waiting; only when nothing is there do waits go out, each for one fragment, for at most `waitSliceMs`.

import { limits } from "../../../src/config/limits.js";
import { emptyBytes } from "../../../src/kernel/bytes.js";
import type { Effect, Effects } from "../../../src/kernel/effect.js";
import { none } from "../../../src/kernel/effect.js";
import { type Fault, fault } from "../../../src/kernel/fault.js";
import type { Context } from "../../../src/kernel/machine.js";
import type { FragmentView } from "../../../src/ledger/view.js";
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
  /** Of fragments that are, and of fragments that are no more as long as their left neighbours' feeds have to know that they were read to their ends. */
  readonly marks: Map<number, WatchMark>;
  readonly changes: Change[];
  bytes: number;
  /** Fragments that are being asked. */
  readonly asked: Set<number>;
  readonly waitUntilMs: number;
}

export const startWatch: QueryHandler<"watch"> = (kit, inquiry, table, query, context) => {
  // By an older view a fragment that was merged away would look like one that was never read.
  const behind = kit.locations.catchUp(table, query.after.viewSeq);
  if (behind !== undefined) return [...kit.desk.refuse(inquiry, viewBehind), ...behind];
  const waitMs = query.waitMs;
  // The wait is what the client asked for on top of the time that an answer may take.
  kit.desk.grant(inquiry, Math.max(inquiry.grantedMs, waitMs + kit.config.timing.askTimeoutMs * 2), context);
  const watch: Watch = {
    kit,
    inquiry,
    table,
    query,
    marks: new Map(query.after.marks.map((mark) => [mark.fragment, mark])),
    changes: [],
    bytes: 0,
    asked: new Set(),
    waitUntilMs: context.nowMs + waitMs,
  };
  return pass(watch, 0, context);
};

/** Asks every fragment that is not being asked, once. */
function pass(watch: Watch, waitMs: number, context: Context): Effects {
  const why = refresh(watch);
  if (why !== undefined) return watch.kit.desk.refuse(watch.inquiry, why);
  const effects: Effect[] = [];
  for (const fragment of fragmentsOf(watch)) {
    const mark = watch.marks.get(fragment.id);
    if (mark !== undefined && !watch.asked.has(fragment.id) && !isHeld(watch, fragment))
      effects.push(...ask(watch, mark, waitMs, context));
  }
  return effects;
}

function fragmentsOf({ kit, table }: Watch): readonly FragmentView[] {
  return kit.locations.fragmentsIn(table, emptyBytes, undefined);
}

/** Brings the marks in line with the view (W3): new fragments get one, those of fragments that ended go once they are not needed. A fault: changes are missed. */
function refresh(watch: Watch): Fault | undefined {
  const { kit, table, marks, query } = watch;
  const taken = kit.locations.taken(table);
  for (const { right, left, lsn, changedLsn } of taken) {
    const mark = marks.get(right);
    const onto = marks.get(left);
    // A feed that is past the merge, or begins now, has nothing to do with it.
    if (onto === undefined || onto.lsn < 0 || onto.lsn >= lsn) continue;
    if (mark === undefined || (mark.lsn >= 0 && mark.lsn < changedLsn)) return missed(right);
  }
  const newest = kit.locations.newest(table);
  for (const { fragment, lsn } of [...marks.values()]) {
    if (kit.locations.fragment(table, fragment) !== undefined || fragment > newest) continue;
    const end = taken.find(({ right }) => right === fragment);
    if (end === undefined || (lsn >= 0 && lsn < end.changedLsn)) return missed(fragment);
    // It began with this poll: what was there before is not asked for.
    if (lsn < 0) marks.set(fragment, { fragment, lsn: end.rightLsn, seq: 0 });
    const onto = marks.get(end.left);
    if (onto === undefined || onto.lsn >= end.lsn) marks.delete(fragment);
  }
  const fresh = query.after.marks.length === 0 && marks.size === 0;
  for (const { id, base } of fragmentsOf(watch)) {
    if (marks.has(id)) continue;
    // What it was before it was split off is in its parent's feed.
    marks.set(id, { fragment: id, lsn: fresh ? -1 : (base?.lsn ?? 0), seq: 0 });
  }
  return undefined;
}

function missed(fragment: number): Fault {
  const note = `fragment ${fragment} was merged into its neighbour before its changes were read; scan the table and watch from now`;
  return fault("TRIMMED", note, { fragment });
}

/** Its changes come after those of the fragment that it was split off, which are not read so far yet. */
function isHeld({ marks }: Watch, { base }: FragmentView): boolean {
  const parent = base === undefined ? undefined : marks.get(base.parent);
  return base !== undefined && parent !== undefined && parent.lsn >= 0 && parent.lsn < base.lsn;
}

function ask(watch: Watch, mark: WatchMark, waitMs: number, context: Context): Effects {
  const { kit, inquiry, table, query } = watch;
  watch.asked.add(mark.fragment);
  const ended = kit.locations.taken(table).flatMap(({ right }) => (watch.marks.has(right) ? [right] : []));
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
      ends: () =>
        kit.locations.taken(table).some(({ right }) => right === mark.fragment) ? missed(mark.fragment) : undefined,
      opFor: () => ({
        op: "changes",
        afterLsn: mark.lsn,
        afterSeq: mark.seq,
        waitMs,
        limit: query.limit,
        filter: query.filter,
        ...(ended.length === 0 ? {} : { ended }),
      }),
      done: (outcome, at) => onChanges(watch, mark.fragment, waitMs, outcome, at),
    },
    context,
  );
}

function onChanges(watch: Watch, asked: number, waitMs: number, outcome: Outcome, context: Context): Effects {
  const { kit, inquiry } = watch;
  watch.asked.delete(asked);
  if ("fault" in outcome) {
    // It is no more: whether something of it is missed is seen from the marks.
    if (kit.locations.fragment(watch.table, asked) !== undefined) return refuseFor(kit, inquiry, outcome);
    return goOn(watch, waitMs, context);
  }
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
  } else pin(watch, fragment.id, result.changes);
  return goOn(watch, waitMs, context);
}

/** A feed that begins with this poll begins before the changes that are left for the next one: from "now" they would not be seen. */
function pin({ marks }: Watch, fragment: number, [first]: readonly Change[]): void {
  const mark = marks.get(fragment);
  if (first !== undefined && mark !== undefined && mark.lsn < 0)
    marks.set(fragment, { fragment, lsn: first.lsn - 1, seq: 0 });
}

/** After each answer: answers, asks again whoever has nothing, or waits for the others. */
function goOn(watch: Watch, waitMs: number, context: Context): Effects {
  if (watch.inquiry.finished) return none;
  if (waitMs > 0 && watch.changes.length > 0) return answer(watch);
  if (waitMs === 0 && watch.asked.size > 0) return none;
  if (watch.changes.length > 0 || context.nowMs >= watch.waitUntilMs) return answer(watch);
  const moreMs = sliceOf(watch, context);
  if (moreMs > shortestSliceMs || waitMs === 0) return pass(watch, moreMs, context);
  return watch.asked.size === 0 ? answer(watch) : none;
}

const viewBehind = fault(
  "UNAVAILABLE",
  "the cursor knows of newer fragments than this router does; try again with the same cursor",
  { retryAfterMs: 50 },
);

const noRoom = fault("OVERLOADED", "this router has no room for the changes right now; try again later", {
  retryAfterMs: 50,
});

const shortestSliceMs = 5;

function sliceOf(watch: Watch, context: Context): number {
  return Math.min(waitSliceMs, Math.max(0, Math.ceil(watch.waitUntilMs - context.nowMs)));
}

function answer(watch: Watch): Effects {
  const { kit, inquiry, table, query } = watch;
  const changes = watch.changes.map((change) => changeOf(table.def, change));
  const viewSeq = kit.locations.seq(table);
  return kit.desk.answer(inquiry, {
    changes,
    cursor: encodeWatchCursor(query.fingerprint, { viewSeq, marks: [...watch.marks.values()] }, kit.hash),
  });
}
