import { deepStrictEqual, match, notStrictEqual, ok, rejects, strictEqual } from "node:assert";
import { headers, type Msg, type NatsConnection, RequestStrategy, type Status } from "nats";
import type { Engine } from "../../cluster/engine/nats-server.js";
import { until } from "../../cluster/engine/until.js";
import { Bench } from "./support.js";

describe("engine: accounts", () => {
  const bench = new Bench();
  let engine: Engine;
  let core: NatsConnection;
  let client: NatsConnection;
  let asked: Msg[] = [];
  const reader = { user: "reader", pass: "reader-secret", publish: ["foreshard.query.orders.get"] };

  before(async () => {
    engine = await bench.engine({ seats: [reader] });
    core = await bench.connection(engine, "core");
    client = await bench.connection(engine, "client");
    const manager = await core.jetstreamManager();
    await manager.streams.add({ name: "FORESHARD_LOG_0", subjects: ["foreshard.log.0.*"] });
    const service = await core.services.add({ name: "foreshard-router", version: "1.0.0" });
    service.addEndpoint("query", {
      subject: "foreshard.query.*.*",
      handler: (_error, message) => {
        asked.push(message);
        message.respond("answered");
      },
    });
    await core.flush();
  });
  beforeEach(() => {
    asked = [];
  });
  after(() => bench.close());

  /** Errors that the server tells this connection later on. */
  function refusals(connection: NatsConnection): string[] {
    const seen: string[] = [];
    void (async () => {
      for await (const status of connection.status() as AsyncIterable<
        Status & { permissionContext?: { subject: string } }
      >) {
        if (status.permissionContext !== undefined) seen.push(status.permissionContext.subject);
      }
    })();
    return seen;
  }

  async function stored(): Promise<number> {
    return (await (await core.jetstreamManager()).streams.info("FORESHARD_LOG_0")).state.messages;
  }

  it("answers a client with the common inbox prefix, as any NATS client has it", async () => {
    strictEqual((await client.request("foreshard.query.orders.get", "?")).string(), "answered");
    const { connect } = await import("nats");
    const pasted = new URL(engine.clientUrl);
    const plain = await connect({ servers: pasted.host, user: pasted.username, pass: pasted.password });
    try {
      strictEqual((await plain.request("foreshard.query.orders.get", "?")).string(), "answered");
    } finally {
      await plain.close();
    }
  });

  it("lets a client discover the micro services of the actors", async () => {
    const names: string[] = [];
    for await (const info of await client.services
      .client({ strategy: RequestStrategy.JitterTimer, maxWait: 300, jitter: 100 })
      .info())
      names.push(info.name);
    deepStrictEqual(names, ["foreshard-router"]);
  });

  it("stamps who asks, over whatever the client wrote in that header", async () => {
    const forged = headers();
    forged.append("Nats-Request-Info", JSON.stringify({ acc: "EDGE", user: "somebody-else" }));
    forged.append("Nats-Request-Info", JSON.stringify({ acc: "EDGE", user: "another" }));
    await client.request("foreshard.query.orders.get", "?", { headers: forged, timeout: 2000 });
    strictEqual(asked.length, 1);
    const stamps = asked[0]?.headers?.values("Nats-Request-Info") ?? [];
    deepStrictEqual(
      stamps.map((stamp) => JSON.parse(stamp).user),
      ["client"],
    );
  });

  it("rewrites a reply subject that names an inner subject: nothing reaches the log", async () => {
    client.publish("foreshard.query.orders.get", "?", { reply: "foreshard.log.0.1" });
    await client.flush();
    ok(await until(() => asked.length === 1, 2000), "the request did not arrive, so nothing was judged");
    match(asked[0]?.reply ?? "", /^_R_\./);
    await core.flush();
    strictEqual(await stored(), 0);
    await core.jetstream().publish("foreshard.log.0.1", "by an actor");
    strictEqual(await stored(), 1);
    await (await core.jetstreamManager()).streams.purge("FORESHARD_LOG_0");
  });

  it("lets a client hear the events of the actors, and say none", async () => {
    const heard: string[] = [];
    client.subscribe("foreshard.event.>", { callback: (_error, message) => heard.push(message.string()) });
    await client.flush();
    client.publish("foreshard.event.move", "by a client");
    await client.flush();
    core.publish("foreshard.event.move", "by an actor");
    await core.flush();
    ok(await until(() => heard.length > 0, 2000), "the event did not arrive");
    deepStrictEqual(heard, ["by an actor"]);
  });

  it("refuses a client every inner subject", async () => {
    const seen = refusals(client);
    for (const subject of [
      "foreshard.log.0.1",
      "foreshard.node.n1.exec",
      "foreshard.control.0.admin",
      "$SYS.REQ.SERVER.PING",
    ]) {
      client.publish(subject, "!");
    }
    for (const subject of ["foreshard.log.>", "foreshard.query.>", "_R_.>", "$SYS.>", "_INBOX_core.>", ">"]) {
      client.subscribe(subject, { callback: () => undefined });
    }
    await client.flush();
    ok(await until(() => seen.length >= 10, 2000), `only ${seen.length} refusals of 10: ${seen.join(", ")}`);
    strictEqual(await stored(), 0);
    await rejects(client.jetstreamManager({ timeout: 1000 }));
  });

  it("holds another user to the subjects it was granted", async () => {
    const granted = await bench.connection(engine, reader);
    strictEqual((await granted.request("foreshard.query.orders.get", "?")).string(), "answered");
    strictEqual(JSON.parse(asked[0]?.headers?.get("Nats-Request-Info") ?? "{}").user, "reader");
    await rejects(granted.request("foreshard.query.orders.put", "?", { timeout: 500 }));
    const seen = refusals(granted);
    granted.subscribe("_INBOX_client.>", { callback: () => undefined });
    granted.subscribe("_INBOX.>", { callback: () => undefined });
    await granted.flush();
    ok(await until(() => seen.length === 2, 2000));
  });

  it("refuses a wrong password and no password", async () => {
    const { connect } = await import("nats");
    await rejects(connect({ servers: [...engine.coreServers], user: "client", pass: "guess", reconnect: false }));
    await rejects(connect({ servers: [...engine.coreServers], reconnect: false }));
    notStrictEqual(engine.credentials.core.pass, engine.credentials.client.pass);
  });
});
