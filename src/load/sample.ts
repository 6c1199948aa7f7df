// Sample. Owns what a node says about one interval: its own state, and what was asked of it. And how that travels: compact msgpack arrays.
// S1 decoding never throws and believes nothing; a sample of another make is a fault, which the reader counts and passes over.
// S2 `node`, `incarnation`, `interval` and `part` together name a message: a copy of it says nothing new.
// S3 a node sends a sample for every interval, an empty one too: silence and no load are different things.

import { z } from "zod";
import { limits } from "../config/limits.js";
import type { Bytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import { pack, unpack } from "../protocol/codec.js";
import { type FragmentId, isName, type NodeId } from "../protocol/subjects.js";
import { silentGauges } from "./gauges.js";
import { isGroup } from "./group.js";
import { loadKinds } from "./kinds.js";
import { readTally, type TableTally, tallyWire } from "./tally.js";

export interface OpLoad {
  /** Index into `loadKinds`. */
  readonly kind: number;
  readonly count: number;
  readonly bytes: number;
  /** From arrival at the node to the answer, waiting included, all operations together. */
  readonly serviceMs: number;
}

export interface LoadCell {
  readonly fragment: FragmentId;
  readonly table: number;
  readonly group: string;
  readonly ops: readonly OpLoad[];
}

/** Of the interval, not since the beginning. */
export interface NodeLoad {
  readonly threadCpuMs: number;
  readonly processCpuMs: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly loopDelayMs: number;
  readonly loopDelayMaxMs: number;
  /** Operations refused at the node's door because it had too much to do. */
  readonly refused: number;
  /** Messages of earlier samples that could not be delivered. */
  readonly lostSamples: number;
}

/** What a node tells that had nothing to do. */
export const noLoad: NodeLoad = { ...silentGauges.read(), refused: 0, lostSamples: 0 };

export interface Sample {
  readonly node: NodeId;
  readonly incarnation: string;
  /** Number of the interval: its wall clock time since 1970, divided by `intervalMs`. */
  readonly interval: number;
  readonly intervalMs: number;
  /** What was counted over: about `intervalMs`, more when the node was late. Monotonic. */
  readonly spanMs: number;
  /** A sample with many cells comes in several messages. */
  readonly part: number;
  readonly parts: number;
  readonly load: NodeLoad;
  readonly cells: readonly LoadCell[];
  /** In the first part only. Absent in samples of earlier versions. */
  readonly tallies?: readonly TableTally[];
}

const version = 1;

export function encodeSample(sample: Sample): unknown {
  const groups = [...new Set(sample.cells.map(({ group }) => group))];
  const indexes = new Map(groups.map((group, index) => [group, index]));
  const { load } = sample;
  return [
    version,
    sample.node,
    sample.incarnation,
    sample.interval,
    sample.intervalMs,
    round(sample.spanMs),
    sample.part,
    sample.parts,
    loadFields.map((name) => round(load[name])),
    groups,
    sample.cells.map(({ fragment, table, group, ops }) => [
      fragment,
      table,
      indexes.get(group) ?? 0,
      ...ops.flatMap(({ kind, count, bytes, serviceMs }) => [kind, count, bytes, Math.round(serviceMs * 1000)]),
    ]),
    (sample.tallies ?? []).map(tallyWire),
  ];
}

/** The whole message, for whoever writes it to the stream itself. */
export function packSample(sample: Sample): Bytes {
  return pack(encodeSample(sample));
}

export function decodeSample(bytes: Bytes): Result<Sample> {
  const unpacked = unpack(bytes);
  if (!unpacked.ok) return unpacked;
  const checked = schema.safeParse(unpacked.value);
  if (!checked.success) return fail("UNDECODABLE", `not a load sample: ${z.prettifyError(checked.error)}`);
  const [, node, incarnation, interval, intervalMs, spanMs, part, parts, numbers, groups, given, tallied] =
    checked.data;
  if (part >= parts) return fail("UNDECODABLE", "not a load sample: its part is beyond its parts");
  const cells: LoadCell[] = [];
  for (const wire of given) {
    const cell = readCell(wire, groups);
    if (cell === undefined) return fail("UNDECODABLE", "not a load sample: a cell is of another form");
    cells.push(cell);
  }
  const tallies = readTallies(tallied);
  if (tallies === undefined) return fail("UNDECODABLE", "not a load sample: a tally is of another form");
  const at = (name: keyof NodeLoad): number => numbers[loadFields.indexOf(name)] ?? 0;
  const load: NodeLoad = {
    threadCpuMs: at("threadCpuMs"),
    processCpuMs: at("processCpuMs"),
    residentBytes: at("residentBytes"),
    heapBytes: at("heapBytes"),
    readBytes: at("readBytes"),
    writtenBytes: at("writtenBytes"),
    loopDelayMs: at("loopDelayMs"),
    loopDelayMaxMs: at("loopDelayMaxMs"),
    refused: at("refused"),
    lostSamples: at("lostSamples"),
  };
  return ok({ node, incarnation, interval, intervalMs, spanMs, part, parts, load, cells, tallies });
}

function readTallies(given: readonly unknown[] | undefined): readonly TableTally[] | undefined {
  const tallies: TableTally[] = [];
  for (const wire of given ?? []) {
    const tally = readTally(wire);
    if (tally === undefined) return undefined;
    tallies.push(tally);
  }
  return tallies;
}

const loadFields = [
  "threadCpuMs",
  "processCpuMs",
  "residentBytes",
  "heapBytes",
  "readBytes",
  "writtenBytes",
  "loopDelayMs",
  "loopDelayMaxMs",
  "refused",
  "lostSamples",
] as const satisfies readonly (keyof NodeLoad)[];

const count = z.int().min(0);
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const schema = z.tuple([
  z.literal(version),
  z.string().refine(isName),
  z.string().min(1).max(256),
  count,
  z.int().min(1).max(limits.sampleIntervalMs),
  amount,
  count,
  z.int().min(1).max(limits.sampleParts),
  z.array(amount).max(64),
  z.array(z.string().refine(isGroup)).max(limits.sampleCells),
  // Cells are many: they are checked by hand, in `readCell`.
  z.array(z.unknown()).max(limits.sampleCells),
  z.array(z.unknown()).max(limits.sampleTallies).optional(),
]);

function readCell(wire: unknown, groups: readonly string[]): LoadCell | undefined {
  if (!areCounts(wire) || wire.length % 4 !== 3) return undefined;
  const [fragment = 0, table = 0, index = -1] = wire;
  const group = groups[index];
  if (group === undefined) return undefined;
  const ops: OpLoad[] = [];
  for (let at = 3; at < wire.length; at += 4) {
    const [kind = 0, count = 0, bytes = 0, micros = 0] = [wire[at], wire[at + 1], wire[at + 2], wire[at + 3]];
    // A kind of a newer version is counted by whoever knows it.
    if (kind < loadKinds.length) ops.push({ kind, count, bytes, serviceMs: micros / 1000 });
  }
  return { fragment, table, group, ops };
}

function areCounts(given: unknown): given is readonly number[] {
  return Array.isArray(given) && given.every((one) => Number.isSafeInteger(one) && one >= 0);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
