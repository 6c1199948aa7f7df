// Held records. Owns what the log delivered while this copy could not apply it yet: a copy that is being filled, or that reads up on what it missed.
// Without it a copy under constant writes would read record after record behind a log that goes on meanwhile.
// H1 the newest are held, in the log's order and without a gap between them, up to a bound; older ones are read from the log. H2 a held record is judged like any
//    other when its turn comes. H3 a step applies a few of them at most, and one that is more than rows in a step of its own: a split copies what the store holds of
//    the records before it, and what a step commits shows from the next one on.

import { type FragmentRecord, lsnBefore } from "../../src/fragment/record.js";
import { judge } from "../../src/fragment/replica.js";
import type { Effect, Effects, LogRecord } from "../../src/kernel/effect.js";
import { apply, readRecord } from "./apply.js";
import { isReady } from "./reshape.js";
import type { ShardState } from "./state.js";

const mostRecords = 32_768;
const mostBytes = 16 * 1024 * 1024;
const recordsPerStep = 32;
const bytesPerStep = 512 * 1024;

export interface Held {
  readonly records: HeldRecord[];
  bytes: number;
  /** The step that goes on applying is on its way. */
  told: boolean;
}

interface HeldRecord {
  readonly before: number;
  readonly lsn: number;
  readonly log: LogRecord;
}

export function noHeld(): Held {
  return { records: [], bytes: 0, told: false };
}

/** Keeps a record whose turn has not come, in bytes of its own: the message that it came in goes. */
export function hold({ held }: ShardState, record: FragmentRecord, log: LogRecord): void {
  const before = lsnBefore(record);
  if (held.records.at(-1)?.lsn !== before) forgetHeld(held);
  held.records.push({ before, lsn: record.lsn, log: { ...log, bytes: log.bytes.slice() } });
  held.bytes += log.bytes.length;
  while (held.records.length > mostRecords || held.bytes > mostBytes) drop(held);
}

export function forgetHeld(held: Held): void {
  held.records.length = 0;
  held.bytes = 0;
}

/** True when the record after this replica's last one is held. */
export function holdsNext({ held, replica }: ShardState): boolean {
  dropOld(held, replica.lsn);
  return held.records[0]?.before === replica.lsn;
}

/** Applies those whose turn has come; where more are left, the next step goes on. */
export function applyHeld(state: ShardState): Effects {
  const { held } = state;
  if (state.replica.copying) return [];
  const effects: Effect[] = [];
  let bytes = 0;
  for (let count = 0; count < recordsPerStep && bytes < bytesPerStep && holdsNext(state); count++) {
    const [next] = held.records;
    const record = next === undefined ? undefined : readRecord(state, next.log);
    if (count > 0 && record !== undefined && record.kind !== "data") break;
    drop(held);
    if (next === undefined || record === undefined || judge(state.replica, record) !== "apply") break;
    if (isReady(state, record) !== "yes") return effects;
    effects.push(...apply(state, record, next.log.seq));
    bytes += next.log.bytes.length;
    if (record.kind !== "data") break;
  }
  if (!holdsNext(state) || held.told) return effects;
  held.told = true;
  effects.push({ kind: "tell", to: state.config.self, message: { kind: "held" } });
  return effects;
}

function dropOld(held: Held, lsn: number): void {
  while ((held.records[0]?.lsn ?? Number.POSITIVE_INFINITY) <= lsn) drop(held);
}

function drop(held: Held): HeldRecord | undefined {
  const oldest = held.records.shift();
  held.bytes -= oldest?.log.bytes.length ?? 0;
  return oldest;
}
