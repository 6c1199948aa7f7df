// Admission. Owns who is let in at a node with a ceiling: a budget that fills with time, and what waits for it, by client group.
// Deficit round robin between the groups (Shreedhar, Varghese, "Efficient fair queuing using deficit round robin", SIGCOMM 1995).
// A1 in any stretch of time no more is let in than the budget per second times that time, a burst of `burstMs`, and one operation.
// A2 no operation waits longer than `waitMs` and one look; what waits is bounded by count. A group with more waiting than its share can serve in `waitMs` has
//    its next operation refused at once, with the time after which its backlog will be gone.
// A3 groups that want more than their share get equal shares of the budget; one that wants less is let in first.
// A4 every operation that is offered is let in or refused exactly once.

export interface AdmissionShape {
  /** Budget per second, in whatever unit the prices are. */
  readonly perSecond: number;
  readonly burstMs: number;
  readonly waitMs: number;
  /** Operations that wait, all groups together. */
  readonly mostWaiting: number;
}

export type Verdict<T> =
  | { readonly kind: "admitted"; readonly item: T }
  | { readonly kind: "refused"; readonly item: T; readonly retryAfterMs: number };

export interface Admission<T> {
  /** Hands in one operation; the verdicts may be of it or of others, or none yet. */
  offer(group: string, price: number, item: T, nowMs: number): readonly Verdict<T>[];
  /** Time has passed. */
  pump(nowMs: number): readonly Verdict<T>[];
  /** Milliseconds until `pump` can do something; undefined: nothing waits. */
  nextMs(nowMs: number): number | undefined;
  waiting(): number;
}

interface Waiting<T> {
  readonly item: T;
  readonly price: number;
  readonly sinceMs: number;
}

interface Queue<T> {
  readonly group: string;
  readonly line: Waiting<T>[];
  head: number;
  backlog: number;
  deficit: number;
  /** It has had its quantum in the present round. */
  served: boolean;
}

export const defaultWaitMs = 40;
export const defaultBurstMs = 100;
const leastRetryMs = 5;
const mostRetryMs = 1000;
const none: readonly never[] = [];

export function createAdmission<T>({ perSecond, burstMs, waitMs, mostWaiting }: AdmissionShape): Admission<T> {
  const perMs = perSecond / 1000;
  const burst = perMs * burstMs;
  /** Groups with something waiting, in the order of their turns; the first is at its turn. */
  const turns: Queue<T>[] = [];
  const queues = new Map<string, Queue<T>>();
  let tokens = burst;
  let atMs = Number.NEGATIVE_INFINITY;
  let count = 0;

  function fill(nowMs: number): void {
    if (nowMs > atMs) {
      if (atMs > Number.NEGATIVE_INFINITY) tokens = Math.min(burst, tokens + (nowMs - atMs) * perMs);
      atMs = nowMs;
    }
  }

  /** How long a group with this backlog waits while all that wait now share the budget. */
  function drainMs(backlog: number): number {
    return (backlog * Math.max(1, turns.length)) / perMs;
  }

  function refusal(item: T, backlog: number): Verdict<T> {
    const retryAfterMs = Math.ceil(Math.min(mostRetryMs, Math.max(leastRetryMs, drainMs(backlog))));
    return { kind: "refused", item, retryAfterMs };
  }

  function line(group: string): Queue<T> {
    let queue = queues.get(group);
    if (queue === undefined) {
      queue = { group, line: [], head: 0, backlog: 0, deficit: 0, served: false };
      queues.set(group, queue);
      turns.push(queue);
    }
    return queue;
  }

  function drop(queue: Queue<T>): void {
    queues.delete(queue.group);
    turns.splice(turns.indexOf(queue), 1);
  }

  function shift(queue: Queue<T>): Waiting<T> | undefined {
    const first = queue.line[queue.head];
    if (first === undefined) return undefined;
    queue.head++;
    queue.backlog -= first.price;
    count--;
    if (queue.head >= queue.line.length) drop(queue);
    else if (queue.head > 64 && queue.head * 2 > queue.line.length)
      queue.head -= queue.line.splice(0, queue.head).length;
    return first;
  }

  function expire(nowMs: number, verdicts: Verdict<T>[]): void {
    for (const queue of [...turns])
      for (let first = queue.line[queue.head]; first !== undefined && nowMs - first.sinceMs > waitMs; ) {
        shift(queue);
        verdicts.push(refusal(first.item, queue.backlog));
        first = queue.line[queue.head];
      }
  }

  /** Lets in by turns while there is budget. Each turn adds the price of the dearest first: every group moves at least one operation per round. */
  function serve(verdicts: Verdict<T>[]): void {
    while (tokens > 0) {
      const [queue] = turns;
      if (queue === undefined) return;
      if (!queue.served) {
        queue.deficit += quantum();
        queue.served = true;
      }
      const first = queue.line[queue.head];
      if (first !== undefined && first.price <= queue.deficit) {
        queue.deficit -= first.price;
        tokens -= first.price;
        shift(queue);
        verdicts.push({ kind: "admitted", item: first.item });
        continue;
      }
      queue.served = false;
      turns.push(...turns.splice(0, 1));
    }
  }

  function quantum(): number {
    let most = 0;
    for (const { line: waiting, head } of turns) most = Math.max(most, waiting[head]?.price ?? 0);
    return most;
  }

  function pump(nowMs: number): Verdict<T>[] {
    fill(nowMs);
    const verdicts: Verdict<T>[] = [];
    expire(nowMs, verdicts);
    serve(verdicts);
    return verdicts;
  }

  /** Room for one more: the longest line gives up its newest. */
  function pushOut(): Verdict<T> | undefined {
    let longest: Queue<T> | undefined;
    for (const queue of turns) if (queue.backlog > (longest?.backlog ?? -1)) longest = queue;
    const last = longest?.line.pop();
    if (longest === undefined || last === undefined) return undefined;
    longest.backlog -= last.price;
    count--;
    const verdict = refusal(last.item, longest.backlog);
    if (longest.head >= longest.line.length) drop(longest);
    return verdict;
  }

  return {
    offer(group, price, item, nowMs) {
      fill(nowMs);
      if (count === 0 && tokens > 0) {
        tokens -= price;
        return [{ kind: "admitted", item }];
      }
      const verdicts = pump(nowMs);
      const backlog = queues.get(group)?.backlog ?? 0;
      const others = queues.has(group) ? 0 : 1;
      if ((backlog * (turns.length + others)) / perMs > waitMs) return [...verdicts, refusal(item, backlog)];
      const queue = line(group);
      queue.line.push({ item, price, sinceMs: nowMs });
      queue.backlog += price;
      count++;
      if (count > mostWaiting) {
        const out = pushOut();
        if (out !== undefined) verdicts.push(out);
      }
      serve(verdicts);
      return verdicts.length === 0 ? none : verdicts;
    },
    pump,
    nextMs(nowMs) {
      if (count === 0) return undefined;
      const budgetMs = tokens > 0 ? 0 : -tokens / perMs;
      let oldestMs = Number.POSITIVE_INFINITY;
      for (const { line: waiting, head } of turns) oldestMs = Math.min(oldestMs, waiting[head]?.sinceMs ?? oldestMs);
      return Math.max(0, Math.min(budgetMs - (nowMs - atMs), oldestMs + waitMs - nowMs));
    },
    waiting: () => count,
  };
}
