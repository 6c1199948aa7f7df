// Mutants. Owns the planted mistakes: each makes the running system break one promise, so that the checkers can show that they notice.
// M1 no mistake lives in the product: each is made here, at the skin of an actor or in the simulated world around it.
// M2 a mistake that no seed catches means that a checker is blind, and fails the run.

import { bookkeepingKey, bookkeepingRange, rowRange, windowRange } from "../../src/fragment/layout.js";
import { bookkeeping, isWhole, latin1, type Replica, readBookkeeping } from "../../src/fragment/replica.js";
import { compareBytes, joinBytes } from "../../src/kernel/bytes.js";
import type { Effect, Effects, LogRecord, ReadOutcome, StoreWrite } from "../../src/kernel/effect.js";
import type { Message } from "../../src/kernel/machine.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { decodeLedgerRecord, encodeLedgerRecord } from "../../src/ledger/record.js";
import type { Heartbeat } from "../../src/protocol/control.js";
import { subjects } from "../../src/protocol/subjects.js";
import { logServer } from "./log.js";
import type { FaultKind } from "./profile.js";
import type { Tamper, Tampered } from "./tap.js";
import type { World } from "./world.js";

export interface Mutant {
  readonly name: string;
  readonly what: string;
  /** Faults without which it hardly shows: seeds that have them are tried first. */
  readonly needs?: readonly FaultKind[];
  /** Made anew for each run: a mistake may remember what it saw. */
  tamper?(): Tamper;
  prepare?(world: World): void;
}

type Commit = Extract<Effect, { kind: "commit" }>;
type Where = Omit<Tampered, "message">;
type Fields = Readonly<Record<string, unknown>>;

/** Changes one kind of effect of the actors whose name begins with `actor`. */
function onEffects(actor: string, change: (effect: Effect, where: Tampered) => Effect | undefined): () => Tamper {
  return () => ({
    effects: (effects: Effects, where) =>
      where.actor.startsWith(actor)
        ? effects.flatMap((effect) => {
            const changed = change(effect, where);
            return changed === undefined ? [] : [changed];
          })
        : effects,
  });
}

function onMessages(
  actor: string,
  change: (message: Message & Fields, where: Where) => Message | undefined,
): () => Tamper {
  return () => ({
    effects: (effects) => effects,
    message: (message, where) => (where.actor.startsWith(actor) ? change(message as Message & Fields, where) : message),
  });
}

function replied(change: (body: Fields) => Fields): (effect: Effect) => Effect {
  return (effect) => {
    if (effect.kind !== "reply" || typeof effect.body !== "object" || effect.body === null) return effect;
    return { ...effect, body: change(effect.body as Fields) };
  };
}

/** Changes each operation that a shard is given. */
function onOps(change: (op: Fields) => Fields): () => Tamper {
  return onMessages("shard/", (message) => {
    const { ops } = message;
    return message.kind === "exec" && Array.isArray(ops) ? { ...message, ops: ops.map(change) } : message;
  });
}

function rowWrites(writes: readonly StoreWrite[]): StoreWrite[] {
  return writes.filter(({ key }) => key[0] === 0x10);
}

/** The bookkeeping among `writes`. */
function replicaIn(writes: readonly StoreWrite[]): Replica | undefined {
  const kept = writes.find(({ key }) => key[0] === bookkeepingRange.from[0])?.value;
  return kept === undefined ? undefined : readBookkeeping(0, kept);
}

const markRoom = 0x05;
const lossyUntilMs = 40_000;
const ff = Uint8Array.of(0xff);

/** Shelf and position of a row or a mark. */
function nameOf(key: Uint8Array): string {
  return latin1.decode(key.subarray(1));
}

/** The chunk of a copy that `message` brings. */
function chunkIn({ kind, outcome }: Message & Fields): Fields | undefined {
  const body = kind === "answered" ? ((outcome as Fields).body as Fields | undefined) : undefined;
  return body?.chunk as Fields | undefined;
}

function withChunk(message: Message & Fields, chunk: Fields): Message {
  return { ...message, outcome: { ...(message.outcome as Fields), body: { chunk } } } as Message;
}

let drawn = 0;

