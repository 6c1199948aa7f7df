// Plan. Owns when something is broken in a chaos run and what, all drawn from the seed; on whom is drawn as a number, for who runs then is not known yet.
// F1 every kind comes once before any comes again. F2 about one blow in four is two faults of different kinds, the second before the first has healed,
//    where both may be joined.

import type { Random } from "../../src/kernel/random.js";
import type { Draw, FaultKind } from "./fault.js";

export interface PlannedFault {
  readonly kind: FaultKind;
  readonly draw: Draw;
}

/** Faults that happen together, and how long to wait before them once everything before has healed. */
export interface PlannedBlow {
  readonly afterMs: number;
  readonly faults: readonly PlannedFault[];
}

export interface FaultPlan {
  next(): PlannedBlow;
  /** It hit nobody: its turn is still to come. */
  putBack(kind: FaultKind): void;
}

const joinedShare = 0.25;

export function createFaultPlan(random: Random, kinds: readonly FaultKind[]): FaultPlan {
  let bag: FaultKind[] = [];

  function take(fits: (kind: FaultKind) => boolean): PlannedFault | undefined {
    const fitting = bag.filter(fits);
    const kind = fitting[random.below(Math.max(1, fitting.length))];
    if (kind === undefined) return undefined;
    bag = bag.filter((other) => other !== kind);
    const [least, most] = kind.lastsMs;
    const lastsMs = Math.round(least + random.next() * (most - least));
    return { kind, draw: { which: random.below(1_000_000), lastsMs, chance: random.next() } };
  }
  return {
    next() {
      const afterMs = 500 + random.below(2_000);
      if (bag.length === 0) bag = [...kinds];
      const first = take(() => true);
      if (first === undefined) throw new Error("a fault plan needs kinds of faults");
      const isJoined = random.next() < joinedShare && first.kind.joins;
      if (isJoined && bag.length === 0) bag = kinds.filter((kind) => kind !== first.kind);
      const second = isJoined ? take(({ joins }) => joins) : undefined;
      return { afterMs, faults: second === undefined ? [first] : [first, second] };
    },
    putBack(kind) {
      if (!bag.includes(kind)) bag.push(kind);
    },
  };
}
