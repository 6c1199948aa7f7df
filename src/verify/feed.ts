// Feed. Owns the check of change feeds: what a watcher was shown, held against what the clients wrote.
// F1 no gap: an acknowledged write that began after the watcher's place was known was shown, if a later change of its partition was, or if it
//    ended before the last poll of a feed that was read to its end; of several changes of one row in one record only the last is. F2 no change comes twice, and changes of one partition come in their order.
// F3 what is shown was written: the version of an acknowledged write shows that write's fields.

import { limits } from "../config/limits.js";
import type { Entry, Key, ScannedRow, Verdict } from "./history.js";

/** A deletion has no fields. */
export interface FeedChange extends Omit<ScannedRow, "fields"> {
  readonly fields: ScannedRow["fields"] | undefined;
}

/** A chain of polls of one table, each with the cursor of the one before. */
export interface Feed {
  readonly table: string;
  /** When the answer with the first cursor had come. */
  readonly fromNs: number;
  /** When the poll had left that found the end of the feed while all was well; 0 if none did: a poll says nothing of how new its answer is. */
  toNs: number;
  readonly changes: FeedChange[];
}

export function checkFeeds(history: readonly Entry[], feeds: readonly Feed[], needed = 0): Verdict {
  const written = writtenIn(history);
  const violations: string[] = [];
  let judged = 0;
  for (const feed of feeds) {
    judged += feed.changes.length;
    violations.push(...orderFaults(feed), ...contentFaults(feed, written), ...gaps(feed, written));
  }
  return { checker: "change feeds", unit: "changes", judged, needed, violations };
}

interface Written {
  readonly id: number;
  readonly key: Key;
  readonly version: number;
  readonly fields: Readonly<Record<string, string>> | undefined;
  /** Only the written fields of the row are known. */
  readonly partly: boolean;
  readonly invokeNs: number;
  readonly returnNs: number;
}

function writtenIn(history: readonly Entry[]): Written[] {
  return history.flatMap(({ id, input, output, ending, invokeNs, returnNs }) => {
    if (input.op !== "write" || output.op !== "versions" || ending !== "ok") return [];
    return input.steps.flatMap(({ key, act, fields }, at) => {
      const version = output.versions[at];
      if (version === undefined || version === 0) return [];
      const after = act === "delete" ? undefined : fields;
      return [{ id, key, version, fields: after, partly: act === "update", invokeNs, returnNs }];
    });
  });
}

function orderFaults({ table, changes }: Feed): string[] {
  const faults: string[] = [];
  const last = new Map<string, number>();
  for (const { key, version } of changes) {
    const partition = partitionOf(key);
    const record = recordOf(version);
    const before = last.get(partition) ?? 0;
    if (record < before) faults.push(`${table}: ${key} of record ${record} came after record ${before}`);
    last.set(partition, Math.max(record, before));
  }
  const shown = new Set<string>();
  for (const { key, version } of changes) {
    const name = `${key} v${version}`;
    if (shown.has(name)) faults.push(`${table}: ${name} came twice`);
    shown.add(name);
  }
  return faults;
}

function contentFaults({ table, changes }: Feed, written: readonly Written[]): string[] {
  const shown = new Map(changes.map((change) => [`${change.key} v${change.version}`, change]));
  return written.flatMap(({ id, key, version, fields, partly }) => {
    const change = shown.get(`${key} v${version}`);
    if (change === undefined) return [];
    const same =
      fields === undefined || change.fields === undefined
        ? fields === change.fields
        : holds(change.fields, fields) && (partly || holds(fields, change.fields));
    return same
      ? []
      : [`${table}: ${key} v${version} was shown as ${JSON.stringify(change.fields)}, not as write ${id}`];
  });
}

function holds(all: Readonly<Record<string, string>>, some: Readonly<Record<string, string>>): boolean {
  return Object.entries(some).every(([name, text]) => all[name] === text);
}

function gaps({ table, fromNs, toNs, changes }: Feed, written: readonly Written[]): string[] {
  const lastOfRecord = new Map<string, number>();
  const lastRecord = new Map<string, number>();
  for (const { key, version } of changes) {
    const partition = partitionOf(key);
    lastRecord.set(partition, Math.max(recordOf(version), lastRecord.get(partition) ?? 0));
    const name = `${key} ${recordOf(version)}`;
    lastOfRecord.set(name, Math.max(version, lastOfRecord.get(name) ?? 0));
  }
  return written.flatMap(({ id, key, version, invokeNs, returnNs }) => {
    if (!key.startsWith(`${table}/`) || invokeNs < fromNs) return [];
    const passed = recordOf(version) < (lastRecord.get(partitionOf(key)) ?? 0);
    if (!passed && returnNs > toNs) return [];
    const shown = lastOfRecord.get(`${key} ${recordOf(version)}`) ?? 0;
    return shown >= version ? [] : [`${table}: write ${id} of ${key} (v${version}) was acknowledged and never shown`];
  });
}

/** Rows of one partition lie in one fragment, and hence in one order. */
function partitionOf(key: Key): string {
  return key.split("/").slice(0, 2).join("/");
}

function recordOf(version: number): number {
  return Math.floor(version / limits.recordWrites);
}
