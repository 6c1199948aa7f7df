// Traffic. Owns what samples add up to: counters since the beginning, rates of the last interval, and an hour of each node's past.
// F1 a sample counts once, however often it comes. F2 what is kept is bounded: an hour of buckets per node, the fragments that were asked of late.

import type { NodeLoad, Sample } from "../../src/load/sample.js";
import { endings, serviceBoundsMs, type TableTally } from "../../src/load/tally.js";
import type { FragmentId, NodeId } from "../../src/protocol/subjects.js";

/** Everything since the lookout began, of one table and kind of operation. */
export interface TableCount {
  readonly partition: number;
  readonly table: number;
  readonly kind: number;
  readonly ended: number[];
  serviceMs: number;
  readonly byTime: number[];
}

/** The same of one node. */
export interface NodeCount {
  operations: number;
  overloaded: number;
  lostSamples: number;
  cpuMs: number;
  readBytes: number;
  writtenBytes: number;
}

export interface NodeNow {
  readonly atMs: number;
  readonly intervalMs: number;
  readonly perSecond: number;
  /** Of one core. */
  readonly cpuShare: number;
  readonly load: NodeLoad;
}

/** Mean over one bucket of an hour. */
export interface PastPoint {
  readonly atMs: number;
  readonly perSecond: number;
  readonly cpuShare: number;
}

export interface Traffic {
  /** False: it was counted before. */
  take(sample: Sample): boolean;
  tables(): Iterable<TableCount>;
  nodes(): ReadonlyMap<NodeId, NodeCount>;
  now(): ReadonlyMap<NodeId, NodeNow>;
  /** Operations per second of the last interval, over all nodes. */
  rates(): ReadonlyMap<FragmentId, number>;
  past(node: NodeId): readonly PastPoint[];
}

const hourMs = 3_600_000;
const leastBucketMs = 5_000;
const keysKept = 64;
/** Nodes that said nothing for this many intervals no longer count. */
const silentIntervals = 3;

interface Bucket {
  readonly atMs: number;
  samples: number;
  perSecond: number;
  cpuShare: number;
}

interface NodeBook {
  incarnation: string;
  readonly seen: Set<string>;
  interval: number;
  rates: Map<FragmentId, number>;
  now: NodeNow | undefined;
  readonly count: NodeCount;
  readonly past: Bucket[];
}

export function createTraffic(): Traffic {
  const books = new Map<NodeId, NodeBook>();
  const tables = new Map<string, TableCount>();
  let newestMs = 0;

  function bookOf({ node, incarnation }: Sample): NodeBook {
    let book = books.get(node);
    if (book === undefined) {
      const count = { operations: 0, overloaded: 0, lostSamples: 0, cpuMs: 0, readBytes: 0, writtenBytes: 0 };
      book = { incarnation, seen: new Set(), interval: 0, rates: new Map(), now: undefined, count, past: [] };
      books.set(node, book);
    }
    if (book.incarnation !== incarnation) {
      book.incarnation = incarnation;
      book.seen.clear();
    }
    return book;
  }

  function tally(line: TableTally): void {
    const key = `${line.partition} ${line.table} ${line.kind}`;
    let count = tables.get(key);
    if (count === undefined) {
      const { partition, table, kind } = line;
      const byTime = new Array<number>(serviceBoundsMs.length + 1).fill(0);
      count = { partition, table, kind, ended: endings.map(() => 0), serviceMs: 0, byTime };
      tables.set(key, count);
    }
    addAll(count.ended, line.ended);
    addAll(count.byTime, line.byTime);
    count.serviceMs += line.serviceMs;
  }

  function countOps(book: NodeBook, { cells, spanMs }: Sample): void {
    for (const { fragment, ops } of cells) {
      const asked = ops.reduce((sum, { count }) => sum + count, 0);
      book.count.operations += asked;
      book.rates.set(fragment, (book.rates.get(fragment) ?? 0) + (asked * 1000) / Math.max(1, spanMs));
    }
  }

  function countNode(book: NodeBook, { load }: Sample): void {
    const { count } = book;
    count.overloaded += load.refused;
    count.lostSamples += load.lostSamples;
    count.cpuMs += load.threadCpuMs;
    count.readBytes += load.readBytes;
    count.writtenBytes += load.writtenBytes;
  }

  return {
    take(sample) {
      const book = bookOf(sample);
      const key = `${sample.interval} ${sample.part}`;
      if (book.seen.has(key)) return false;
      book.seen.add(key);
      if (book.seen.size > keysKept) book.seen.delete(book.seen.values().next().value ?? "");
      if (sample.interval > book.interval) {
        book.interval = sample.interval;
        book.rates = new Map();
      }
      // A late one still counts; it only says nothing of now.
      const isNow = sample.interval === book.interval;
      const into = isNow ? book : { ...book, rates: new Map<FragmentId, number>() };
      countOps(into, sample);
      for (const line of sample.tallies ?? []) tally(line);
      if (sample.part === 0) countNode(book, sample);
      if (isNow) {
        const perSecond = sumOf(book.rates.values());
        const cpuShare = sample.spanMs > 0 ? sample.load.threadCpuMs / sample.spanMs : 0;
        const atMs = (sample.interval + 1) * sample.intervalMs;
        book.now = { atMs, intervalMs: sample.intervalMs, perSecond, cpuShare, load: sample.load };
        newestMs = Math.max(newestMs, atMs);
        if (sample.part === sample.parts - 1) remember(book, book.now);
      }
      return true;
    },
    tables: () => tables.values(),
    nodes: () => new Map([...books].map(([node, { count }]) => [node, count])),
    now: () =>
      new Map(
        [...books].flatMap(([node, { now }]) =>
          now !== undefined && newestMs - now.atMs <= silentIntervals * now.intervalMs ? [[node, now] as const] : [],
        ),
      ),
    rates() {
      const all = new Map<FragmentId, number>();
      for (const { rates, now } of books.values()) {
        if (now === undefined || newestMs - now.atMs > silentIntervals * now.intervalMs) continue;
        for (const [fragment, rate] of rates) all.set(fragment, (all.get(fragment) ?? 0) + rate);
      }
      return all;
    },
    past: (node) =>
      (books.get(node)?.past ?? []).map(({ atMs, samples, perSecond, cpuShare }) => ({
        atMs,
        perSecond: perSecond / samples,
        cpuShare: cpuShare / samples,
      })),
  };
}

function remember({ past }: NodeBook, { atMs, intervalMs, perSecond, cpuShare }: NodeNow): void {
  const bucketMs = Math.max(leastBucketMs, intervalMs);
  const begunMs = Math.floor(atMs / bucketMs) * bucketMs;
  const last = past.at(-1);
  if (last === undefined || last.atMs < begunMs) past.push({ atMs: begunMs, samples: 1, perSecond, cpuShare });
  else {
    last.samples++;
    last.perSecond += perSecond;
    last.cpuShare += cpuShare;
  }
  while ((past[0]?.atMs ?? atMs) < atMs - hourMs) past.shift();
}

function addAll(into: number[], more: readonly number[]): void {
  more.forEach((amount, at) => {
    into[at] = (into[at] ?? 0) + amount;
  });
}

function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
