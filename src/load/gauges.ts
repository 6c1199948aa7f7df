// Gauges. Owns what a node can read of its own process and thread: numbers that the world measures and the node puts into its samples.

export interface GaugeReading {
  /** CPU time of the node's own thread since it began. */
  readonly threadCpuMs: number;
  /** CPU time of the whole process since it began; with threads, all hosts of the process together. */
  readonly processCpuMs: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** Read from and written to disk by the process since it began. */
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** How late the event loop was since the last reading: the 99th percentile and the worst. */
  readonly loopDelayMs: number;
  readonly loopDelayMaxMs: number;
}

/** A read port: answers at once, from what the operating system says now. */
export interface Gauges {
  read(): GaugeReading;
}

export const silentGauges: Gauges = {
  read: () => ({
    threadCpuMs: 0,
    processCpuMs: 0,
    residentBytes: 0,
    heapBytes: 0,
    readBytes: 0,
    writtenBytes: 0,
    loopDelayMs: 0,
    loopDelayMaxMs: 0,
  }),
};
