// Request window. Owns which request ids a fragment remembers, so that a retried request is applied once (I5).
// W1 the window is a function of the log alone: entries leave by count and by the age of record stamps, never by a local clock, and only when a record is added:
//    what is restored, from the store or from another copy, stays until the next record, whose commit takes those that leave out of the store as well.
//    After a merge entries are numbered anew by age, so each request may carry the LSN that its versions come from.
//    They are kept in the order of their LSNs, in whatever order they come: the oldest is always the first to leave.
// W2 it is stored record by record beside the rows, in the same transaction; the primary loads it when it opens.

import { limits } from "../config/limits.js";
import type { Bytes } from "../kernel/bytes.js";
import { pack, unpack } from "../protocol/codec.js";
import type { FragmentRecord, RequestMark } from "./record.js";

export interface Remembered {
  readonly lsn: number;
  readonly first: number;
  readonly count: number;
}

interface Held extends Remembered {
  readonly entry: number;
}

interface Entry {
  readonly lsn: number;
  readonly stampMs: number;
  readonly requests: readonly RequestMark[];
}

export interface RequestWindow {
  find(requestId: string): Remembered | undefined;
  /** Adds a record's requests; returns the LSNs whose entries leave the window. */
  add(record: Pick<FragmentRecord, "lsn" | "stampMs" | "requests">): readonly number[];
  /** Takes an entry over that is in the store, or comes into it. */
  restore(entry: Pick<FragmentRecord, "lsn" | "stampMs" | "requests">): void;
  readonly size: number;
}

export function createWindow(): RequestWindow {
  /** Made when somebody first looks for an id: a backup never does. */
  let byId: Map<string, Held> | undefined;
  const entries: Entry[] = [];
  let head = 0;
  let held = 0;

  function evict(newestMs: number): number[] {
    const gone: number[] = [];
    while (head < entries.length) {
      const entry = entries[head] as Entry;
      if (held <= limits.requestWindow && entry.stampMs >= newestMs - limits.requestWindowMs) break;
      if (byId !== undefined) forget(byId, entry);
      held -= entry.requests.length;
      gone.push(entry.lsn);
      head++;
    }
    if (head > 1024 && head * 2 > entries.length) {
      entries.splice(0, head);
      head = 0;
    }
    return gone;
  }

  function put({ lsn, stampMs, requests }: Pick<FragmentRecord, "lsn" | "stampMs" | "requests">): void {
    const entry = { lsn, stampMs, requests };
    if (byId !== undefined) learn(byId, entry);
    const at = placeOf(lsn);
    if (entries[at]?.lsn === lsn) return;
    held += requests.length;
    if (at === entries.length) entries.push(entry);
    else entries.splice(at, 0, entry);
  }

  function index(): Map<string, Held> {
    const made = new Map<string, Held>();
    for (let at = head; at < entries.length; at++) learn(made, entries[at] as Entry);
    return made;
  }

  /** Where an entry stands, or would stand: at the end, but for a copy, which restores what is newer than the records that it then adds. */
  function placeOf(lsn: number): number {
    let [low, high] = [head, entries.length];
    if (high === head || (entries[high - 1] as Entry).lsn < lsn) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((entries[middle] as Entry).lsn < lsn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    find(requestId) {
      byId ??= index();
      const found = byId.get(requestId);
      return found === undefined ? undefined : { lsn: found.lsn, first: found.first, count: found.count };
    },
    add(record) {
      if (record.requests.length === 0) return [];
      put(record);
      return evict(record.stampMs);
    },
    restore: put,
    get size() {
      return held;
    },
  };
}

function learn(byId: Map<string, Held>, { lsn: entry, requests }: Entry): void {
  for (const { requestId, first, count, lsn = entry } of requests) byId.set(requestId, { lsn, first, count, entry });
}

function forget(byId: Map<string, Held>, { lsn, requests }: Entry): void {
  for (const { requestId } of requests) if (byId.get(requestId)?.entry === lsn) byId.delete(requestId);
}

export function encodeWindowEntry(stampMs: number, requests: readonly RequestMark[]): Bytes {
  return pack([stampMs, requests.map(markWire)]);
}

function markWire({ requestId, first, count, lsn }: RequestMark): unknown {
  return lsn === undefined ? [requestId, first, count] : [requestId, first, count, lsn];
}

/** The store's own bytes: undefined only when they are damaged. */
export function decodeWindowEntry(
  bytes: Bytes,
): { readonly stampMs: number; readonly requests: RequestMark[] } | undefined {
  const entry = unpack(bytes);
  if (!entry.ok || !Array.isArray(entry.value)) return undefined;
  const [stampMs, marks] = entry.value as [unknown, unknown];
  if (typeof stampMs !== "number" || !Array.isArray(marks)) return undefined;
  const requests: RequestMark[] = [];
  for (const mark of marks) {
    if (!Array.isArray(mark)) return undefined;
    const [requestId, first, count, lsn] = mark as unknown[];
    if (typeof requestId !== "string" || typeof first !== "number" || typeof count !== "number") return undefined;
    requests.push(typeof lsn === "number" ? { requestId, first, count, lsn } : { requestId, first, count });
  }
  return { stampMs, requests };
}
