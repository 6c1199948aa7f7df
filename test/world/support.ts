// Support of the world's tests: an engine, a connection and an inbox as the actors have them; a follower that writes down what it is told.

import type { Engine } from "../../cluster/engine/nats-server.js";
import { until } from "../../cluster/engine/until.js";
import { type Connection, openConnection } from "../../cluster/world/connection.js";
import { type Inbox, openInbox } from "../../cluster/world/inbox.js";
import { createLogStreams, type LogStreams } from "../../cluster/world/log.js";
import { ensureStream, ensureStreams, restorableStream, type StreamsWish } from "../../cluster/world/streams.js";
import { createTails, type Tails } from "../../cluster/world/tail.js";
import type { AppendOutcome, ReadOutcome, StreamOutcome, WorldMessage } from "../../src/kernel/effect.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import { Bench, unwrap } from "../engine/support.js";

export { unwrap } from "../engine/support.js";

export const wish: StreamsWish = { partitions: 1, logGroups: 2, replicas: 1 };
export const group0 = (fragment: number) => ({ stream: streams.log(0), subject: subjects.log(0, fragment) });
const text = new TextEncoder();

export class WorldBench extends Bench {
  private readonly endings: (() => unknown)[] = [];

  async link(engine: Engine): Promise<Connection> {
    const { user, pass, inboxPrefix } = engine.credentials.core;
    const address = { servers: engine.coreServers, user, pass, inboxPrefix };
    const connection = unwrap(await openConnection({ address, name: "test", waitOnFirstConnect: false }));
    this.endings.push(() => connection.close());
    return connection;
  }

  inbox(connection: Connection): Inbox {
    const inbox = openInbox(connection);
    this.endings.push(() => inbox.close());
    return inbox;
  }

  async streams(engine: Engine, made: StreamsWish = wish) {
    const connection = await this.link(engine);
    const inbox = this.inbox(connection);
    unwrap(await ensureStreams(inbox, made));
    return {
      connection,
      inbox,
      log: new Calls(createLogStreams(inbox, { appendTimeoutMs: 1000, readTimeoutMs: 1000 })),
    };
  }

  override async close(): Promise<void> {
    for (const end of this.endings.splice(0).reverse()) await end();
    await super.close();
  }

  follower(connection: Connection, inbox: Inbox, from = 1, stream = streams.log(0)): Follower {
    const follower = new Follower(connection, inbox, from, stream);
    this.endings.push(() => follower.tails.close());
    return follower;
  }
}

/** The log's calls as promises. */
export class Calls {
  constructor(readonly log: LogStreams) {}
  append(fragment: number, words: string, expectedSeq: number): Promise<AppendOutcome> {
    const wanted = { log: group0(fragment), bytes: text.encode(words), expectedSeq };
    return new Promise((resolve) => this.log.append(wanted, resolve));
  }
  read(fragment: number, at: "last" | "exact" | "next", seq = 0): Promise<ReadOutcome> {
    return new Promise((resolve) => this.log.read({ log: group0(fragment), at, seq }, resolve));
  }
  stream(stream = streams.log(0)): Promise<StreamOutcome> {
    return new Promise((resolve) => this.log.readStream(stream, resolve));
  }
  /** Appends until it is stored; `expectedSeq` is the fence. */
  async surely(fragment: number, words: string, expectedSeq: number, limitMs = 10_000): Promise<number> {
    let seq = 0;
    await until(async () => {
      const outcome = await this.append(fragment, words, expectedSeq);
      if (outcome.kind === "stored") seq = outcome.seq;
      if (outcome.kind === "refused") {
        const read = await this.read(fragment, "next", expectedSeq + 1);
        if (read.kind === "record" && wordsOf(read.record.bytes) === words) seq = read.record.seq;
      }
      return seq > 0;
    }, limitMs);
    return seq;
  }
}

export function wordsOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** What it was told, in short: `record 3 c`, `idle 3`, `regressed 2`. Repeated idles count once. */
export class Follower {
  readonly told: string[] = [];
  readonly messages: WorldMessage[] = [];
  readonly tails: Tails;

  constructor(connection: Connection, inbox: Inbox, from: number, stream: string) {
    let names = 0;
    this.tails = createTails({
      connection,
      inbox,
      hostName: `host-${Math.random().toString(36).slice(2)}`,
      deliver: (_actor, message) => this.hear(message),
      pressed: () => false,
      freshName: () => String(names++),
      async restore(lost) {
        const spec = restorableStream(lost, wish);
        return spec !== undefined && (await ensureStream(inbox, spec, 1)).ok;
      },
    });
    this.tails.follow("node", stream, from);
  }

  records(): string[] {
    return this.told.filter((line) => line.startsWith("record"));
  }

  private hear(message: WorldMessage): void {
    this.messages.push(message);
    if (message.kind === "followed") this.told.push(`record ${message.record.seq} ${wordsOf(message.record.bytes)}`);
    if (message.kind !== "followNews") return;
    const line = `${message.news} ${message.lastSeq}`;
    if (this.told[this.told.length - 1] !== line) this.told.push(line);
  }
}