export const mutants: readonly Mutant[] = [
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
    name: "leaseFromGrant",
    what: "a node counts its lease from the answer, and three times as long",
    needs: ["leftBehind"],
    tamper: onMessages("node", (message) => {
      const outcome = message.outcome as { kind?: string; body?: Fields } | undefined;
      const body = outcome?.body;
      if (message.kind !== "answered" || typeof body?.leaseMs !== "number") return message;
      return { ...message, outcome: { ...outcome, body: { ...body, leaseMs: body.leaseMs * 3 } } };
    }),
  },
  {
    name: "successorAtOnce",
    what: "a node that is paused or cut off is declared dead though it lives",
    needs: ["leftBehind"],
    prepare: (world) => {
      const watch = (): void => {
        for (const seat of world.seatsOf("node")) {
          const { host } = seat;
          const cut = world.seatsOf("control").every(({ name }) => world.network.isBlocked(seat.name, name));
          if (host === undefined || !(host.paused || cut)) continue;
          const body = { kind: "hostDied", node: seat.name, incarnation: host.incarnation };
          world.network.publish("supervisor", subjects.hostDied, body);
        }
        world.clock.after(100, watch);
      };
      watch();
    },
  },
  {
    name: "noPromise",
    what: "a replica that tells its position does not promise silence below the new epoch",
    needs: ["handOver"],
    tamper: onMessages("shard/", (message) => {
      const request = message.request as Fields | undefined;
      if (message.kind !== "peer" || request?.kind !== "position") return message;
      return { ...message, request: { ...request, epoch: 0 } };
    }),
  },
  {
    name: "strongReadsAnywhere",
    what: "a replica answers strong reads without being primary or having a lease",
    tamper: onOps((op) => ("read" in op ? { ...op, read: { level: "any" } } : op)),
  },
  {
    name: "routerReadsWeakly",
    what: "a router sends strong reads to any replica",
    tamper: onMessages("router", (message) => {
      const body = message.body as Fields | undefined;
      return message.kind === "request" && body?.level === "strong"
        ? { ...message, body: { ...body, level: "any" } }
        : message;
    }),
  },
  {
    name: "alwaysFresh",
    what: "a primary asked how far it is says: nowhere; so every backup thinks itself fresh",
    tamper: onEffects(
      "shard/",
      replied((body) => ("freshLsn" in body ? { ...body, freshLsn: 0 } : body)),
    ),
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
    name: "laggingPromoted",
    what: "a new primary takes where it stands for the end of the log, and hears of nobody who holds more",
    needs: ["handOver", "crashNode"],
    tamper: laggingPromoted,
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
  {
    name: "pageLosesRow",
    what: "a scan's page loses its last row where another page follows",
    tamper: onEffects(
      "router",
      replied((body) =>
        Array.isArray(body.rows) && typeof body.cursor === "string" ? { ...body, rows: body.rows.slice(0, -1) } : body,
      ),
    ),
  },
  {
    name: "pageRepeatsRow",
    what: "a scan's page shows its last row twice",
    tamper: onEffects(
      "router",
      replied((body) =>
        Array.isArray(body.rows) && typeof body.cursor === "string"
          ? { ...body, rows: [...body.rows, ...body.rows.slice(-1)] }
          : body,
      ),
    ),
  },
  {
    name: "feedSkips",
    what: "a poll of a change feed loses its first change where there are several",
    tamper: onEffects(
      "router",
      replied((body) =>
        Array.isArray(body.changes) && body.changes.length > 1 ? { ...body, changes: body.changes.slice(1) } : body,
      ),
    ),
  },
  {
    name: "feedStandsStill",
    what: "a poll of a change feed gives back a cursor from before its changes",
    tamper: () => {
      let before: unknown;
      return onEffects(
        "router",
        replied((body) => {
          if (!Array.isArray(body.changes)) return body;
          const cursor = body.changes.length > 0 ? (before ?? body.cursor) : body.cursor;
          before = body.cursor;
          return { ...body, cursor };
        }),
      )();
    },
  },
  {
    name: "countOfOneFragment",
    what: "an aggregate leaves out a part",
    tamper: onEffects(
      "router",
      replied((body) => {
        const [group] = Array.isArray(body.groups) ? (body.groups as readonly Fields[]) : [];
        return typeof group?.n === "number" && group.n > 4
          ? { ...body, groups: [{ ...group, n: Math.floor(group.n / 2) }] }
          : body;
      }),
    ),
  },
  {
    name: "manyInWrongOrder",
    what: "getMany answers in the order in which the fragments answered",
    tamper: onEffects(
      "router",
      replied((body) =>
        Array.isArray(body.rows) && !("cursor" in body) ? { ...body, rows: [...body.rows].reverse() } : body,
      ),
    ),
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
  {
    name: "sourceGoesAtOnce",
    what: "a leader lets the source of a move go in the record that begins it",
    needs: ["move"],
    tamper: () =>
      onRecords((events) =>
        events.flatMap((event): readonly LedgerEvent[] => {
          if (event.kind !== "moveStarted" || event.move.strategy !== "log-shipping") return [event];
          const { fragment, from: node } = event.move;
          return [event, { kind: "replicasRemoved", replicas: [{ fragment, node }], cause: "move" }];
        }),
      ),
  },
  {
    name: "verificationSkipped",
    what: "a primary says that all copies agree, and compared nothing",
    needs: ["move"],
    tamper: onEffects("node", (effect) => {
      if (effect.kind !== "ask" || !effect.subject.endsWith(".heartbeat")) return effect;
      const beat = effect.body as Heartbeat;
      const agree = [1, 2, 3, 4, 5, 6, 7].map((number) => `n${number}`);
      const statuses = beat.statuses.map((status) =>
        status.state === "serving" ? { ...status, verified: { lsn: status.lsn, agree, differ: [] } } : status,
      );
      return { ...effect, body: { ...beat, statuses } };
    }),
  },
  {
    name: "handOverUnfenced",
    what: "a primary goes on when its role has moved, and the log takes what it appends",
    needs: ["move", "copyOnWrite", "handOver"],
    prepare: (world) => {
      world.log.fenced = (_writer, { stream }) => !stream.startsWith("FORESHARD_LOG_");
    },
    tamper: () => {
      const primaries = new Set<string>();
      return onMessages("shard/", (message, { host, actor }) => {
        const assignment = message.assignment as { primary?: string } | undefined;
        if (message.kind !== "assign" || assignment === undefined) return message;
        const name = `${host} ${actor}`;
        if (assignment.primary === host) primaries.add(name);
        return assignment.primary !== host && primaries.has(name) ? undefined : message;
      })();
    },
  },
  {
    name: "pullOverwrites",
    what: "a sparse replica does not mark what records touch: a pull writes its older row over a newer one",
    needs: ["copyOnWrite"],
    tamper: onEffects("shard/", (effect) =>
      effect.kind === "commit" ? { ...effect, writes: effect.writes.filter(({ key }) => key[0] !== markRoom) } : effect,
    ),
  },
  {
    name: "deletionComesBack",
    what: "a sparse replica does not mark deletions: a pull brings the deleted row back",
    needs: ["copyOnWrite"],
    tamper: onEffects("shard/", (effect) => {
      if (effect.kind !== "commit") return effect;
      const deleted = new Set(
        rowWrites(effect.writes).flatMap(({ key, value }) => (value === undefined ? [nameOf(key)] : [])),
      );
      const unmarked = ({ key }: StoreWrite): boolean => key[0] === markRoom && deleted.has(nameOf(key));
      return { ...effect, writes: effect.writes.filter((write) => !unmarked(write)) };
    }),
  },
  {
    name: "missingIsAbsent",
    what: "a sparse replica loses the rows that a pull brings, and thinks that they are not there",
    needs: ["copyOnWrite"],
    tamper: () => {
      const lsnOf = new Map<string, number>();
      return onEffects("shard/", (effect, { host, actor }) => {
        const replica = effect.kind === "commit" ? replicaIn(effect.writes) : undefined;
        if (effect.kind !== "commit" || replica === undefined) return effect;
        const before = lsnOf.get(`${host} ${actor}`);
        lsnOf.set(`${host} ${actor}`, replica.lsn);
        // A record moves the replica on; a pull does not.
        const isPull = before === replica.lsn && replica.baseLsn > 0 && !replica.copying;
        return isPull ? { ...effect, writes: effect.writes.filter(({ key }) => key[0] !== 0x10) } : effect;
      })();
    },
  },
  {
    name: "sparseForgotten",
    what: "a sparse replica does not write down what it lacks: after a restart it serves, and gives copies, as if it were whole",
    needs: ["copyOnWrite"],
    tamper: onEffects("shard/", (effect) => {
      const replica = effect.kind === "commit" ? replicaIn(effect.writes) : undefined;
      if (effect.kind !== "commit" || replica === undefined || replica.missing.length === 0) return effect;
      const { value } = bookkeeping({ ...replica, missing: [] });
      const isOld = ({ key }: StoreWrite): boolean => key[0] === bookkeepingRange.from[0];
      return { ...effect, writes: effect.writes.map((write) => (isOld(write) ? { key: write.key, value } : write)) };
    }),
  },
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
 * only when it is sealed, every third for a while.
 */
function forgetsRequests(what: "split" | "merge"): () => Tamper {
  return () => {
    let answers = 0;
    const splitting = new Set<string>();
    const forget = onReshaping(what, (effect) => ({
      ...effect,
      writes: effect.writes.filter(({ key }) => key[0] !== windowRange(0).from[0]),
    }))();
    const isLost = ({ host, actor, nowMs }: Tampered): boolean =>
      what === "split" ? splitting.has(`${host} ${actor}`) : nowMs < lossyUntilMs && ++answers % 3 === 0;
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

function laggingPromoted(): Tamper {
  /** Every record that passed a replica, by shard and hash: the last eight bytes. */
  const passed = new Map<string, Uint8Array>();
  const lastApplied = new Map<string, Uint8Array>();
  const primaries = new Set<string>();
  const tails = new Set<string>();
  const note = (actor: string, bytes: Uint8Array): void => {
    passed.set(`${actor} ${latin1.decode(bytes.subarray(-8))}`, bytes);
  };
  const hearsNothing = replied((body) =>
    "position" in body ? { position: { ...(body.position as Fields), lsn: 0, partial: true } } : body,
  );
  return {
    effects: (effects, { host, actor }) => {
      if (!actor.startsWith("shard/")) return effects;
      const name = `${host} ${actor}`;
      return effects.map((effect) => {
        if (effect.kind === "append") note(actor, effect.bytes);
        if (effect.kind === "readLog" && effect.at === "last") tails.add(`${name} ${effect.ticket}`);
        const replica = effect.kind === "commit" ? replicaIn(effect.writes) : undefined;
        const bytes = replica === undefined ? undefined : passed.get(`${actor} ${latin1.decode(replica.hash)}`);
        if (bytes !== undefined) lastApplied.set(name, bytes);
        return hearsNothing(effect);
      });
    },
    message: (message, { host, actor }) => {
      if (!actor.startsWith("shard/")) return message;
      const name = `${host} ${actor}`;
      const { assignment, record, outcome, ticket } = message as Message & {
        assignment?: { primary: string };
        record?: LogRecord;
        outcome?: ReadOutcome;
        ticket?: number;
      };
      if (message.kind === "assign" && assignment !== undefined) {
        if (assignment.primary === host) primaries.add(name);
        else primaries.delete(name);
        return { ...message, assignment: { ...assignment, activatedLsn: 0 } } as Message;
      }
      if (message.kind === "record" && record !== undefined) note(actor, record.bytes);
      if (message.kind !== "logRead" || outcome?.kind !== "record") return message;
      note(actor, outcome.record.bytes);
      const bytes = lastApplied.get(name);
      const isTail = tails.delete(`${name} ${ticket}`) && primaries.has(name);
      return isTail && bytes !== undefined
        ? ({ ...message, outcome: { ...outcome, record: { ...outcome.record, bytes } } } as Message)
        : message;
    },
  };
}

/** Changes what a leader appends to its ledger. */
function onRecords(change: (events: readonly LedgerEvent[]) => readonly LedgerEvent[]): Tamper {
  return onEffects("leader/", (effect) => {
    if (effect.kind !== "append" || !effect.log.stream.startsWith("FORESHARD_LEDGER_")) return effect;
    const record = decodeLedgerRecord(effect.bytes);
    if (!record.ok) return effect;
    return { ...effect, bytes: encodeLedgerRecord({ ...record.value, events: change(record.value.events) }) };
  })();
}
