// Batch log. Owns one log stream as the product makes it, with atomic batches allowed, and what a trial does with it: fenced appends, fenced batches, reading all back.

import { connect, headers, type MsgHdrs, type NatsConnection } from "nats";
import { apiAnswer } from "../../../cluster/world/jetstream.js";
import { fenceHeader } from "../../../cluster/world/log.js";
import { streamConfig, wantedStreams } from "../../../cluster/world/streams.js";
import { streams, subjects } from "../../../src/protocol/subjects.js";

export const stream = streams.log(0);

export interface Part {
  readonly fragment: number;
  readonly expectedSeq: number;
}

/** `stored`: the server said so. `refused`: by which error. `unknown`: no answer. */
export type Outcome =
  | { readonly kind: "stored"; readonly seq: number; readonly count: number }
  | { readonly kind: "refused"; readonly errCode: number; readonly words: string }
  | { readonly kind: "unknown" };

export interface Stored {
  readonly seq: number;
  readonly fragment: number;
  /** Which append or batch it is of. */
  readonly name: string;
}

const text = new TextEncoder();
const callMs = 1000;

export class BatchLog {
  private names = 0;

  private constructor(
    readonly nats: NatsConnection,
    private readonly padBytes: number,
  ) {}

  static async open(servers: string[], padBytes = 64): Promise<BatchLog> {
    const nats = await connect({
      servers,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      waitOnFirstConnect: true,
      pingInterval: 2000,
    });
    return new BatchLog(nats, padBytes);
  }

  /** The stream, empty: one of before is deleted. */
  async make(replicas: number, isAllowed = true): Promise<void> {
    const spec = wantedStreams({ partitions: 1, logGroups: 1, replicas }).find(({ name }) => name === stream);
    if (spec === undefined) throw new Error("the product has no log stream");
    await this.call(`STREAM.DELETE.${stream}`, undefined).catch(() => undefined);
    await this.call(`STREAM.CREATE.${stream}`, { ...streamConfig(spec, replicas), allow_atomic: isAllowed });
  }

  /** What STREAM.INFO or another call answers; throws what the server refuses. */
  async call(api: string, body: object | undefined): Promise<Readonly<Record<string, unknown>>> {
    const bytes = body === undefined ? new Uint8Array() : text.encode(JSON.stringify(body));
    const msg = await this.nats.request(`$JS.API.${api}`, bytes, { timeout: callMs });
    const said = apiAnswer({ kind: "message", msg });
    if (said.kind === "ok") return said.body;
    throw new Error(said.kind === "error" ? said.error.words : `${api} was not understood`);
  }

  fresh(): string {
    return `${++this.names}`;
  }

  append(part: Part, name: string, timeoutMs = callMs): Promise<Outcome> {
    return this.ask(part.fragment, this.fence(part), name, timeoutMs);
  }

  /** Publishes a batch: all parts but the last without waiting, the last one asks. `parts` in the order of the batch. */
  async batch(parts: readonly Part[], name: string, timeoutMs = callMs): Promise<Outcome> {
    this.begin(parts, name);
    return this.commit(parts, name, timeoutMs);
  }

  /** All but the last. */
  begin(parts: readonly Part[], name: string): void {
    for (const [i, part] of parts.slice(0, -1).entries())
      this.nats.publish(subjects.log(0, part.fragment), this.body(name), { headers: this.inBatch(part, name, i + 1) });
  }

  commit(parts: readonly Part[], name: string, timeoutMs = callMs): Promise<Outcome> {
    const last = parts.at(-1);
    if (last === undefined) throw new Error("a batch has parts");
    const head = this.inBatch(last, name, parts.length);
    head.set("Nats-Batch-Commit", "1");
    return this.ask(last.fragment, head, name, timeoutMs);
  }

  /** Everything stored, in order, as the stream's leader tells it. */
  async all(): Promise<Stored[]> {
    const found: Stored[] = [];
    for (let seq = 1; ; ) {
      const body = await this.call(`STREAM.MSG.GET.${stream}`, { seq, next_by_subj: subjects.logs(0) }).catch(
        (error: Error) => {
          if (error.message === "no message found") return undefined;
          throw error;
        },
      );
      const message = body?.message as { seq: number; subject: string; data: string } | undefined;
      if (message === undefined) return found;
      const name = Buffer.from(message.data, "base64").toString().split(" ")[0] ?? "";
      found.push({ seq: message.seq, fragment: Number(message.subject.split(".").at(-1)), name });
      seq = message.seq + 1;
    }
  }

  close(): Promise<void> {
    return this.nats.close();
  }

  private fence(part: Part): MsgHdrs {
    const made = headers();
    made.set(fenceHeader, String(part.expectedSeq));
    return made;
  }

  private inBatch(part: Part, name: string, place: number): MsgHdrs {
    const made = this.fence(part);
    made.set("Nats-Batch-Id", `batch-${name}`);
    made.set("Nats-Batch-Sequence", String(place));
    return made;
  }

  private body(name: string): Uint8Array {
    return text.encode(`${name} `.padEnd(this.padBytes, "."));
  }

  private async ask(fragment: number, head: MsgHdrs, name: string, timeoutMs: number): Promise<Outcome> {
    try {
      const options = { timeout: timeoutMs, headers: head };
      const msg = await this.nats.request(subjects.log(0, fragment), this.body(name), options);
      const said = apiAnswer({ kind: "message", msg });
      if (said.kind === "ok")
        return { kind: "stored", seq: Number(said.body.seq), count: Number(said.body.count ?? 1) };
      if (said.kind === "error") return { kind: "refused", errCode: said.error.errCode, words: said.error.words };
      return { kind: "unknown" };
    } catch {
      return { kind: "unknown" };
    }
  }
}

/** The highest sequence of each fragment. */
export function tails(stored: readonly Stored[]): (fragment: number) => number {
  const last = new Map(stored.map(({ fragment, seq }) => [fragment, seq]));
  return (fragment) => last.get(fragment) ?? 0;
}
