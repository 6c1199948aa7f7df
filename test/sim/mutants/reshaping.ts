// Mistakes of splits and merges: rows, request ids, and where the cut is.

import { bookkeepingRange, rowRange, windowRange } from "../../../src/fragment/layout.js";
import { type Replica, readBookkeeping } from "../../../src/fragment/replica.js";
import { compareBytes, joinBytes } from "../../../src/kernel/bytes.js";
import type { Effect } from "../../../src/kernel/effect.js";
import type { Message } from "../../../src/kernel/machine.js";
import type { Tamper, Tampered } from "../tap.js";
import { type Fields, type Mutant, onEffects, onRecords } from "./tools.js";

export const reshaping: readonly Mutant[] = [
  {
    name: "splitForgetsRequests",
    what: "the upper half of a split begins without the request ids of what was written to it before",
    needs: ["split"],
    tamper: forgetsRequests("split"),
  },
  {
    name: "splitLosesRows",
    what: "a split deletes the rows that it gives to the new fragment",
    needs: ["split"],
    tamper: onReshaping("split", (effect, replicas) => {
      const [, upper] = [...replicas].sort((a, b) => compareBytes(a.range.from, b.range.from));
      const clears = upper === undefined ? [] : [rowRange(upper.shelf, upper.range)];
      return { ...effect, clears: [...(effect.clears ?? []), ...clears] };
    }),
  },
  {
    name: "splitElsewhere",
    what: "the ledger puts the border of a split at another key than the log",
    needs: ["split"],
    tamper: () =>
      onRecords((events) =>
        events.map((event) => (event.kind === "fragmentSplit" ? { ...event, at: joinBytes(event.at, ff) } : event)),
      ),
  },
  {
    name: "mergeForgetsRequests",
    what: "a merge does not take over the right one's request ids",
    needs: ["merge"],
    tamper: forgetsRequests("merge"),
  },
];

type Commit = Extract<Effect, { kind: "commit" }>;

/** So long nobody hears an answer, and then so long everybody does. */
const silentMs = 1500;
const lossyUntilMs = 40_000;

const ff = Uint8Array.of(0xff);

/** Changes the commit that makes two fragments of one, or one of two; `replicas` are those that it writes. */
function onReshaping(
  what: "split" | "merge",
  change: (effect: Commit, replicas: readonly Replica[]) => Effect,
): () => Tamper {
  return onEffects("shard/", (effect) => {
    if (effect.kind !== "commit") return effect;
    const kept = effect.writes.filter(({ key }) => key[0] === bookkeepingRange.from[0]);
    const replicas = kept.flatMap(({ value }) => {
      const replica = value === undefined ? undefined : readBookkeeping(0, value);
      return replica === undefined || replica.copying ? [] : [replica];
    });
    if (kept.length !== 2 || replicas.length !== (what === "split" ? 2 : 1)) return effect;
    return change(effect, replicas);
  });
}

/**
 * Answers get lost besides, so that clients ask again whoever has the rows then: all of a fragment that is to be split; before a merge, of which a shard hears
 * only when it is sealed, all of every other while.
 */
function forgetsRequests(what: "split" | "merge"): () => Tamper {
  return () => {
    const splitting = new Set<string>();
    const forget = onReshaping(what, (effect) => ({
      ...effect,
      writes: effect.writes.filter(({ key }) => key[0] !== windowRange(0).from[0]),
    }))();
    const isLost = ({ host, actor, nowMs }: Tampered): boolean =>
      what === "split" ? splitting.has(`${host} ${actor}`) : nowMs < lossyUntilMs && nowMs % (2 * silentMs) < silentMs;
    return {
      message: (message, { host, actor }) => {
        const { assignment } = message as Message & { assignment?: { split?: object } };
        if (message.kind !== "assign" || assignment === undefined) return message;
        if (assignment.split !== undefined) splitting.add(`${host} ${actor}`);
        else splitting.delete(`${host} ${actor}`);
        return message;
      },
      effects: (effects, where) =>
        forget.effects(effects, where).filter((effect) => {
          const isAnswer = effect.kind === "tell" && (effect.message as Fields).kind === "execDone";
          return !isAnswer || !isLost(where);
        }),
    };
  };
}
