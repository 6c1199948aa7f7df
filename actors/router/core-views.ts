// Core views. Owns the location cache of a router inside the cluster: the tails of all ledgers, pushed and not polled.
// V1 a view counts once its tail has caught up: a router that has just started does not deny tables that it has not read of yet.

import type { Effect } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import { createTail, type Tail } from "../../src/ledger/tail.js";
import type { ViewSource } from "./locations.js";

interface Followed {
  readonly tail: Tail;
  caughtUp: boolean;
}

export function createCoreViews(partitions: number, tickets: Tickets): ViewSource {
  const followed: readonly Followed[] = Array.from({ length: partitions }, (_, partition) => ({
    tail: createTail({ partition, tickets }),
    caughtUp: false,
  }));
  return {
    start: () => followed.flatMap(({ tail }) => tail.start()),
    on(message) {
      const effects: Effect[] = [];
      let mine = false;
      let changed = false;
      for (const one of followed) {
        const step = one.tail.on(message);
        if (step === undefined) continue;
        mine = true;
        effects.push(...step.effects);
        changed ||= step.advanced;
        if (one.caughtUp || !one.tail.loaded) continue;
        const atTail =
          (message.kind === "followed" && message.pending === 0) ||
          (message.kind === "followNews" && message.news === "idle");
        if (!atTail || one.tail.view.partitions === 0) continue;
        one.caughtUp = true;
        changed = true;
      }
      return mine ? { effects, changed } : undefined;
    },
    // The tails are pushed: what a node knows is on its way here.
    hint: () => none,
    view(partition) {
      const one = followed[partition];
      return one?.caughtUp === true ? one.tail.view : undefined;
    },
    looks: () => ({ begun: 0, ended: Number.POSITIVE_INFINITY }),
    partitions: () => partitions,
  };
}
