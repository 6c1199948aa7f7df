// Sampling. Owns when a node closes an interval, what it says about it, and that it is said: counts by fragment, group and kind, and the node's own state.
// P1 intervals are numbered by the wall clock; how long one really was is measured on the monotonic clock.
// P2 what could not be delivered is sent again at the next interval; how much waits is bounded, the oldest is dropped and counted.

import { limits } from "../../src/config/limits.js";
import type { AskOutcome, Effect, Effects, Ticket } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import { type CountedCell, createCounter, type LoadCounter } from "../../src/load/counter.js";
import { type GaugeReading, type Gauges, silentGauges } from "../../src/load/gauges.js";
import { loadKinds } from "../../src/load/kinds.js";
import type { PowerMeter } from "../../src/load/power.js";
import { encodeSample, type LoadCell, type NodeLoad, type Sample } from "../../src/load/sample.js";
import { createTallies, type Tallies } from "../../src/load/tally.js";
import { type NodeId, subjects } from "../../src/protocol/subjects.js";

export const sampleTimer = "sample";
const askTimeoutMs = 2000;

export interface Sampling {
  readonly counter: LoadCounter;
  readonly tallies: Tallies;
  /** Operations refused at the door. */
  refused(count: number): void;
  start(context: Context): Effects;
  /** Share of a core that the host's thread used in the last interval that is over. */
  burden(): number;
  /** The timer: the interval may be over. */
  tick(context: Context): Effects;
  /** Undefined: no answer to a sample. */
  answered(ticket: Ticket, outcome: AskOutcome): Effects | undefined;
}

export interface SamplingConfig {
  readonly id: NodeId;
  readonly incarnation: string;
  readonly intervalMs: number;
}

/** `told` hears what was counted in an interval that is over. */
export function createSampling(
  config: SamplingConfig,
  tickets: Tickets,
  gauges: Gauges = silentGauges,
  power?: PowerMeter,
  told: (cells: readonly CountedCell[]) => void = () => undefined,
): Sampling {
  const counter = createCounter();
  const tallies = createTallies();
  const asked = new Map<Ticket, unknown>();
  const waiting: unknown[] = [];
  let interval = 0;
  let sinceMs = 0;
  let before: GaugeReading | undefined;
  let refusedOps = 0;
  let lost = 0;
  let burden = 0;

  function send(body: unknown): Effect {
    const ticket = tickets.next();
    asked.set(ticket, body);
    return { kind: "ask", subject: subjects.load(config.id), body, timeoutMs: askTimeoutMs, ticket };
  }
  function keep(body: unknown): void {
    waiting.push(body);
    if (waiting.length <= limits.samplesWaiting) return;
    waiting.shift();
    lost++;
  }
  function begin({ nowMs, wallMs }: Context): void {
    interval = Math.floor(wallMs / config.intervalMs);
    sinceMs = nowMs;
  }
  function arm({ wallMs }: Context): Effect {
    const leftMs = config.intervalMs - (wallMs % config.intervalMs);
    return { kind: "wake", name: sampleTimer, afterMs: Math.max(1, Math.ceil(leftMs)) };
  }
  function close(context: Context): Effects {
    const reading = gauges.read();
    const load = between(before ?? reading, reading, refusedOps, lost);
    before = reading;
    refusedOps = 0;
    lost = 0;
    const spanMs = context.nowMs - sinceMs;
    burden = spanMs > 0 ? load.threadCpuMs / spanMs : 0;
    const cells = counter.take();
    power?.note({ spanMs, cpuMs: load.threadCpuMs, counts: countsOf(cells) });
    told(cells);
    const pages = pagesOf(cells);
    const tallied = tallies.take();
    const { id, incarnation, intervalMs } = config;
    return pages.map((cells, part) => {
      const sample: Sample = {
        node: id,
        incarnation,
        interval,
        intervalMs,
        spanMs,
        part,
        parts: pages.length,
        load,
        cells,
        tallies: part === 0 ? tallied : [],
      };
      return send(encodeSample(sample));
    });
  }

  return {
    counter,
    tallies,
    refused(count) {
      refusedOps += count;
    },
    start(context) {
      before = gauges.read();
      begin(context);
      return [arm(context)];
    },
    burden: () => burden,
    tick(context) {
      const now = Math.floor(context.wallMs / config.intervalMs);
      if (now === interval) return [arm(context)];
      const again = waiting.splice(0).map(send);
      const closed = close(context);
      begin(context);
      return [...again, ...closed, arm(context)];
    },
    answered(ticket, outcome) {
      const body = asked.get(ticket);
      if (body === undefined) return undefined;
      asked.delete(ticket);
      if (outcome.kind !== "answer") keep(body);
      return none;
    },
  };
}

/** Operations by kind. */
function countsOf(cells: readonly LoadCell[]): Float64Array {
  const counts = new Float64Array(loadKinds.length);
  for (const { ops } of cells) for (const { kind, count } of ops) counts[kind] = (counts[kind] ?? 0) + count;
  return counts;
}

/** At least one page: an empty sample says that nothing was asked. */
function pagesOf(cells: readonly LoadCell[]): (readonly LoadCell[])[] {
  const pages: (readonly LoadCell[])[] = [];
  for (let at = 0; at === 0 || at < cells.length; at += limits.sampleCells)
    pages.push(cells.slice(at, at + limits.sampleCells));
  return pages.slice(0, limits.sampleParts);
}

function between(before: GaugeReading, now: GaugeReading, refused: number, lostSamples: number): NodeLoad {
  const grown = (name: "threadCpuMs" | "processCpuMs" | "readBytes" | "writtenBytes"): number =>
    Math.max(0, now[name] - before[name]);
  return {
    threadCpuMs: grown("threadCpuMs"),
    processCpuMs: grown("processCpuMs"),
    residentBytes: now.residentBytes,
    heapBytes: now.heapBytes,
    readBytes: grown("readBytes"),
    writtenBytes: grown("writtenBytes"),
    loopDelayMs: now.loopDelayMs,
    loopDelayMaxMs: now.loopDelayMaxMs,
    refused,
    lostSamples,
  };
}
