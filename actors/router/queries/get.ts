// Get and getMany. Owns point reads: one errand per key, answered in the order of the keys.

import { limits } from "../../../src/config/limits.js";
import type { Effect, Effects } from "../../../src/kernel/effect.js";
import { fault } from "../../../src/kernel/fault.js";
import type { Context } from "../../../src/kernel/machine.js";
import type { FragmentView } from "../../../src/ledger/view.js";
import type { Op } from "../../../src/protocol/exec.js";
import { createProjection } from "../../../src/query/projection.js";
import type { ReadLevel } from "../../../src/query/query.js";
import type { Position } from "../../../src/table/table.js";
import { type Row, rowOf } from "../answer.js";
import type { Errand, Outcome } from "../courier.js";
import type { Inquiry } from "../desk.js";
import { type Kit, type QueryHandler, refuseFor, sendErrand } from "../kit.js";
import type { Located } from "../locations.js";

export const startGet: QueryHandler<"get"> = (kit, inquiry, table, query, context) => {
  const { position, read, fields } = query;
  const projection = fields === undefined ? undefined : createProjection(fields);
  const errand = new GetErrand(kit, inquiry, table, position, read, (outcome) => {
    if ("fault" in outcome) return kit.desk.refuse(inquiry, outcome.fault);
    if (outcome.result.op !== "get") return none;
    const { row } = outcome.result;
    return kit.desk.answer(inquiry, { row: row === undefined ? null : rowOf(table.def, position, row, projection) });
  });
  return sendErrand(kit, inquiry, errand, context);
};

/** Gets are most of what a router does: one small object each, where an errand of another kind is put together from closures. */
class GetErrand implements Errand {
  constructor(
    private readonly kit: Kit,
    private readonly inquiry: Inquiry,
    readonly table: Located,
    private readonly position: Position,
    private readonly read: ReadLevel,
    readonly done: (outcome: Outcome, context: Context) => Effects,
  ) {}

  get access(): "read" {
    return "read";
  }
  get lane(): "quick" {
    return "quick";
  }
  get group(): string {
    return this.inquiry.group;
  }
  get trace(): string | undefined {
    return this.inquiry.trace;
  }
  get deadlineMs(): number {
    return this.inquiry.deadlineMs;
  }
  get tryMs(): number {
    return this.kit.config.timing.askTimeoutMs;
  }
  get anyReplica(): boolean {
    return this.read.level !== "strong";
  }
  get bytes(): number {
    return this.position.length + 32;
  }
  find(): FragmentView | undefined {
    return this.kit.locations.fragmentAt(this.table, this.position);
  }
  opFor(): Op {
    return { op: "get", position: this.position, read: this.read };
  }
}

export const startGetMany: QueryHandler<"getMany"> = (kit, inquiry, table, query, context) => {
  const rows: (Row | null)[] = query.positions.map(() => null);
  let left = rows.length;
  let bytes = 0;
  const projection = query.fields === undefined ? undefined : createProjection(query.fields);
  if (left === 0) return kit.desk.answer(inquiry, { rows });
  const effects: Effect[] = [];
  for (const [index, position] of query.positions.entries()) {
    const errand = new GetErrand(kit, inquiry, table, position, query.read, (outcome) => {
      if ("fault" in outcome) return refuseFor(kit, inquiry, outcome);
      if (outcome.result.op !== "get") return none;
      const { row } = outcome.result;
      if (row !== undefined) {
        bytes += row.document.length;
        if (bytes > limits.replyBytes) return kit.desk.refuse(inquiry, tooLarge);
        if (!kit.desk.hold(inquiry, row.document.length)) return kit.desk.refuse(inquiry, noRoom);
        rows[index] = rowOf(table.def, position, row, projection);
      }
      left--;
      return left === 0 ? kit.desk.answer(inquiry, { rows }) : none;
    });
    effects.push(...sendErrand(kit, inquiry, errand, context));
    if (inquiry.finished) break;
  }
  return effects;
};

const none: Effects = [];
const tooLarge = fault(
  "TOO_LARGE",
  `the rows asked for exceed ${limits.replyBytes} bytes together; ask for fewer keys at once`,
  {
    limit: limits.replyBytes,
  },
);
const noRoom = fault("OVERLOADED", "this router has no room for the answer right now; try again later", {
  retryAfterMs: 50,
});
