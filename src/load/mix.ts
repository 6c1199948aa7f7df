// Mix. Owns what the load of one fragment consists of, as far as its copies share it: reads that any copy may answer, and writes that every copy applies.
// MX1 the primary alone can tell: of what any copy may answer it sees an even part, of everything else all of it.
// MX2 shares are of the whole load of the fragment, wherever it was served; the past fades within a few intervals.

/** Operations of one interval, at the primary. */
export interface Served {
  readonly ops: number;
  /** Of these, reads that another copy might have answered. */
  readonly anyCopy: number;
  readonly writes: number;
}

/** Shares of a fragment's load, from 0 to 1. */
export interface Mix {
  readonly spread: number;
  readonly writes: number;
}

export interface MixMeter {
  /** An interval is over. `copies`: how many answered such reads, the primary among them. */
  note(served: Served, copies: number): void;
  /** Undefined: too little was asked to tell. */
  mix(): Mix | undefined;
}

const fading = 0.8;
/** Fewer operations say nothing. */
const leastOps = 50;

export function createMixMeter(): MixMeter {
  let [ops, spread, writes] = [0, 0, 0];
  return {
    note(served, copies) {
      const elsewhere = served.anyCopy * (copies - 1);
      ops = ops * fading + served.ops + elsewhere;
      spread = spread * fading + served.anyCopy + elsewhere;
      writes = writes * fading + served.writes;
    },
    mix: () => (ops < leastOps ? undefined : { spread: spread / ops, writes: writes / ops }),
  };
}
