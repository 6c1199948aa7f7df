// Inbox. Owns every request of a host that waits for an answer: one subscription, one token each.
// N1 `done` is called exactly once, never from inside `ask` before it returns.
// N2 a request that was never sent says so (`unsent`): nothing happened anywhere. `timeout` and `cut` say nothing of the kind.
// N3 the number of waiting requests is bounded; past it a request is `unsent`.

import { createInbox, type Msg, type MsgHdrs } from "nats";
import { IdMap } from "../../src/kernel/id-map.js";
import type { Connection } from "./connection.js";

export type Answer =
  | { readonly kind: "message"; readonly msg: Msg }
  /** Nobody listens on the subject. */
  | { readonly kind: "nobody" }
  | { readonly kind: "timeout" }
  /** The connection went down while the request was under way. */
  | { readonly kind: "cut" }
  | { readonly kind: "unsent"; readonly why: string };

export interface AskOptions {
  readonly timeoutMs: number;
  readonly headers?: MsgHdrs;
}

export interface Inbox {
  ask(subject: string, payload: Uint8Array, options: AskOptions, done: (answer: Answer) => void): void;
  waiting(): number;
  close(): void;
}

interface Waiting {
  readonly done: (answer: Answer) => void;
  readonly timer: NodeJS.Timeout;
}

const mostWaiting = 65_536;
const radix = 36;

export function openInbox(connection: Connection): Inbox {
  const { nats } = connection;
  const base = `${createInbox(connection.inboxPrefix)}.`;
  const waiting = new IdMap<Waiting>();
  let count = 0;

  function settle(token: number, answer: Answer): void {
    const request = waiting.get(token);
    if (request === undefined) return;
    waiting.delete(token);
    clearTimeout(request.timer);
    request.done(answer);
  }
  function refuse(done: (answer: Answer) => void, why: string): void {
    setImmediate(done, { kind: "unsent", why } satisfies Answer);
  }

  const subscription = nats.subscribe(`${base}*`, {
    callback: (error, msg) => {
      if (error !== null) return;
      const nobody = msg.data.length === 0 && msg.headers?.code === 503;
      settle(
        Number.parseInt(msg.subject.slice(base.length), radix),
        nobody ? { kind: "nobody" } : { kind: "message", msg },
      );
    },
  });
  const stopWatching = connection.onChange((up) => {
    if (!up) for (const [token] of waiting.entries()) settle(token, { kind: "cut" });
  });

  return {
    ask(subject, payload, { timeoutMs, headers }, done) {
      if (!connection.isUp()) return refuse(done, "the connection to NATS is down");
      if (waiting.size >= mostWaiting) return refuse(done, "too many requests are under way");
      const token = count++;
      const timer = setTimeout(settle, timeoutMs, token, { kind: "timeout" } satisfies Answer);
      waiting.set(token, { done, timer });
      try {
        nats.publish(subject, payload, {
          reply: base + token.toString(radix),
          ...(headers === undefined ? {} : { headers }),
        });
      } catch (error) {
        clearTimeout(timer);
        waiting.delete(token);
        refuse(done, error instanceof Error ? error.message : String(error));
      }
    },
    waiting: () => waiting.size,
    close() {
      stopWatching();
      for (const [token] of waiting.entries()) settle(token, { kind: "cut" });
      if (!nats.isClosed()) subscription.unsubscribe();
    },
  };
}
