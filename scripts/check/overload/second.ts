// Second. Owns what callers count in one second of wall time, and how it is added up: endings, and latencies in buckets of 5 % width.

export interface Second {
  /** Whole seconds since 1970. */
  readonly at: number;
  offered: number;
  ok: number;
  /** OVERLOADED and the like: certainly not carried out. */
  refused: number;
  /** Answered, but not within its deadline: DEADLINE_EXCEEDED, UNKNOWN_OUTCOME. */
  late: number;
  /** Not answered at all, long after its deadline. */
  silent: number;
  /** Any other answer. */
  wrong: number;
  /** Of `ok`, by `bucketOf` of its milliseconds: pairs of bucket and count. */
  readonly latencies: Record<number, number>;
}

const width = Math.log(1.05);

export function emptySecond(at: number): Second {
  return { at, offered: 0, ok: 0, refused: 0, late: 0, silent: 0, wrong: 0, latencies: {} };
}

export function noteLatency(second: Second, ms: number): void {
  const bucket = Math.round(Math.log(Math.max(0.01, ms)) / width);
  second.latencies[bucket] = (second.latencies[bucket] ?? 0) + 1;
}

export function addUp(seconds: readonly Second[]): Second {
  const sum = emptySecond(seconds[0]?.at ?? 0);
  for (const one of seconds) {
    for (const key of ["offered", "ok", "refused", "late", "silent", "wrong"] as const) sum[key] += one[key];
    for (const [bucket, count] of Object.entries(one.latencies))
      sum.latencies[Number(bucket)] = (sum.latencies[Number(bucket)] ?? 0) + count;
  }
  return sum;
}

/** Milliseconds; undefined when nothing was ok. */
export function quantileMs({ ok, latencies }: Second, share: number): number | undefined {
  let left = ok * share;
  for (const [bucket, count] of Object.entries(latencies)
    .map(([bucket, count]) => [Number(bucket), count] as const)
    .sort(([a], [b]) => a - b)) {
    left -= count;
    if (left <= 0) return Math.exp(bucket * width);
  }
  return undefined;
}
