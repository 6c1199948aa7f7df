// World gauges. Owns what a node reads of its own thread and process: CPU, memory, disk, and how late its event loop was.
// G1 a reading takes microseconds and never throws: what the system does not tell is 0.
// G2 CPU is the calling thread's own (a node's), from /proc; disk and memory are the process', which threads share.
// G3 whoever never reads pays nothing: the watch on the event loop, which wakes the thread all the time, begins with the first reading.

import { readFileSync } from "node:fs";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import type { GaugeReading, Gauges } from "../../src/load/gauges.js";

/** Each look wakes an idle host. */
const resolutionMs = 20;
const nsPerMs = 1e6;

export interface OpenGauges extends Gauges {
  close(): void;
}

export function openGauges(): OpenGauges {
  let delay: IntervalHistogram | undefined;
  function watched(): IntervalHistogram {
    if (delay !== undefined) return delay;
    delay = monitorEventLoopDelay({ resolution: resolutionMs });
    delay.enable();
    return delay;
  }
  return {
    read(): GaugeReading {
      const delay = watched();
      const memory = process.memoryUsage();
      const cpu = process.cpuUsage();
      const io = ioOf(textOf("/proc/self/io"));
      // The histogram counts the timer's own period as well.
      const late = (ns: number): number => (Number.isFinite(ns) ? Math.max(0, ns / nsPerMs - resolutionMs) : 0);
      const reading = {
        threadCpuMs: runMsOf(textOf("/proc/thread-self/schedstat")),
        processCpuMs: (cpu.user + cpu.system) / 1000,
        residentBytes: memory.rss,
        heapBytes: memory.heapUsed,
        ...io,
        loopDelayMs: late(delay.percentile(99)),
        loopDelayMaxMs: late(delay.max),
      };
      delay.reset();
      return reading;
    },
    close: () => void delay?.disable(),
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** `<ns on the CPU> <ns waiting> <slices>` */
function runMsOf(text: string): number {
  const ns = Number(text.split(" ")[0]);
  return Number.isFinite(ns) ? ns / nsPerMs : 0;
}

function ioOf(text: string): { readBytes: number; writtenBytes: number } {
  const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  return { readBytes: field("read_bytes"), writtenBytes: field("write_bytes") };
}
