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
  /** Writes among them. */
  okWrites: number;
  readonly writeLatencies: Record<number, number>;
}

const width = Math.log(1.05);

export function emptySecond(at: number): Second {
  return {
    at,
    offered: 0,
    ok: 0,
    refused: 0,
    late: 0,
    silent: 0,
    wrong: 0,
    latencies: {},
    okWrites: 0,
    writeLatencies: {},
  };
}

export function noteOk(second: Second, ms: number, isWrite: boolean): void {
  const bucket = Math.round(Math.log(Math.max(0.01, ms)) / width);
  second.ok++;
  add(second.latencies, bucket, 1);
  if (!isWrite) return;
  second.okWrites++;
  add(second.writeLatencies, bucket, 1);
}

function add(counts: Record<number, number>, bucket: number, count: number): void {
  counts[bucket] = (counts[bucket] ?? 0) + count;
}

export function addUp(seconds: readonly Second[]): Second {
  const sum = emptySecond(seconds[0]?.at ?? 0);
  for (const one of seconds) {
    for (const key of ["offered", "ok", "okWrites", "refused", "late", "silent", "wrong"] as const)
      sum[key] += one[key];
    for (const key of ["latencies", "writeLatencies"] as const)
      for (const [bucket, count] of Object.entries(one[key])) add(sum[key], Number(bucket), count);
  }
  return sum;
}

/** The writes alone. */
export function writesOf(second: Second): Pick<Second, "ok" | "latencies"> {
  return { ok: second.okWrites, latencies: second.writeLatencies };
}

/** Milliseconds; undefined when nothing was ok. */
export function quantileMs({ ok, latencies }: Pick<Second, "ok" | "latencies">, share: number): number | undefined {
  let left = ok * share;
  for (const [bucket, count] of Object.entries(latencies)
    .map(([bucket, count]) => [Number(bucket), count] as const)
    .sort(([a], [b]) => a - b)) {
    left -= count;
    if (left <= 0) return Math.exp(bucket * width);
  }
  return undefined;
}
