// Mistakes of copying and comparing: snapshots, places, digests, repair.

import { bookkeepingKey } from "../../../src/fragment/layout.js";
import { isWhole, readBookkeeping } from "../../../src/fragment/replica.js";
import type { Effect, StoreWrite } from "../../../src/kernel/effect.js";
import type { Message } from "../../../src/kernel/machine.js";
import { subjects } from "../../../src/protocol/subjects.js";
import type { Tamper } from "../tap.js";
import { type Fields, type Mutant, onEffects, onMessages, replicaIn, rowWrites } from "./tools.js";

export const copying: readonly Mutant[] = [
  {
    name: "snapshotWithoutItsLsn",
    what: "a copy counts from where its last chunk was read, and not its first: it misses what was written in between",
    needs: ["wipeDisk"],
    tamper: () => {
      const untilLsn = new Map<string, number>();
      return {
        message: (message, { host, actor }) => {
          const chunk = chunkIn(message as Message & Fields);
          const name = `${host} ${actor}`;
          if (chunk !== undefined) untilLsn.set(name, Math.max(untilLsn.get(name) ?? 0, Number(chunk.lsn)));
          return message;
        },
        effects: (effects, { host, actor }) =>
          effects.map((effect) => {
            const replica = effect.kind === "commit" ? replicaIn(effect.writes) : undefined;
            if (effect.kind !== "commit" || replica === undefined || replica.copying) return effect;
            if (replica.lsn > (untilLsn.get(`${host} ${actor}`) ?? 0)) return effect;
            const rows = new Set(rowWrites(effect.writes));
            // The last chunk itself, which brings the copy to an end, is no record.
            return replica.lsn === 0 || rows.size > 20
              ? effect
              : { ...effect, writes: effect.writes.filter((write) => !rows.has(write)) };
          }),
      };
    },
  },
  {
    name: "resumeFromBehind",
    what: "a copy goes on from the source that is furthest behind, though it is behind where the copy began",
    needs: ["cutFromLog", "move", "wipeDisk"],
    tamper: resumeFromBehind,
  },
  {
    name: "placeBeforeRows",
    what: "a copy notes how far it is before it has the rows of that chunk on disk",
    needs: ["wipeDisk"],
    tamper: () => {
      const kept = new Map<string, StoreWrite[]>();
      const hold = onEffects("shard/", (effect, { host, actor }) => {
        const replica = effect.kind === "commit" ? replicaIn(effect.writes) : undefined;
        if (effect.kind !== "commit" || replica === undefined) return effect;
        const name = `${host} ${actor}`;
        const before = kept.get(name) ?? [];
        kept.delete(name);
        if (replica.place === undefined) return { ...effect, writes: [...before, ...effect.writes] };
        const rows = rowWrites(effect.writes);
        kept.set(name, rows);
        return { ...effect, writes: [...before, ...effect.writes.filter((write) => !rows.includes(write))] };
      })();
      return {
        ...hold,
        // What a process had in memory is gone with it.
        message: (message, { host, actor }) => {
          if (message.kind === "start") kept.delete(`${host} ${actor}`);
          return message;
        },
      };
    },
  },
  {
    name: "digestsAlwaysAgree",
    what: "every copy finds the same digests, whatever it holds",
    needs: ["flipBit"],
    tamper: onMessages("shard/", (message) => {
      const outcome = message.outcome as { ok?: boolean; output?: Fields } | undefined;
      if (message.kind !== "computed" || outcome?.output === undefined) return message;
      return { ...message, outcome: { ok: true, output: { ...outcome.output, root: "the same" } } };
    }),
  },
  {
    name: "digestOfAnotherLsn",
    what: "digests are computed on whatever the store holds by the time the worker comes to it",
    prepare: (world) => {
      world.compute.readsLate = (work, input, store) => {
        const { fragment, lsn } = input as { fragment: number; lsn: number };
        const kept = store.get(bookkeepingKey(fragment));
        const now = kept === undefined ? undefined : readBookkeeping(fragment, kept)?.lsn;
        const outcome = work({ fragment, lsn: now ?? lsn }, store);
        return outcome.ok ? { ok: true, output: { ...(outcome.output as Fields), lsn } } : outcome;
      };
    },
  },
  {
    name: "mendNeverAsked",
    what: "a copy that is found in the minority is never told to replace itself",
    needs: ["flipBit"],
    tamper: onEffects("shard/", (effect) => {
      const body = effect.kind === "ask" ? (effect.body as Fields) : {};
      return body.kind === "mend" ? undefined : effect;
    }),
  },
];

/** The chunk of a copy that `message` brings. */
function chunkIn({ kind, outcome }: Message & Fields): Fields | undefined {
  const body = kind === "answered" ? ((outcome as Fields).body as Fields | undefined) : undefined;
  return body?.chunk as Fields | undefined;
}

function withChunk(message: Message & Fields, chunk: Fields): Message {
  return { ...message, outcome: { ...(message.outcome as Fields), body: { chunk } } } as Message;
}

function resumeFromBehind(): Tamper {
  const beganLsn = new Map<string, number>();
  const livePeers = new Map<string, readonly string[]>();
  /** Where each whole replica stands, by shard and host. */
  const stands = new Map<string, Map<string, number>>();
  const furthestBehind = (host: string, actor: string): string | undefined => {
    const peers = livePeers.get(`${host} ${actor}`) ?? [];
    const found = [...(stands.get(actor) ?? [])].filter(([peer]) => peers.includes(peer));
    return found.sort(([, a], [, b]) => a - b)[0]?.[0];
  };
  const note = (effect: Effect, host: string, actor: string): void => {
    const replica = effect.kind === "commit" ? replicaIn(effect.writes) : undefined;
    if (replica === undefined) return;
    beganLsn.set(`${host} ${actor}`, replica.place?.lsn ?? 0);
    const places = stands.get(actor) ?? new Map<string, number>();
    stands.set(actor, places);
    if (isWhole(replica)) places.set(host, replica.lsn);
    else places.delete(host);
  };
  return {
    message: (message, { host, actor }) => {
      const { assignment } = message as Message & { assignment?: { livePeers: readonly string[] } };
      if (message.kind === "assign" && assignment !== undefined)
        livePeers.set(`${host} ${actor}`, assignment.livePeers);
      const chunk = chunkIn(message as Message & Fields);
      const began = beganLsn.get(`${host} ${actor}`) ?? 0;
      return chunk === undefined || Number(chunk.lsn) >= began
        ? message
        : withChunk(message as Message & Fields, { ...chunk, lsn: began });
    },
    effects: (effects, { host, actor }) =>
      effects.map((effect) => {
        note(effect, host, actor);
        if (effect.kind !== "ask") return effect;
        const { kind, cursor } = effect.body as { kind?: string; cursor?: Uint8Array | null };
        const source = kind === "copy" && cursor?.length !== 0 ? furthestBehind(host, actor) : undefined;
        return source === undefined ? effect : { ...effect, subject: subjects.peer(source) };
      }),
  };
}
