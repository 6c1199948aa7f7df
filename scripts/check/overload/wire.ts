// Wire. Owns many questions under way on one connection, at the least cost for each: one inbox, one subscription, one look at the clock for all that nobody answers.
// The client's own time comes out of the same processors as the cluster's: what it spends is load that is never offered.

import { connect, createInbox, type NatsConnection } from "nats";

export interface Waiting {
  answered(bytes: Uint8Array, tookMs: number): void;
  /** Nobody answered within the time. */
  silent(): void;
}

interface Open extends Waiting {
  readonly begunMs: number;
}

const lookEveryMs = 100;

export class Wire {
  private readonly open = new Map<string, Open>();
  private readonly inbox = createInbox();
  private next = 0;

  private constructor(
    private readonly nats: NatsConnection,
    private readonly patienceMs: number,
  ) {
    const start = this.inbox.length + 1;
    nats.subscribe(`${this.inbox}.*`, {
      callback: (_, msg) => {
        const id = msg.subject.slice(start);
        const waiting = this.open.get(id);
        this.open.delete(id);
        waiting?.answered(msg.data, performance.now() - waiting.begunMs);
      },
    });
    setInterval(() => this.look(), lookEveryMs);
  }

  static async open(servers: string[], user: string, pass: string, patienceMs: number): Promise<Wire> {
    return new Wire(await connect({ servers, user, pass, maxReconnectAttempts: -1 }), patienceMs);
  }

  get underWay(): number {
    return this.open.size;
  }

  ask(subject: string, body: Uint8Array, waiting: Waiting): void {
    const id = (this.next++).toString(36);
    this.open.set(id, {
      begunMs: performance.now(),
      answered: (bytes, tookMs) => waiting.answered(bytes, tookMs),
      silent: () => waiting.silent(),
    });
    this.nats.publish(subject, body, { reply: `${this.inbox}.${id}` });
  }

  /** Questions stand in the order in which they were asked. */
  private look(): void {
    const before = performance.now() - this.patienceMs;
    for (const [id, waiting] of this.open) {
      if (waiting.begunMs > before) return;
      this.open.delete(id);
      waiting.silent();
    }
  }
}
