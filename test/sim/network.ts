// Network. Owns how requests, publishes and replies travel between simulated hosts, and what goes wrong on the way.
// N1 everything that travels is packed and unpacked: nobody shares an object with a peer.
// N2 `nobody` is answered only when no host subscribes; a paused or cut-off subscriber means silence.
// N3 a request reaches every subscriber (one of each queue group); the first reply counts.

import type { AskOutcome, ReplyTo, Request } from "../../src/kernel/effect.js";
import type { Random } from "../../src/kernel/random.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import type { Alarm, Clock } from "./clock.js";

/** How bad every link is; drawn per run, zero when the faults stop. */
export interface LinkWeather {
  baseMs: number;
  jitterMs: number;
  /** Share of messages that take up to `straggleMs` instead. */
  straggle: number;
  straggleMs: number;
  loss: number;
  duplicate: number;
}

export const calm: LinkWeather = { baseMs: 0.2, jitterMs: 0.5, straggle: 0, straggleMs: 0, loss: 0, duplicate: 0 };

type Listener = (request: Request) => void;

interface Subscription {
  readonly host: string;
  readonly queue: string | undefined;
  readonly listen: Listener;
}

interface PendingAsk {
  readonly from: string;
  readonly settle: (outcome: AskOutcome) => void;
  readonly alarm: Alarm;
}

export class Network {
  weather: LinkWeather = calm;
  private readonly subscriptions = new Map<string, Subscription[]>();
  private readonly blocked = new Set<string>();
  private readonly slow = new Map<string, number>();
  private readonly asks = new Map<number, PendingAsk>();
  private nextAsk = 1;
  readonly counts = { sent: 0, lost: 0, duplicated: 0, blocked: 0 };

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** `subject` is exact, or ends in `.>` to take everything below. */
  subscribe(subject: string, host: string, listen: Listener, queue?: string): void {
    const there = this.subscriptions.get(subject);
    const entry: Subscription = { host, queue, listen };
    if (there === undefined) this.subscriptions.set(subject, [entry]);
    else there.push(entry);
  }

  unsubscribe(host: string): void {
    for (const [subject, list] of this.subscriptions) {
      this.subscriptions.set(
        subject,
        list.filter((entry) => entry.host !== host),
      );
    }
  }

  ask(from: string, subject: string, body: unknown, timeoutMs: number, settle: (outcome: AskOutcome) => void): void {
    const id = this.nextAsk++;
    const finish = (outcome: AskOutcome): void => {
      const waiting = this.asks.get(id);
      if (waiting === undefined) return;
      this.asks.delete(id);
      waiting.alarm.cancelled = true;
      settle(outcome);
    };
    const alarm = this.clock.after(timeoutMs, () => finish({ kind: "timeout" }));
    this.asks.set(id, { from, settle: finish, alarm });
    const targets = this.route(subject);
    if (targets.length === 0) {
      this.clock.after(this.transitMs(), () => finish({ kind: "nobody" }));
      return;
    }
    this.send(from, subject, body, targets, { reply: id });
  }

  publish(from: string, subject: string, body: unknown): void {
    this.send(from, subject, body, this.route(subject), { reply: 0 });
  }

  reply(from: string, to: ReplyTo, body: unknown): void {
    const waiting = this.asks.get(Number(to.reply));
    if (waiting === undefined) return;
    const bytes = pack(body);
    for (const delayMs of this.transits(from, waiting.from)) {
      this.clock.after(delayMs, () => waiting.settle({ kind: "answer", body: opened(bytes) }));
    }
  }

  /** Cuts the way from one host to another (one direction). */
  block(from: string, to: string): void {
    this.blocked.add(link(from, to));
  }

  unblock(from: string, to: string): void {
    this.blocked.delete(link(from, to));
  }

  /** Adds `extraMs` to everything a host sends and receives. */
  slowDown(host: string, extraMs: number): void {
    if (extraMs === 0) this.slow.delete(host);
    else this.slow.set(host, extraMs);
  }

  heal(): void {
    this.blocked.clear();
    this.slow.clear();
    this.weather = calm;
  }

  isBlocked(from: string, to: string): boolean {
    return this.blocked.has(link(from, to));
  }

  /** Time for one message on its way, without loss. */
  transitMs(from?: string, to?: string): number {
    const { baseMs, jitterMs, straggle, straggleMs } = this.weather;
    const extraMs = (this.slow.get(from ?? "") ?? 0) + (this.slow.get(to ?? "") ?? 0);
    const straggles = straggle > 0 && this.random.next() < straggle;
    return baseMs + extraMs + this.random.next() * (straggles ? straggleMs : jitterMs);
  }

  private send(from: string, subject: string, body: unknown, targets: readonly Subscription[], replyTo: ReplyTo): void {
    const bytes = pack(body);
    for (const target of targets) {
      for (const delayMs of this.transits(from, target.host)) {
        this.clock.after(delayMs, () =>
          target.listen({ kind: "request", subject, body: opened(bytes), from: replyTo, user: "" }),
        );
      }
    }
  }

  /** Delays of the copies that arrive: none when lost, two when duplicated. */
  private transits(from: string, to: string): number[] {
    this.counts.sent++;
    if (this.isBlocked(from, to)) {
      this.counts.blocked++;
      return [];
    }
    const { loss, duplicate } = this.weather;
    if (loss > 0 && this.random.next() < loss) {
      this.counts.lost++;
      return [];
    }
    const first = this.transitMs(from, to);
    if (duplicate > 0 && this.random.next() < duplicate) {
      this.counts.duplicated++;
      return [first, this.transitMs(from, to) * 3];
    }
    return [first];
  }

  private route(subject: string): Subscription[] {
    const found: Subscription[] = [];
    const queues = new Map<string, Subscription[]>();
    for (const [pattern, list] of this.subscriptions) {
      if (!matches(pattern, subject)) continue;
      for (const entry of list) {
        if (entry.queue === undefined) found.push(entry);
        else {
          const members = queues.get(entry.queue);
          if (members === undefined) queues.set(entry.queue, [entry]);
          else members.push(entry);
        }
      }
    }
    for (const members of queues.values()) {
      const chosen = members[this.random.below(members.length)];
      if (chosen !== undefined) found.push(chosen);
    }
    return found;
  }
}

function link(from: string, to: string): string {
  return `${from}>${to}`;
}

function matches(pattern: string, subject: string): boolean {
  return pattern.endsWith(".>") ? subject.startsWith(pattern.slice(0, -1)) : pattern === subject;
}

function opened(bytes: Uint8Array): unknown {
  const result = unpack(bytes);
  return result.ok ? result.value : undefined;
}
