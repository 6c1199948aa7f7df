// Get and getMany. Owns point reads: one errand per key, answered in the order of the keys.

import { limits } from "../../../src/config/limits.js";
import type { Effect, Effects } from "../../../src/kernel/effect.js";
import { fault } from "../../../src/kernel/fault.js";
import type { Context } from "../../../src/kernel/machine.js";
import { createProjection } from "../../../src/query/projection.js";
import type { ReadLevel } from "../../../src/query/query.js";
import type { Position } from "../../../src/table/table.js";
import { type Row, rowOf } from "../answer.js";
import type { Outcome } from "../courier.js";
import type { Inquiry } from "../desk.js";
import { type Kit, type QueryHandler, refuseFor, send } from "../kit.js";
import type { Located } from "../locations.js";

export const startGet: QueryHandler<"get"> = (kit, inquiry, table, query, context) => {
  const projection = query.fields === undefined ? undefined : createProjection(query.fields);
  return ask(kit, inquiry, table, query.position, query.read, context, (outcome) => {
    if ("fault" in outcome) return kit.desk.refuse(inquiry, outcome.fault);
    if (outcome.result.op !== "get") return none;
    const { row } = outcome.result;
    return kit.desk.answer(inquiry, {
      row: row === undefined ? null : rowOf(table.def, query.position, row, projection),
    });
  });
};

export const startGetMany: QueryHandler<"getMany"> = (kit, inquiry, table, query, context) => {
  const rows: (Row | null)[] = query.positions.map(() => null);
  let left = rows.length;
  let bytes = 0;
  const projection = query.fields === undefined ? undefined : createProjection(query.fields);
  if (left === 0) return kit.desk.answer(inquiry, { rows });
  const effects: Effect[] = [];
  for (const [index, position] of query.positions.entries()) {
    const taken = ask(kit, inquiry, table, position, query.read, context, (outcome) => {
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
    effects.push(...taken);
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

function ask(
  kit: Kit,
  inquiry: Inquiry,
  table: Located,
  position: Position,
  read: ReadLevel,
  context: Context,
  done: (outcome: Outcome, context: Context) => Effects,
): Effects {
  return send(
    kit,
    inquiry,
    table,
    {
      access: "read",
      lane: "quick",
      read,
      bytes: position.length + 32,
      find: () => kit.locations.fragmentAt(table, position),
      opFor: () => ({ op: "get", position, read }),
      done,
    },
    context,
  );
}
