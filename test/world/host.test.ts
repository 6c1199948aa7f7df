import assert from "node:assert/strict";
import { headers, type NatsConnection } from "nats";
import type { Engine } from "../../cluster/engine/nats-server.js";
import { until } from "../../cluster/engine/until.js";
import { type Host, startHost } from "../../cluster/host/host.js";
import type { Compose } from "../../cluster/host/roles.js";
import type { HostSpec, Role } from "../../cluster/host/spec.js";
import { ensureStreams } from "../../cluster/world/streams.js";
import { defaultTiming, limits } from "../../src/config/limits.js";
import { type Effects, none, type Request, type WorldMessage } from "../../src/kernel/effect.js";
import type { Actor, Message } from "../../src/kernel/machine.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import { group0, unwrap, WorldBench, wish, wordsOf } from "./support.js";

type Heard = Request | WorldMessage | { readonly kind: "start" } | { readonly kind: "stop" };

/** An actor that does what a test tells it, and writes down what it hears. */
function probe(react: (message: Heard) => Effects = () => none): { readonly actor: Actor; readonly heard: Heard[] } {
  const heard: Heard[] = [];
  const actor: Actor<Heard> = {
    mailboxLimit: 4,
    step(message) {
      heard.push(message);
      return react(message);
    },
  };
  return { actor: actor as Actor<Message>, heard };
}

