// Aggregate. Owns the scatter to every fragment of a range and the merge of their partial groups; one failing fragment fails the whole.

import { compareBytes } from "../../../src/kernel/bytes.js";
import type { Effect, Effects } from "../../../src/kernel/effect.js";
import { none } from "../../../src/kernel/effect.js";
import type { Context } from "../../../src/kernel/machine.js";
import type { FragmentView } from "../../../src/ledger/view.js";
import { createGroups, finishGroups, type Groups, mergeGroups } from "../../../src/query/aggregate.js";
import type { Position } from "../../../src/table/table.js";
import type { Outcome } from "../courier.js";
import type { Inquiry } from "../desk.js";
import { type Kit, type QueryHandler, type QueryOf, refuseFor, send } from "../kit.js";
import type { Located } from "../locations.js";

interface Gathering {
  readonly kit: Kit;
  readonly inquiry: Inquiry;
  readonly table: Located;
  readonly query: QueryOf<"aggregate">;
  readonly groups: Groups;
  left: number;
  rowsSeen: number;
}

export const startAggregate: QueryHandler<"aggregate"> = (kit, inquiry, table, query, context) => {
  const fragments = kit.locations.fragmentsIn(table, query.from, query.to);
  const gathering: Gathering = {
    kit,
    inquiry,
    table,
    query,
    groups: createGroups(query.groupBy, query.aggregates),
    left: fragments.length,
    rowsSeen: 0,
  };
  if (fragments.length === 0) return finish(gathering);
  const effects: Effect[] = [];
  for (const fragment of fragments) {
    const from = compareBytes(fragment.from, query.from) > 0 ? fragment.from : query.from;
    effects.push(...ask(gathering, from, earlier(fragment.to, query.to), context));
  }
  return effects;
};

function earlier(a: Position | undefined, b: Position | undefined): Position | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareBytes(a, b) <= 0 ? a : b;
}

function ask(gathering: Gathering, from: Position, to: Position | undefined, context: Context): Effects {
  const { kit, inquiry, table, query } = gathering;
  return send(
    kit,
    inquiry,
    table,
    {
      access: "read",
      lane: "slow",
      read: query.read,
      bytes: 512,
      find: () => kit.locations.fragmentAt(table, from),
      opFor: (fragment) => ({
        op: "aggregate",
        from,
        to: earlier(to, fragment.to),
        filter: query.filter,
        groupBy: query.groupBy,
        aggregates: query.aggregates,
        read: query.read,
      }),
      done: (outcome, at) => onPartial(gathering, to, outcome, at),
    },
    context,
  );
}

function onPartial(gathering: Gathering, to: Position | undefined, outcome: Outcome, context: Context): Effects {
  const { kit, inquiry } = gathering;
  if ("fault" in outcome) return refuseFor(kit, inquiry, outcome);
  const { result, fragment } = outcome;
  if (result.op !== "aggregate") return none;
  const merged = mergeGroups(gathering.groups, result.groups);
  if (!merged.ok) return kit.desk.refuse(inquiry, merged.fault);
  gathering.rowsSeen += result.rowsSeen;
  const rest = restOf(fragment, to);
  if (rest !== undefined) return ask(gathering, rest, to, context);
  gathering.left--;
  return gathering.left === 0 ? finish(gathering) : none;
}

/** Where the part goes on when the fragment that answered ended before it: it had been split meanwhile. */
function restOf(fragment: FragmentView, to: Position | undefined): Position | undefined {
  if (fragment.to === undefined) return undefined;
  return to === undefined || compareBytes(fragment.to, to) < 0 ? fragment.to : undefined;
}

function finish(gathering: Gathering): Effects {
  const { kit, inquiry, rowsSeen } = gathering;
  const groups = finishGroups(gathering.groups);
  return groups.ok
    ? kit.desk.answer(inquiry, { groups: groups.value, rowsSeen })
    : kit.desk.refuse(inquiry, groups.fault);
}
