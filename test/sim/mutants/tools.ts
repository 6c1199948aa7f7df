// Tools. Owns what planted mistakes are made of: changing an effect, a message, an operation, the writes of a commit.

import { bookkeepingRange } from "../../../src/fragment/layout.js";
import { type Replica, readBookkeeping } from "../../../src/fragment/replica.js";
import type { Effect, Effects, StoreWrite } from "../../../src/kernel/effect.js";
import type { Message } from "../../../src/kernel/machine.js";
import type { LedgerEvent } from "../../../src/ledger/event.js";
import { decodeLedgerRecord, encodeLedgerRecord } from "../../../src/ledger/record.js";
import type { FaultKind } from "../profile.js";
import type { Tamper, Tampered } from "../tap.js";
import type { World } from "../world.js";

export interface Mutant {
  readonly name: string;
  readonly what: string;
  /** Faults without which it hardly shows: seeds that have them are tried first. */
  readonly needs?: readonly FaultKind[];
  /** Made anew for each run: a mistake may remember what it saw. */
  tamper?(): Tamper;
  prepare?(world: World): void;
}

export type Where = Omit<Tampered, "message">;

export type Fields = Readonly<Record<string, unknown>>;

/** Changes one kind of effect of the actors whose name begins with `actor`. */
export function onEffects(
  actor: string,
  change: (effect: Effect, where: Tampered) => Effect | undefined,
): () => Tamper {
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

export function onMessages(
  actor: string,
  change: (message: Message & Fields, where: Where) => Message | undefined,
): () => Tamper {
  return () => ({
    effects: (effects) => effects,
    message: (message, where) => (where.actor.startsWith(actor) ? change(message as Message & Fields, where) : message),
  });
}

export function replied(change: (body: Fields) => Fields): (effect: Effect) => Effect {
  return (effect) => {
    if (effect.kind !== "reply" || typeof effect.body !== "object" || effect.body === null) return effect;
    return { ...effect, body: change(effect.body as Fields) };
  };
}

/** Changes each operation that a shard is given. */
export function onOps(change: (op: Fields) => Fields): () => Tamper {
  return onMessages("shard/", (message) => {
    const { ops } = message;
    return message.kind === "exec" && Array.isArray(ops) ? { ...message, ops: ops.map(change) } : message;
  });
}

export function rowWrites(writes: readonly StoreWrite[]): StoreWrite[] {
  return writes.filter(({ key }) => key[0] === 0x10);
}

/** The bookkeeping among `writes`. */
export function replicaIn(writes: readonly StoreWrite[]): Replica | undefined {
  const kept = writes.find(({ key }) => key[0] === bookkeepingRange.from[0])?.value;
  return kept === undefined ? undefined : readBookkeeping(0, kept);
}

/** Changes what a leader appends to its ledger. */
export function onRecords(change: (events: readonly LedgerEvent[]) => readonly LedgerEvent[]): Tamper {
  return onEffects("leader/", (effect) => {
    if (effect.kind !== "append" || !effect.log.stream.startsWith("FORESHARD_LEDGER_")) return effect;
    const record = decodeLedgerRecord(effect.bytes);
    if (!record.ok) return effect;
    return { ...effect, bytes: encodeLedgerRecord({ ...record.value, events: change(record.value.events) }) };
  })();
}