describe("world: host", () => {
  const bench = new WorldBench();
  const hosts: Host[] = [];
  let engine: Engine;
  let client: NatsConnection;

  before(async () => {
    engine = await bench.engine();
    client = await bench.connection(engine, "client");
    const { inbox } = await bench.streams(engine);
    unwrap(await ensureStreams(inbox, wish));
  });
  after(async () => {
    for (const host of hosts) await host.crash();
    await bench.close();
  });

  async function specOf(role: Role, dataDir?: string): Promise<HostSpec> {
    const { user, pass, inboxPrefix } = engine.credentials.core;
    return {
      role,
      version: "0.0.1",
      id: "n1",
      incarnation: "i1",
      zone: "z",
      weight: 1,
      nats: { servers: engine.coreServers, user, pass, inboxPrefix },
      dataDir: dataDir ?? (await bench.folder()),
      partitions: 1,
      logGroups: 2,
      streamReplicas: 1,
      snapshotEvery: 100,
      logRetainBytes: 0,
      timing: defaultTiming,
      leaveLimitMs: 2000,
      logLevel: "error",
      logToFile: true,
    };
  }
  async function host(actor: Actor, role: Role = "router", dataDir?: string): Promise<Host> {
    const doors = [{ subject: "foreshard.query.*.*", actor: "probe", maxBytes: limits.requestBytes }];
    const compose: Compose = () => Promise.resolve({ actors: [{ id: "probe", actor }], doors });
    const started = unwrap(await startHost(await specOf(role, dataDir), compose));
    hosts.push(started);
    return started;
  }
  const echo = (message: Heard): Effects =>
    message.kind === "request"
      ? [{ kind: "reply", to: message.from, body: { body: message.body, user: message.user } }]
      : none;
  const ask = (payload: Uint8Array | string, type?: string) => {
    const typed = headers();
    if (type !== undefined) typed.set("Content-Type", type);
    return client.request("foreshard.query.t.get", payload, { timeout: 2000, headers: typed });
  };
  const faultCode = (bytes: Uint8Array): unknown => {
    const decoded = unpack(bytes);
    const body = decoded.ok ? decoded.value : JSON.parse(wordsOf(bytes));
    return (body as { fault?: { code?: string } }).fault?.code;
  };

  it("answers msgpack in msgpack and JSON in JSON, and knows who asks", async () => {
    const running = await host(probe(echo).actor);
    const packed = unpack((await ask(pack({ at: new Date(5), raw: Uint8Array.of(1) }))).data);
    assert.deepEqual(packed.ok && packed.value, {
      body: { at: new Date(5), raw: Buffer.from([1]) },
      user: "client",
    });
    const json = await ask('{"a":[1,"é"]}', "application/json; charset=utf-8");
    assert.equal(json.headers?.get("Content-Type"), "application/json");
    assert.deepEqual(JSON.parse(json.string()), { body: { a: [1, "é"] }, user: "client" });
    const empty = await ask("", "application/json");
    assert.deepEqual(JSON.parse(empty.string()), { body: {}, user: "client" });
    await running.stop(false);
  });

  it("makes the lease stream again when it is read and gone, from a control host only", async () => {
    const log = { stream: streams.lease, subject: subjects.lease(0) };
    const { log: calls, connection } = await bench.streams(engine);
    await (await connection.nats.jetstreamManager()).streams.delete(streams.lease);
    for (const role of ["router", "control"] as const) {
      const { actor, heard } = probe((message) =>
        message.kind === "start" ? [{ kind: "readLog", log, at: "last", seq: 0, ticket: 1 }] : none,
      );
      const running = await host(actor, role);
      assert.ok(await until(() => heard.some((message) => message.kind === "logRead"), 5_000), role);
      const isBack = async () => (await calls.stream(streams.lease)).kind === "state";
      assert.equal(await until(isBack, role === "control" ? 5_000 : 300), role === "control", role);
      await running.stop(false);
    }
  });

  it("writes dates and bytes into JSON", async () => {
    const { actor } = probe((message) =>
      message.kind === "request"
        ? [{ kind: "reply", to: message.from, body: { at: new Date(0), raw: Uint8Array.of(255), big: 2n ** 60n } }]
        : none,
    );
    const running = await host(actor);
    const answer = await ask("{}", "application/json");
    assert.deepEqual(JSON.parse(answer.string()), {
      at: "1970-01-01T00:00:00.000Z",
      raw: { $bytes: "/w==" },
      big: "1152921504606846976",
    });
    await running.stop(false);
  });

  it("refuses at the door what it cannot read, with a code, and lets none of it in", async () => {
    const { actor, heard } = probe(echo);
    const running = await host(actor);
    assert.equal(faultCode((await ask(Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff))).data), "UNDECODABLE");
    assert.equal(faultCode((await ask("{oops", "application/json")).data), "UNDECODABLE");
    assert.equal(faultCode((await ask("<a/>", "text/xml")).data), "UNSUPPORTED_CONTENT_TYPE");
    assert.equal(faultCode((await ask(new Uint8Array(limits.requestBytes + 1))).data), "TOO_LARGE");
    client.publish("foreshard.query.t.get", pack({ nobody: "waits" }));
    assert.ok(await until(() => running.stats().requests.noReply === 1, 2000));
    assert.equal(running.stats().requests.refused, 4);
    assert.deepEqual(
      heard.filter(({ kind }) => kind === "request"),
      [],
    );
    await running.stop(false);
  });

  it("answers nobody at a reply subject that names an inner subject", async () => {
    const { actor, heard } = probe(echo);
    const running = await host(actor);
    const core = await bench.connection(engine, "core");
    for (const reply of ["foreshard.log.0.1", "$JS.API.STREAM.DELETE.FORESHARD_LOG_0"])
      core.publish("foreshard.query.t.get", pack({}), { reply });
    assert.ok(await until(() => running.stats().requests.innerReply === 2, 2000));
    assert.deepEqual(
      heard.filter(({ kind }) => kind === "request"),
      [],
    );
    await running.stop(false);
  });

  it("makes a fault of an answer that does not fit into one message", async () => {
    const { actor } = probe((message) =>
      message.kind === "request"
        ? [{ kind: "reply", to: message.from, body: { raw: new Uint8Array(2 * 1024 * 1024) } }]
        : none,
    );
    const running = await host(actor);
    assert.equal(faultCode((await ask(pack({}))).data), "TOO_LARGE");
    await running.stop(false);
  });

  it("carries out appends, reads, asks, timers, computations and commits, and answers each", async () => {
    const log = group0(1);
    const { actor, heard } = probe((message) => {
      if (message.kind === "start")
        return [
          { kind: "append", log, bytes: Uint8Array.of(1), expectedSeq: 0, ticket: 1 },
          { kind: "wake", name: "later", afterMs: 5 },
          { kind: "wake", name: "never", afterMs: 5 },
          { kind: "unwake", name: "never" },
          { kind: "compute", job: "digest", input: { chunks: [Uint8Array.of(1), Uint8Array.of(2, 3)] }, ticket: 2 },
          { kind: "compute", job: "nonsense", input: {}, ticket: 3 },
          { kind: "ask", subject: "foreshard.query.t.get", body: { hello: 1 }, timeoutMs: 1000, ticket: 4 },
          { kind: "ask", subject: "foreshard.node.gone.exec", body: {}, timeoutMs: 1000, ticket: 5 },
          { kind: "commit", writes: [{ key: Uint8Array.of(2, 1), value: Uint8Array.of(9) }], ticket: 6 },
          { kind: "readStream", stream: log.stream, ticket: 7 },
          { kind: "follow", stream: log.stream, fromSeq: 1 },
        ];
      if (message.kind === "appended") return [{ kind: "readLog", log, at: "last", seq: 0, ticket: 8 }];
      return echo(message);
    });
    const running = await host(actor, "node");
    const find = (kind: string, ticket?: number): object | undefined =>
      heard.find((one) => one.kind === kind && (ticket === undefined || ("ticket" in one && one.ticket === ticket)));
    assert.ok(
      await until(
        () =>
          [2, 3].every((ticket) => find("computed", ticket)) &&
          [4, 5].every((ticket) => find("answered", ticket)) &&
          ["woke", "committed", "logRead", "streamRead", "followed"].every((kind) => find(kind)),
        10_000,
      ),
      JSON.stringify(heard.map(({ kind }) => kind)),
    );
    assert.deepEqual(find("appended"), { kind: "appended", ticket: 1, outcome: { kind: "stored", seq: 1 } });
    assert.deepEqual(
      heard.filter(({ kind }) => kind === "woke"),
      [{ kind: "woke", name: "later" }],
    );
    const computed = find("computed", 2) as { outcome: { ok: boolean; output: string } };
    assert.match(computed.outcome.output, /^[0-9a-f]{16}$/);
    assert.equal((find("computed", 3) as { outcome: { ok: boolean } }).outcome.ok, false);
    assert.deepEqual((find("answered", 4) as { outcome: object }).outcome, {
      kind: "answer",
      body: { body: { hello: 1 }, user: "" },
    });
    assert.deepEqual((find("answered", 5) as { outcome: object }).outcome, { kind: "nobody" });
    assert.deepEqual(find("committed"), { kind: "committed", ticket: 6 });
    await running.stop(false);
  });

  it("asks its actors to stop and waits for them; without that it ends at once", async () => {
    const { actor, heard } = probe((message) => {
      if (message.kind === "stop") return [{ kind: "wake", name: "leave", afterMs: 50 }];
      return message.kind === "woke" ? [{ kind: "stop", id: "probe" }] : none;
    });
    const running = await host(actor);
    await running.stop(true);
    assert.deepEqual(
      heard.map(({ kind }) => kind),
      ["start", "stop", "woke"],
    );
    const stubborn = await host(probe().actor);
    const before = performance.now();
    await stubborn.stop(false);
    assert.ok(performance.now() - before < 1500);
  });

  it("fails with a reason when an actor throws, and leaves the store to the next", async () => {
    const dataDir = await bench.folder();
    const { actor } = probe((message) => {
      if (message.kind === "request") throw new Error("a bug");
      return none;
    });
    const running = await host(actor, "node", dataDir);
    await assert.rejects(ask(pack({})));
    assert.match(await running.failed, /probe/);
    const again = await host(probe(echo).actor, "node", dataDir);
    assert.equal((await ask(pack({}))).data.length > 0, true);
    await again.stop(false);
  });

  it("does not start without a server, and says so", async () => {
    const spec = await specOf("router");
    const lost = { ...spec, nats: { ...spec.nats, servers: ["127.0.0.1:1"] } };
    const started = await startHost(lost, () => Promise.resolve({ actors: [], doors: [] }));
    assert.equal(started.ok ? "started" : started.fault.code, "ENGINE");
  });
});
