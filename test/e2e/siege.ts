// Siege. Owns a small real cluster that hostile requests are thrown at: how they are sent raw, how a refusal is judged, and the proof of no harm:
// the hosts still live, an acknowledged row is still there, and the logs hold nothing that a primary did not write.

import assert from "node:assert/strict";
import { join } from "node:path";
import { connect, headers, type Msg, type MsgHdrs, type NatsConnection } from "nats";
import { type RunningCluster, startCluster } from "../../cluster/boot/cluster.js";
import { decodeOptions } from "../../cluster/boot/options.js";
import { type Client, connect as connectClient } from "../../cluster/client/index.js";
import { loadCredentials } from "../../cluster/engine/credentials.js";
import { tlsOptionsOf } from "../../cluster/world/nats-address.js";
import { decodeRecord } from "../../src/fragment/record.js";
import type { FaultCode, Result } from "../../src/kernel/fault.js";
import { decodeLeaseRecord } from "../../src/ledger/lease-record.js";
import { decodeLedgerRecord } from "../../src/ledger/record.js";
import { decodeSnapshotPart } from "../../src/ledger/snapshot.js";
import { decodeSample } from "../../src/load/sample.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { Bench, unwrap } from "../engine/support.js";
import { testHash } from "../hash.js";

export type Fields = Record<string, unknown>;
export const bytesOf = (...parts: (number | string | Uint8Array)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === "number" ? Uint8Array.of(part) : Buffer.from(part))));

/** Row that is written and acknowledged before anything hostile happens. */
const witness = { key: "witness", doc: { still: "here" } } as const;

/** What each stream's messages read as. */
const contents: readonly (readonly [prefix: string, reads: (bytes: Uint8Array) => Result<unknown>])[] = [
  ["FORESHARD_LOG_", (bytes) => decodeRecord(bytes, testHash)],
  ["FORESHARD_LEDGER_", decodeLedgerRecord],
  ["FORESHARD_SNAPSHOT_", decodeSnapshotPart],
  ["FORESHARD_LEASE", decodeLeaseRecord],
  ["FORESHARD_LOAD", decodeSample],
  ["FORESHARD_AUDIT", decodeNote],
];

function decodeNote(bytes: Uint8Array): Result<unknown> {
  const note: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
  const isNote = typeof note === "object" && note !== null && "phase" in note && "op" in note;
  return isNote ? { ok: true, value: note } : { ok: false, fault: { code: "UNDECODABLE", message: "no note" } };
}

export class Siege extends Bench {
  /** Deaths and restarts that the supervisor told of. */
  readonly notices: string[] = [];
  private running: RunningCluster | undefined;
  private wire: NatsConnection | undefined;
  private library: Client | undefined;
  private inside: NatsConnection | undefined;

  private wish: Record<string, unknown> = {};

  /** Starts a cluster with a table `kept` that holds the witness. */
  async begin(more: Record<string, unknown> = {}): Promise<void> {
    const dataDir = join(await this.folder(), "data");
    this.wish = { dataDir, port: 0, control: 1, logGroups: 2, page: "off", ...more };
    await this.start();
    await this.client.admin.createTable({ name: "kept", fragments: 4 });
    await this.client.table("kept").put(witness.key, witness.doc);
  }

  /** Ends it in order and starts it again on the same folder. */
  async restart(change: Record<string, unknown> = {}): Promise<void> {
    await this.library?.close();
    await this.cluster.stop();
    this.wish = { ...this.wish, ...change };
    await this.start();
  }

  private async start(): Promise<void> {
    const options = unwrap(decodeOptions(this.wish));
    this.running = unwrap(await startCluster(options, { onNotice: (notice) => this.notices.push(notice) }));
    this.wire = await this.user();
    this.library = await connectClient({ servers: this.cluster.natsUrl, ...this.certified });
  }

  /** Where the cluster was started with certificates: those of its own hosts. */
  private get certified(): { readonly tls?: { ca: string; cert: string; key: string } } {
    const { tlsCa: ca, tlsCert: cert, tlsKey: key } = this.wish;
    return typeof ca === "string" && typeof cert === "string" && typeof key === "string"
      ? { tls: { ca, cert, key } }
      : {};
  }

  get cluster(): RunningCluster {
    assert.ok(this.running !== undefined, "the cluster runs");
    return this.running;
  }
  get nats(): NatsConnection {
    assert.ok(this.wire !== undefined, "a client is connected");
    return this.wire;
  }
  get client(): Client {
    assert.ok(this.library !== undefined, "the library is connected");
    return this.library;
  }

  /** A plain NATS client, as the user of the printed URL or as another one. */
  async user(as?: { readonly user: string; readonly pass: string }): Promise<NatsConnection> {
    const url = new URL(this.cluster.natsUrl);
    const { user, pass } = as ?? { user: url.username, pass: url.password };
    const made = await connect({
      servers: url.host,
      user,
      pass,
      reconnect: false,
      ...tlsOptionsOf(this.certified.tls),
      ...(as === undefined ? {} : { inboxPrefix: `_INBOX_${user}` }),
    });
    this.ends.push(() => made.close());
    return made;
  }

