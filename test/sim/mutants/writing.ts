// Mistakes of writing: appends without a fence, answers before their time, request ids, batches and conditions.

import { windowRange } from "../../../src/fragment/layout.js";
import { compareBytes } from "../../../src/kernel/bytes.js";
import type { StoreWrite } from "../../../src/kernel/effect.js";
import type { Message } from "../../../src/kernel/machine.js";
import { logServer } from "../log.js";
import { type Fields, type Mutant, onEffects, onOps, replied, rowWrites } from "./tools.js";

export const writing: readonly Mutant[] = [
  {
    name: "appendUnfenced",
    what: "the log takes data records without looking at the expected sequence",
    prepare: (world) => {
      world.log.fenced = (_writer, { stream }) => !stream.startsWith("FORESHARD_LOG_");
    },
  },
  {
    name: "ledgerUnfenced",
    what: "a leader appends to the ledger without an expected sequence",
    prepare: (world) => {
      world.log.fenced = (_writer, { stream }) => !stream.startsWith("FORESHARD_LEDGER_");
    },
  },
  {
    name: "unknownIsStored",
    what: "an append of unknown outcome is taken for stored, and answered",
    tamper: () => {
      const expected = new Map<string, number>();
      return {
        effects: (effects, { host, actor }) => {
          for (const effect of effects)
            if (effect.kind === "append") expected.set(`${host} ${actor} ${effect.ticket}`, effect.expectedSeq);
          return effects;
        },
        message: (message, { host, actor }) => {
          const appended = message as Message & { ticket?: number; outcome?: { kind: string } };
          const seq = expected.get(`${host} ${actor} ${appended.ticket}`);
          if (!actor.startsWith("shard/") || message.kind !== "appended" || appended.outcome?.kind !== "unknown")
            return message;
          return { ...appended, outcome: { kind: "stored", seq: (seq ?? 0) + 1 } } as Message;
        },
      };
    },
  },
  {
    name: "requestIdsForgotten",
    what: "every try of a request counts as a new one",
    tamper: onOps((op) =>
      op.op === "write" ? { ...op, requestId: `${String(op.requestId).slice(0, 40)}.${++drawn}` } : op,
    ),
  },
  {
    name: "windowNotReplicated",
    what: "request ids are not written with the rows: a process that starts knows none",
    tamper: onEffects("shard/", (effect) => {
      if (effect.kind !== "commit") return effect;
      const { from, to } = { from: windowRange(0).from, to: windowRange(2 ** 40).from };
      const inWindow = (key: Uint8Array): boolean => compareBytes(key, from) >= 0 && compareBytes(key, to) < 0;
      return { ...effect, writes: effect.writes.filter(({ key }) => !inWindow(key)) };
    }),
  },
  {
    name: "rowLostInCommit",
    what: "a replica now and then loses one row of a record that it applies",
    tamper: () => {
      let commits = 0;
      return onEffects("shard/", (effect) => {
        if (effect.kind !== "commit" || rowWrites(effect.writes).length === 0 || ++commits % 40 !== 0) return effect;
        const [lost] = rowWrites(effect.writes);
        return { ...effect, writes: effect.writes.filter((write) => write !== lost) };
      })();
    },
  },
  {
    name: "batchSplit",
    what: "of a batch only the first half is carried out",
    tamper: onEffects("shard/", (effect) => {
      if (effect.kind !== "commit") return effect;
      const rows = rowWrites(effect.writes);
      const lost = new Set(rows.length > 2 ? rows.slice(Math.ceil(rows.length / 2)) : []);
      return { ...effect, writes: effect.writes.filter((write) => !lost.has(write)) };
    }),
  },
  {
    name: "positionAhead",
    what: "a replica writes its position, and its rows only with the next record",
    tamper: () => {
      const kept = new Map<string, StoreWrite[]>();
      return onEffects("shard/", (effect, { host, actor }) => {
        if (effect.kind !== "commit") return effect;
        const rows = rowWrites(effect.writes);
        if (rows.length === 0) return effect;
        const name = `${host} ${actor}`;
        const before = kept.get(name) ?? [];
        kept.set(name, rows);
        return { ...effect, writes: [...before, ...effect.writes.filter((write) => !rows.includes(write))] };
      })();
    },
  },
  {
    name: "appliesOutOfOrder",
    what: "a replica applies the rows of every second record after those of the next one",
    tamper: () => {
      const kept = new Map<string, StoreWrite[]>();
      return onEffects("shard/", (effect, { host, actor }) => {
        if (effect.kind !== "commit") return effect;
        const rows = rowWrites(effect.writes);
        const name = `${host} ${actor}`;
        const before = kept.get(name);
        if (rows.length === 0) return effect;
        if (before === undefined) {
          kept.set(name, rows);
          return { ...effect, writes: effect.writes.filter((write) => !rows.includes(write)) };
        }
        kept.delete(name);
        return { ...effect, writes: [...effect.writes, ...before] };
      })();
    },
  },
  {
    name: "timeoutIsSuccess",
    what: "a write of unknown outcome is answered as if it were done",
    tamper: onEffects(
      "router",
      replied((body) => ((body.fault as Fields | undefined)?.code === "UNKNOWN_OUTCOME" ? { version: 2 ** 50 } : body)),
    ),
  },
  {
    name: "trimsTooEarly",
    what: "the log is trimmed while a replica is not there, and to nothing, whatever is on disk",
    prepare: (world) => {
      const trim = (): void => {
        const missing = world.seatsOf("node").some(({ host }) => host === undefined || host.paused);
        for (const name of world.log.streamNames()) {
          const lastSeq = world.log.records(name).at(-1)?.seq ?? 0;
          if (missing && name.startsWith("FORESHARD_LOG_")) world.log.trim(logServer, name, lastSeq + 1);
        }
        world.clock.after(50, trim);
      };
      trim();
    },
  },
  {
    name: "conditionsIgnored",
    what: "ifVersion is not looked at",
    tamper: onOps((op) => {
      if (!Array.isArray(op.steps)) return op;
      return { ...op, steps: (op.steps as readonly Fields[]).map(({ ifVersion: _, ...step }) => step) };
    }),
  },
  {
    name: "insertReplaces",
    what: "insert replaces a row that is there",
    tamper: onOps((op) => {
      if (!Array.isArray(op.steps)) return op;
      return {
        ...op,
        steps: (op.steps as readonly Fields[]).map((step) => (step.act === "insert" ? { ...step, act: "put" } : step)),
      };
    }),
  },
];

let drawn = 0;
