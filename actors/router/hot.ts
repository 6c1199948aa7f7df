// Hot. Owns the question which keys are asked for most: put to every node that is up, and gathered until all answered or the time of one ask is over.
// A node that does not answer is named, never passed over in silence.

import type { AskOutcome, Effect, Effects, Ticket } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import type { HotKeys, PeerRequest } from "../../src/protocol/peer.js";
import { decodePeerAnswer } from "../../src/protocol/peer-codec.js";
import { partitionOfFragment, subjects } from "../../src/protocol/subjects.js";
import { keyOfPosition } from "../../src/table/key.js";
import type { Fields } from "./cluster-ops.js";
import type { Desk, Inquiry } from "./desk.js";
import type { Locations } from "./locations.js";
import { unknownTable } from "./refusals.js";

export interface Hot {
  ask(inquiry: Inquiry, body: Fields): Effects;
  answered(ticket: Ticket, outcome: AskOutcome): Effects | undefined;
}

interface Gathering {
  readonly inquiry: Inquiry;
  left: number;
  readonly found: (HotKeys & { readonly primary: string })[];
  readonly silent: string[];
}

const fragmentsTold = 200;

export function createHot(desk: Desk, locations: Locations, tickets: Tickets, askTimeoutMs: number): Hot {
  const asked = new Map<Ticket, { readonly gathering: Gathering; readonly node: string }>();

  function finish({ inquiry, found, silent }: Gathering): Effects {
    const lines = found
      .sort((a, b) => b.perSecond - a.perSecond || a.fragment - b.fragment)
      .slice(0, fragmentsTold)
      .flatMap((hot) => lineOf(hot) ?? []);
    return desk.answer(inquiry, { fragments: lines, silent: silent.sort() });
  }

  function lineOf({ fragment, primary, perSecond, keys }: Gathering["found"][number]): object | undefined {
    const view = locations.views().find(({ partition }) => partition === partitionOfFragment(fragment));
    const table = view?.tables.get(view.fragments.get(fragment)?.table ?? -1);
    if (table === undefined) return undefined;
    const told = keys.flatMap(([position, share]) => {
      const key = keyOfPosition(table, position);
      if (!key.ok) return [];
      const [only] = key.value;
      return [{ key: key.value.length === 1 ? only : key.value, share, perSecond: share * perSecond }];
    });
    return { fragment, table: table.name, primary, perSecond, keys: told };
  }

  return {
    ask(inquiry, { table: name }) {
      const table = typeof name === "string" ? locations.table(name) : undefined;
      if (name !== undefined && name !== null && table === undefined)
        return desk.refuse(inquiry, unknownTable(String(name)));
      const up = locations.views().flatMap((view) => [...view.nodes.values()].filter(({ state }) => state === "up"));
      const nodes = [...new Set(up.map(({ id }) => id))];
      if (nodes.length === 0) return desk.refuse(inquiry, fault("UNAVAILABLE", "no node is up; try again"));
      const gathering: Gathering = { inquiry, left: nodes.length, found: [], silent: [] };
      const body: PeerRequest = {
        kind: "hot",
        table: table === undefined ? null : { partition: table.partition, id: table.def.id },
      };
      return nodes.map((node): Effect => {
        const ticket = tickets.next();
        asked.set(ticket, { gathering, node });
        return { kind: "ask", subject: subjects.peer(node), body, timeoutMs: askTimeoutMs, ticket };
      });
    },
    answered(ticket, outcome) {
      const ask = asked.get(ticket);
      if (ask === undefined) return undefined;
      asked.delete(ticket);
      const { gathering, node } = ask;
      const answer = outcome.kind === "answer" ? decodePeerAnswer(outcome.body) : undefined;
      if (answer?.ok === true && "hot" in answer.value)
        gathering.found.push(...answer.value.hot.map((hot) => ({ ...hot, primary: node })));
      else gathering.silent.push(node);
      gathering.left--;
      return gathering.left > 0 || gathering.inquiry.finished ? none : finish(gathering);
    },
  };
}