  /** The actors' own user, to look into the streams. */
  private async insider(): Promise<NatsConnection> {
    if (this.inside !== undefined) return this.inside;
    const { core } = unwrap(await loadCredentials(this.cluster.dataDir));
    const made = await connect({
      servers: new URL(this.cluster.natsUrl).host,
      ...core,
      reconnect: false,
      ...tlsOptionsOf(this.certified.tls),
    });
    this.ends.push(() => made.close());
    this.inside = made;
    return made;
  }

  /** Sends bytes as they are; the answer decoded by the form it names. */
  async raw(subject: string, body: Uint8Array | string, type?: string, more?: MsgHdrs): Promise<Fields> {
    const named = more ?? headers();
    if (type !== undefined) named.set("Content-Type", type);
    return answerOf(await this.nats.request(subject, body, { headers: named, timeout: 8000 }));
  }
  json(subject: string, body: unknown): Promise<Fields> {
    return this.raw(subject, JSON.stringify(body), "application/json");
  }
  msgpack(subject: string, body: unknown): Promise<Fields> {
    return this.raw(subject, pack(body));
  }

  /** Where the logs hold writes; marks of primaries, which come and go with leases, do not count. */
  async writesInLogs(): Promise<string[]> {
    const writes: string[] = [];
    const manager = await (await this.insider()).jetstreamManager();
    for await (const { config, state } of manager.streams.list()) {
      if (!config.name.startsWith("FORESHARD_LOG_")) continue;
      for (let seq = state.first_seq; seq > 0 && seq <= state.last_seq; seq++) {
        const stored = await manager.streams.getMessage(config.name, { seq }).catch(() => undefined);
        const record = stored === undefined ? undefined : decodeRecord(stored.data, testHash);
        if (record?.ok !== true || record.value.kind === "data") writes.push(`${config.name} ${seq}`);
      }
    }
    assert.ok(writes.length > 0, "writes to judge: the witness at least");
    return writes;
  }

  /** Every message of every stream reads as what belongs there: nothing of a client's making was stored. */
  async assertStreamsPure(): Promise<void> {
    const manager = await (await this.insider()).jetstreamManager();
    let judged = 0;
    for await (const { config, state } of manager.streams.list()) {
      const [, reads] = contents.find(([prefix]) => config.name.startsWith(prefix)) ?? [];
      assert.ok(reads !== undefined, `a stream of nobody's: ${config.name}`);
      for (let seq = state.first_seq; seq > 0 && seq <= state.last_seq; seq++) {
        const stored = await manager.streams.getMessage(config.name, { seq }).catch(() => undefined);
        if (stored === undefined) continue;
        assert.ok(reads(stored.data).ok, `${config.name} ${seq} holds ${Buffer.from(stored.data).toString("latin1")}`);
        judged++;
      }
    }
    assert.ok(judged >= 5, `only ${judged} messages were judged`);
  }

  /** Nothing died, the cluster answers, and what was acknowledged is there. */
  async assertUnharmed(): Promise<void> {
    assert.deepEqual(this.notices, [], "something died");
    const { row } = await this.json("foreshard.query.kept.get", { key: witness.key });
    assert.deepEqual(rowOf(row).doc, witness.doc);
    assert.deepEqual((await this.client.table("kept").get(witness.key))?.doc, witness.doc);
  }

  private readonly ends: (() => Promise<unknown>)[] = [];

  override async close(): Promise<void> {
    await this.library?.close();
    for (const end of this.ends.splice(0)) await end();
    await this.running?.stop();
    await super.close();
  }
}

export function answerOf(msg: Msg): Fields {
  const text = msg.headers?.get("Content-Type") === "application/json";
  const body: unknown = text ? msg.json() : unwrap(unpack(msg.data));
  assert.ok(typeof body === "object" && body !== null && !Array.isArray(body), "an answer is an object");
  return body as Fields;
}

export interface Told {
  readonly code: string;
  readonly message: string;
  readonly detail?: Fields;
}

/** The fault of an answer; its sentence must not be a stack trace or an engine's grumble. */
export function told(answer: Fields): Told {
  const { fault } = answer;
  assert.ok(typeof fault === "object" && fault !== null, `should be refused: ${JSON.stringify(answer).slice(0, 200)}`);
  const { code, message } = fault as Told;
  assert.ok(typeof code === "string" && typeof message === "string" && message.length > 10, JSON.stringify(fault));
  assert.ok(message.length < 1000, "the sentence is short enough to read");
  assert.doesNotMatch(message, /\n\s+at |\[object|Maximum call stack|cannot read prop/i);
  return fault as Told;
}

export function refusedWith(answer: Fields, code: FaultCode, words: RegExp): void {
  const { code: found, message } = told(answer);
  assert.equal(found, code, message);
  assert.match(message, words);
}

export function rowOf(row: unknown): { readonly key: unknown; readonly version: number; readonly doc: Fields } {
  assert.ok(typeof row === "object" && row !== null && "doc" in row && "version" in row, `no row: ${row}`);
  return row as { key: unknown; version: number; doc: Fields };
}
