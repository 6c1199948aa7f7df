// Write. Owns put, insert, update, delete and batch: one atomic operation on one fragment, with a request id (I5).

import { limits } from "../../../src/config/limits.js";
import { none } from "../../../src/kernel/effect.js";
import { type Fault, fault } from "../../../src/kernel/fault.js";
import type { WriteStep } from "../../../src/query/query.js";
import { keyText } from "../answer.js";
import type { Trip } from "../courier.js";
import { type Kit, type QueryHandler, send } from "../kit.js";
import type { Located } from "../locations.js";

export const startWrite: QueryHandler<"write"> = (kit, inquiry, table, query, context) => {
  const [first] = query.steps;
  if (first === undefined) return kit.desk.answer(inquiry, { versions: [] });
  const spread = spans(kit, table, query.steps);
  if (spread !== undefined) return kit.desk.refuse(inquiry, spread);
  const requestId = query.requestId ?? kit.requestId(context);
  inquiry.requestId = requestId;
  const bytes = query.steps.reduce((sum, step) => sum + step.document.length + step.position.length + 32, 64);
  if (!kit.desk.hold(inquiry, bytes)) return kit.desk.refuse(inquiry, noRoom);
  return send(
    kit,
    inquiry,
    table,
    {
      access: "write",
      lane: "quick",
      read: undefined,
      bytes,
      find: () => kit.locations.fragmentAt(table, first.position),
      ends: (trip) => spansNow(kit, table, query.steps, trip),
      opFor: () => ({ op: "write", requestId, steps: query.steps }),
      done: (outcome) => {
        if ("fault" in outcome) return kit.desk.refuse(inquiry, outcome.fault);
        if (outcome.result.op !== "write") return none;
        const { versions } = outcome.result;
        return kit.desk.answer(inquiry, query.single ? { version: versions[0] ?? 0 } : { versions });
      },
    },
    context,
  );
};

/** The fragment was split between its keys. Where an earlier try may have worked, only a primary that remembers none makes it certain. */
function spansNow(kit: Kit, table: Located, steps: readonly WriteStep[], trip: Trip): Fault | undefined {
  if (trip.tries === 0 || (trip.maybeDone && trip.lastFault?.detail?.certain !== true)) return undefined;
  return spans(kit, table, steps);
}

const noRoom = fault("OVERLOADED", "this router holds as many bytes as it may; try again later", { retryAfterMs: 20 });
const namedKeys = 4;

/** A batch is atomic within one fragment only: names keys of the first that lie elsewhere. */
function spans(kit: Kit, table: Located, steps: readonly WriteStep[]): Fault | undefined {
  if (steps.length < 2) return undefined;
  const fragments = new Map<number, string[]>();
  for (const step of steps) {
    const fragment = kit.locations.fragmentAt(table, step.position);
    if (fragment === undefined) continue;
    const keys = fragments.get(fragment.id) ?? [];
    if (keys.length < namedKeys) keys.push(keyText(table.def, step.position));
    fragments.set(fragment.id, keys);
  }
  if (fragments.size < 2) return undefined;
  const named = [...fragments].slice(0, namedKeys).map(([id, keys]) => `fragment ${id} holds ${keys.join(", ")}`);
  return fault(
    "SPANS_FRAGMENTS",
    `a batch is atomic within one fragment, and these keys lie in ${fragments.size}: ${named.join("; ")}. In a hash table the rows of one partition key always share a fragment: give that to rows that change together, or write them one after the other, each with ifVersion`,
    { keys: [...fragments.values()].flat(), fragments: [...fragments.keys()].slice(0, limits.batchOps) },
  );
}
