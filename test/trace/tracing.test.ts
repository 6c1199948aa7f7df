import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SpanKind, trace } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { connect as connectNats, headers, type Msg, type MsgHdrs, type NatsConnection } from "nats";
import { until } from "../../cluster/engine/until.js";
import { type Client, type EmbeddedCluster, startCluster } from "../../cluster/index.js";
import { registeredProvider } from "../../cluster/trace/tracing.js";
import { Collector } from "./collector.js";

const json = "application/json";

/** Somebody inside the cluster who reads along: what reaches the node. */
async function listen(cluster: EmbeddedCluster): Promise<{ readonly nats: NatsConnection; readonly heard: Msg[] }> {
  const credentials = JSON.parse(await readFile(join(cluster.dataDir, "credentials.json"), "utf8"));
  const { user, pass, inboxPrefix } = credentials.core;
  const servers = new URL(cluster.url).host;
  const nats = await connectNats({ servers, user, pass, inboxPrefix });
  const heard: Msg[] = [];
  const callback = (_error: unknown, msg: Msg): void => void heard.push(msg);
  for (const subject of ["foreshard.node.*.exec", "foreshard.query.*.read.*", "foreshard.query.*.get"])
    nats.subscribe(subject, { callback });
  await nats.flush();
  return { nats, heard };
}

const isTraceHeader = (key: string): boolean => /trace/i.test(key);
const traced = (heard: readonly Msg[]): number =>
  heard.filter(({ headers: given }) => given?.keys().some(isTraceHeader) ?? false).length;

describe("traces", () => {
  const ownSpans = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(ownSpans)] });
  const collector = new Collector();
  let cluster: EmbeddedCluster;
  let db: Client;
  let nats: NatsConnection;

  before(async () => {
    assert.equal(registeredProvider(), undefined, "no other test has left a provider");
    trace.setGlobalTracerProvider(provider);
    cluster = await startCluster({ traces: await collector.open() });
    db = await cluster.connect();
    await db.admin.createTable({ name: "users", fragments: 1 });
    await db.table("users").put("ada", { born: 1815 });
    const { host, username: user, password: pass } = new URL(cluster.url);
    nats = await connectNats({ servers: host, user, pass, inboxPrefix: `_INBOX_${user}` });
  });
  after(async () => {
    await nats?.close();
    await cluster?.stop();
    trace.disable();
    await provider.shutdown();
    await collector.close();
  });

  async function ask(subject: string, body: object, traceparent?: string): Promise<Record<string, unknown>> {
    const named: MsgHdrs = headers();
    named.set("Content-Type", json);
    if (traceparent !== undefined) named.set("traceparent", traceparent);
    const answer = await nats.request(subject, JSON.stringify(body), { timeout: 5000, headers: named });
    return answer.json();
  }
  const lastOwn = () => ownSpans.getFinishedSpans().at(-1) ?? assert.fail("the client made a span");

  it("follows a get from whoever asks through a router to the node", async () => {
    const asking = provider.getTracer("test").startSpan("asking");
    const { traceId, spanId } = asking.spanContext();
    const { row } = await ask("foreshard.query.users.get", { key: "ada" }, `00-${traceId}-${spanId}-01`);
    asking.end();
    assert.ok(row !== null && row !== undefined);
    const route = await collector.child(traceId, spanId);
    const execute = await collector.child(traceId, route.spanId);
    assert.deepEqual(
      [route, execute].map(({ name, host }) => [name, host]),
      [
        ["foreshard.route", "r1"],
        ["foreshard.execute", "n1"],
      ],
    );
    assert.deepEqual(route.attributes, {
      "db.system.name": "foreshard",
      "db.operation.name": "get",
      "db.collection.name": "users",
      "foreshard.router": "r1",
    });
    const { "foreshard.fragment": fragment, ...named } = execute.attributes;
    assert.equal(typeof fragment, "number");
    assert.deepEqual(named, { "db.system.name": "foreshard", "db.operation.name": "get", "foreshard.node": "n1" });
    assert.deepEqual([...collector.paths], ["/v1/traces"]);
  });

  it("follows a call of the client library straight to the node, below the program's own span", async () => {
    ownSpans.reset();
    await db.table("users").get("ada");
    const call = lastOwn();
    assert.equal(call.name, "foreshard get");
    assert.equal(call.kind, SpanKind.CLIENT);
    assert.deepEqual(call.attributes, {
      "db.system.name": "foreshard",
      "db.operation.name": "get",
      "db.collection.name": "users",
    });
    const { traceId, spanId } = call.spanContext();
    const execute = await collector.child(traceId, spanId);
    assert.equal(execute.name, "foreshard.execute");
    await db.cluster.tables();
    const question = lastOwn();
    const route = await collector.child(question.spanContext().traceId, question.spanContext().spanId);
    assert.equal(route.attributes["db.operation.name"], "tables");
  });

  it("says with which code a query failed", async () => {
    ownSpans.reset();
    await assert.rejects(db.table("users").insert("ada", {}), { code: "EXISTS" });
    const { attributes } = lastOwn();
    assert.equal(attributes["error.type"], "EXISTS");
    const { traceId, spanId } = lastOwn().spanContext();
    assert.equal((await collector.child(traceId, spanId)).attributes["error.type"], "EXISTS");
  });

  it("answers a request with a malformed context as usual, in a trace of its own", async () => {
    const roots = () =>
      collector.spans.filter(({ name, parentSpanId }) => name === "foreshard.route" && parentSpanId === "").length;
    const before = roots();
    const { row } = await ask("foreshard.query.users.get", { key: "ada" }, "00-not-a-trace-01");
    assert.ok(row !== null && row !== undefined);
    assert.ok(await until(() => roots() === before + 1, 10_000), "it has a span of its own");
  });

  it("goes no further with what its sampler left out", async () => {
    const { nats: inside, heard } = await listen(cluster);
    try {
      const unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
      await ask("foreshard.query.users.get", { key: "ada" }, unsampled);
      await inside.flush();
      const reached = heard.filter(({ subject }) => subject.endsWith(".exec"));
      assert.equal(reached.length, 1);
      assert.equal(traced(reached), 0);
    } finally {
      await inside.close();
    }
  });
});

describe("without traces", () => {
  it("records nothing and sends no header, and a context that comes with a request goes no further", async () => {
    assert.equal(registeredProvider(), undefined);
    await using cluster = await startCluster();
    const db = await cluster.connect();
    await db.admin.createTable({ name: "users", fragments: 1 });
    const { nats: inside, heard } = await listen(cluster);
    const { host, username: user, password: pass } = new URL(cluster.url);
    const nats = await connectNats({ servers: host, user, pass, inboxPrefix: `_INBOX_${user}` });
    try {
      await db.table("users").get("ada");
      const named = headers();
      named.set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
      const answer = await nats.request(
        "foreshard.query.users.get",
        Buffer.from([0x81, 0xa3, 0x6b, 0x65, 0x79, 0xa1, 0x61]),
        {
          timeout: 5000,
          headers: named,
        },
      );
      assert.equal(answer.headers?.hasError ?? false, false);
      await inside.flush();
      const reached = heard.filter(({ subject }) => !subject.endsWith(".get"));
      assert.equal(reached.length, 2, "one straight to the node, one through the router");
      assert.equal(traced(reached), 0);
      assert.equal(traced(heard), 1, "the one that the test sent is seen");
    } finally {
      await nats.close();
      await inside.close();
    }
  });
});
