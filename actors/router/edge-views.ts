// Edge views. Owns the location cache of a router outside the cluster: asked from a router inside, again whenever a node knows more.
// V1 one ask is under way at a time, and asks are at least `pauseMs` apart. V2 a view is taken only whole, and never an older one.

import type { AskOutcome, Effects, Ticket } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { decodeLocations, type LocationPage, viewOfPages } from "../../src/protocol/location-codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { ViewSource } from "./locations.js";

const pauseMs = 15;
const retryMs = 200;
const askTimeoutMs = 1000;
const timer = "router/views";

export function createEdgeViews(tickets: Tickets): ViewSource {
  const views = new Map<number, ClusterView>();
  const wanted = new Set<number>([0]);
  /** Looks begun and ended, by partition. */
  const begun = new Map<number, number>();
  const ended = new Map<number, number>();
  let partitions = 0;
  let asked: { readonly ticket: Ticket; readonly partition: number; readonly pages: LocationPage[] } | undefined;
  let armed = false;

  function ask(partition: number, pages: LocationPage[]): Effects {
    const ticket = tickets.next();
    asked = { ticket, partition, pages };
    if (pages.length === 0) begun.set(partition, (begun.get(partition) ?? 0) + 1);
    const skip = pages.at(-1)?.next ?? 0;
    // A later page is wanted whatever its sequence; the first only when it is news.
    const seq = skip === 0 ? (views.get(partition)?.seq ?? 0) : 0;
    return [
      {
        kind: "ask",
        subject: subjects.cluster("view"),
        body: { partition, seq, skip },
        timeoutMs: askTimeoutMs,
        ticket,
      },
    ];
  }

  function wake(afterMs: number): Effects {
    if (armed || wanted.size === 0) return none;
    armed = true;
    return [{ kind: "wake", name: timer, afterMs }];
  }

  function onAnswer(
    partition: number,
    pages: LocationPage[],
    outcome: AskOutcome,
  ): { effects: Effects; changed: boolean } {
    asked = undefined;
    if (outcome.kind !== "answer") return { effects: again(partition), changed: false };
    const body = outcome.body;
    if (typeof body !== "object" || body === null) return { effects: again(partition), changed: false };
    if ("unchanged" in body) {
      ended.set(partition, begun.get(partition) ?? 0);
      // Whoever waited to learn that nothing changed learns it now.
      return { effects: wake(pauseMs), changed: true };
    }
    const page = "view" in body ? decodeLocations(body.view) : undefined;
    if (page === undefined || !page.ok) return { effects: again(partition), changed: false };
    const first = pages[0];
    // The view moved on between two pages: begin anew.
    if (first !== undefined && first.seq !== page.value.seq) return { effects: ask(partition, []), changed: false };
    const all = [...pages, page.value];
    if (page.value.next > 0) return { effects: ask(partition, all), changed: false };
    return { effects: wake(pauseMs), changed: take(partition, all) };
  }

  function take(partition: number, pages: readonly LocationPage[]): boolean {
    const view = viewOfPages(pages);
    ended.set(partition, begun.get(partition) ?? 0);
    const held = views.get(partition);
    if (held !== undefined && held.seq >= view.seq) return false;
    views.set(partition, view);
    if (view.partitions > partitions) {
      partitions = view.partitions;
      for (let other = 0; other < partitions; other++) if (!views.has(other)) wanted.add(other);
    }
    return true;
  }

  function again(partition: number): Effects {
    wanted.add(partition);
    return wake(retryMs);
  }

  function next(): Effects {
    const [partition] = wanted;
    if (partition === undefined || asked !== undefined) return none;
    wanted.delete(partition);
    return ask(partition, []);
  }

  return {
    start: next,
    on(message) {
      if (message.kind === "woke" && message.name === timer) {
        armed = false;
        return { effects: next(), changed: false };
      }
      if (message.kind !== "answered" || message.ticket !== asked?.ticket) return undefined;
      const { effects, changed } = onAnswer(asked.partition, asked.pages, message.outcome);
      return { effects: asked === undefined ? [...effects, ...wake(pauseMs)] : effects, changed };
    },
    hint(partition, seq) {
      const held = views.get(partition);
      if (seq > 0 && held !== undefined && held.seq >= seq) return none;
      // What is on its way answers a refusal as well.
      if (seq === 0 && asked?.partition === partition) return none;
      wanted.add(partition);
      return asked === undefined && !armed ? next() : none;
    },
    view: (partition) => views.get(partition),
    looks: (partition) => ({ begun: begun.get(partition) ?? 0, ended: ended.get(partition) ?? 0 }),
    partitions: () => partitions,
  };
}
