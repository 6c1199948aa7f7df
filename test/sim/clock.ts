// Clock. Owns virtual time and the order of everything that happens in a simulated world.
// C1 two events of the same instant run in the order in which they were set: same calls, same run. C2 time never goes back.

export interface Alarm {
  cancelled: boolean;
}

interface Event extends Alarm {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class Clock {
  private readonly heap: Event[] = [];
  private order = 0;
  private current = 0;
  private count = 0;

  get nowMs(): number {
    return this.current;
  }

  /** Events run so far. */
  get steps(): number {
    return this.count;
  }

  after(delayMs: number, run: () => void): Alarm {
    return this.at(this.current + Math.max(0, delayMs), run);
  }

  at(atMs: number, run: () => void): Alarm {
    const event: Event = { atMs: Math.max(atMs, this.current), order: this.order++, run, cancelled: false };
    this.push(event);
    return event;
  }

  /** Runs everything due until `endMs`, or until `stop` says so after an event. */
  runUntil(endMs: number, stop: () => boolean = () => false): void {
    for (;;) {
      const event = this.heap[0];
      if (event === undefined || event.atMs > endMs) break;
      this.pop();
      if (event.cancelled) continue;
      this.current = event.atMs;
      this.count++;
      event.run();
      if (stop()) return;
    }
    this.current = Math.max(this.current, endMs);
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !earlier(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = at * 2 + 1;
      let child = heap[down];
      if (child === undefined) break;
      const right = heap[down + 1];
      if (right !== undefined && earlier(right, child)) {
        child = right;
        down++;
      }
      if (!earlier(child, last)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
  }
}

function earlier(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** One host's own idea of time: a monotonic clock that starts anywhere and runs a little fast or slow, and a wall clock that jumps. */
export class HostClock {
  private wallShiftMs = 0;

  constructor(
    private readonly clock: Clock,
    private readonly startMs: number,
    /** Local milliseconds per true millisecond. */
    readonly rate: number,
  ) {}

  nowMs(): number {
    return this.startMs + this.clock.nowMs * this.rate;
  }

  wallMs(): number {
    return epochMs + this.wallShiftMs + Math.floor(this.clock.nowMs * this.rate);
  }

  jumpWall(byMs: number): void {
    this.wallShiftMs += byMs;
  }

  /** True milliseconds in which this clock counts `localMs`. */
  trueMs(localMs: number): number {
    return localMs / this.rate;
  }
}

/** Wall clock of the world at its start. */
export const epochMs = 1_760_000_000_000;
