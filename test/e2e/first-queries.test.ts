import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { headers, JSONCodec, type NatsConnection, connect as natsConnect, RequestStrategy } from "nats";
import { type RunningCluster, startCluster } from "../../cluster/boot/cluster.js";
import { decodeOptions } from "../../cluster/boot/options.js";
import { type Client, connect, FaultError } from "../../cluster/client/index.js";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const program = new URL("../../scripts/foreshard.js", import.meta.url).pathname;

/** First queries, in the three ways that the README shows, against a whole cluster. */
describe("first queries", () => {
  let folder: string;
  let cluster: RunningCluster;
  let nats: NatsConnection;
  let db: Client;

  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "foreshard-e2e-"));
    const options = decodeOptions({
      dataDir: join(folder, "data"),
      port: 0,
      logGroups: 2,
      control: 1,
      durability: "interval",
    });
    assert.ok(options.ok, JSON.stringify(options));
    const started = await startCluster(options.value);
    assert.ok(started.ok, JSON.stringify(started));
    cluster = started.value;
    const url = new URL(cluster.natsUrl);
    nats = await natsConnect({ servers: url.host, user: url.username, pass: url.password });
    db = await connect(cluster.natsUrl);
  });
  after(async function () {
    this.timeout(30_000);
    await db?.close();
    await nats?.close();
    await cluster?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  /** A request as any NATS client makes it. */
  async function ask(subject: string, body: unknown, type = "application/json"): Promise<Record<string, unknown>> {
    const typed = headers();
    typed.set("Content-Type", type);
    const data = typeof body === "string" ? new TextEncoder().encode(body) : JSONCodec().encode(body);
    const answer = await nats.request(subject, data, { headers: typed, timeout: 10_000 });
    assert.equal(answer.headers?.get("Content-Type"), "application/json");
    const decoded = JSONCodec<Record<string, unknown>>().decode(answer.data);
    const fault = decoded.fault as { code: string } | undefined;
    if (fault !== undefined) assert.match(answer.headers?.get("Nats-Service-Error") ?? "", new RegExp(fault.code));
    return decoded;
  }

  function run(args: readonly string[], input?: string): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [program, ...args], {
        cwd: folder,
        env: { ...process.env, FORESHARD_URL: "" },
        timeout: 30_000,
      });
      let out = "";
      let err = "";
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
      child.once("error", reject);
      child.once("close", (code) => resolve({ code: code ?? -1, out, err }));
      child.stdin.end(input ?? "");
    });
  }

  async function ran(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await run(args);
    assert.equal(code, 0, `${args.join(" ")}: ${err}`);
    return out;
  }

  it("by raw requests with JSON bodies", async () => {
    const made = await ask("foreshard.query._cluster.createTable", { name: "raw", fragments: 4 });
    assert.deepEqual(made, { table: "raw", fragments: 4, replicas: 3 });
    const put = await ask("foreshard.query.raw.put", {
      key: "ada",
      doc: { name: "Ada", born: 1815, at: { $date: "1815-12-10T00:00:00Z" } },
    });
    assert.equal(typeof put.version, "number");
    const got = await ask("foreshard.query.raw.get", { key: "ada" });
    assert.deepEqual(got, {
      row: { key: "ada", version: put.version, doc: { name: "Ada", born: 1815, at: "1815-12-10T00:00:00.000Z" } },
    });
    const none = await ask("foreshard.query.raw.get", { key: "bob" });
    assert.deepEqual(none, { row: null });
  });

  it("answers bad raw requests with a code and a sentence", async () => {
    const cases: readonly (readonly [string, unknown, string])[] = [
      ["foreshard.query.raw.get", "{broken", "UNDECODABLE"],
      ["foreshard.query.raw.get", {}, "BAD_KEY"],
      ["foreshard.query.raw.get", { key: 7 }, "BAD_KEY"],
      ["foreshard.query.raw.get", { key: "a", colour: 1 }, "BAD_REQUEST"],
      ["foreshard.query.raw.get", [1], "BAD_REQUEST"],
      ["foreshard.query.raw.explode", {}, "UNKNOWN_OPERATION"],
      ["foreshard.query.nope.get", { key: "a" }, "UNKNOWN_TABLE"],
      ["foreshard.query._cluster.explode", {}, "UNKNOWN_OPERATION"],
      ["foreshard.query.raw.put", { key: "a", doc: 3 }, "BAD_DOCUMENT"],
      ["foreshard.query.raw.put", { key: "a", doc: {}, ifVersion: 5 }, "CONFLICT"],
      ["foreshard.query.raw.insert", { key: "ada", doc: {} }, "EXISTS"],
      ["foreshard.query.raw.scan", { limit: -1 }, "BAD_REQUEST"],
      ["foreshard.query.raw.scan", { cursor: "xyz" }, "BAD_CURSOR"],
      ["foreshard.query.raw.scan", { filter: { a: { like: 1 } } }, "BAD_FILTER"],
      ["foreshard.query.raw.get", { key: "x".repeat(2000) }, "KEY_TOO_LARGE"],
      ["foreshard.query._cluster.createTable", { name: "raw" }, "TABLE_EXISTS"],
      ["foreshard.query._cluster.createTable", { name: "no spaces" }, "BAD_NAME"],
    ];
    for (const [subject, body, code] of cases) {
      const { fault } = await ask(subject, body);
      const { code: found, message } = fault as { code: string; message: string };
      assert.equal(found, code, `${subject} ${JSON.stringify(body).slice(0, 60)}: ${message}`);
      assert.ok(message.length > 10);
    }
    const wrongType = await ask("foreshard.query.raw.get", { key: "a" }, "text/xml");
    assert.equal((wrongType.fault as { code: string }).code, "UNSUPPORTED_CONTENT_TYPE");
  });

  it("is discovered as a NATS micro service that counts requests and errors", async () => {
    const monitor = nats.services.client({ strategy: RequestStrategy.Timer, maxWait: 500 });
    const found: { name: string; endpoints: { name: string; num_requests: number; num_errors: number }[] }[] = [];
    for await (const stats of await monitor.stats("foreshard")) found.push(stats as unknown as (typeof found)[number]);
    assert.equal(found.length, 1);
    const get = found[0]?.endpoints.find((endpoint) => endpoint.name === "get");
    assert.ok(get !== undefined && get.num_requests >= 8 && get.num_errors >= 5, JSON.stringify(get));
    const unknown = found[0]?.endpoints.find((endpoint) => endpoint.name === "unknown");
    assert.ok(unknown !== undefined && unknown.num_errors >= 2);
  });

  it("by the client library", async () => {
    interface User {
      readonly name: string;
      readonly age: number;
      readonly city?: string;
    }
    await db.admin.createTable({ name: "users", fragments: 8 });
    const users = db.table<User>("users");
    const { version } = await users.put("ann", { name: "Ann", age: 41 });
    assert.deepEqual(await users.get("ann"), { key: "ann", version, doc: { name: "Ann", age: 41 } });
    await users.update("ann", { city: "Oslo" }, { ifVersion: version });
    assert.deepEqual((await users.get("ann", { fields: ["city"] }))?.doc, { city: "Oslo" });
    await assert.rejects(
      users.put("ann", { name: "A", age: 1 }, { ifVersion: version }),
      (error) => error instanceof FaultError && error.code === "CONFLICT",
    );
    const many = Array.from({ length: 300 }, (_, i) => `u${i}`);
    await Promise.all(many.map((key, i) => users.put(key, { name: key, age: i, city: i % 2 === 0 ? "Oslo" : "Rome" })));
    const read = await users.getMany(["u7", "nobody", "u8"]);
    assert.deepEqual(
      read.map((row) => row?.doc.age),
      [7, undefined, 8],
    );
    const seen = new Set<string>();
    for await (const row of users.scan({ limit: 37 })) seen.add(String(row.key));
    assert.equal(seen.size, 301);
    const { groups } = await users.aggregate({
      aggregates: [
        { fn: "count", as: "n" },
        { fn: "sum", field: "age", as: "total" },
      ],
      groupBy: ["city"],
      filter: { age: { lt: 300 }, name: { prefix: "u" } },
    });
    assert.deepEqual(groups, [
      { group: { city: "Oslo" }, n: 150, total: 22_350 },
      { group: { city: "Rome" }, n: 150, total: 22_500 },
    ]);
    await users.delete("ann");
    assert.equal(await users.get("ann"), null);
    assert.ok((await db.cluster.tables()).some((table) => table.name === "users" && table.serving === 8));
    assert.equal((await db.cluster.nodes()).nodes.length, 3);
  });

  it("writes once although it is sent twice with one request id", async () => {
    const users = db.table("users");
    const first = await users.put("twice", { n: 1 }, { requestId: "same" });
    await users.put("twice", { n: 2 });
    const again = await users.put("twice", { n: 1 }, { requestId: "same" });
    assert.equal(again.version, first.version);
    assert.deepEqual((await users.get("twice"))?.doc, { n: 2 });
  });

  it("watches changes and resumes from the cursor", async () => {
    const users = db.table<{ n: number }>("users");
    const feed = users.watch({ filter: { watched: true }, waitMs: 2000 });
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const change of feed) {
        seen.push([change.key, change.doc?.n]);
        if (seen.length === 2) return;
      }
    })();
    while (feed.cursor === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
    const { cursor } = feed;
    await users.put("w", { n: 1, watched: true } as { n: number });
    await users.put("unwatched", { n: 9 });
    await users.put("w", { n: 2, watched: true } as { n: number });
    await following;
    assert.deepEqual(seen, [
      ["w", 1],
      ["w", 2],
    ]);
    const again: unknown[] = [];
    for await (const change of users.watch({ filter: { watched: true }, cursor })) {
      again.push([change.key, change.doc?.n]);
      if (again.length === 2) break;
    }
    assert.deepEqual(again, seen);
  });

  it("by the command line, from making a table to export and back", async () => {
    await ran("table", "create", "load", "--range", "--key", "string,date", "--split", "b,c");
    const csv = Array.from({ length: 900 }, (_, i) => {
      const at = new Date(Date.UTC(2026, 0, 1) + Math.floor(i / 3) * 60_000).toISOString();
      return `${at},${["a", "b", "c"][i % 3]},${i}`;
    });
    await writeFile(join(folder, "load.csv"), `at,series,value\n${csv.join("\n")}\n`);
    const imported = JSON.parse(
      await ran("import", "load", "load.csv", "--key", "series,at", "--types", "value:number", "--json"),
    );
    assert.equal(imported.rows, 900);
    const sums = JSON.parse(await ran("aggregate", "load", "count", "sum:value:total", "--by", "series", "--json"));
    assert.deepEqual(sums.groups, [
      { group: { series: "a" }, count: 300, total: 134_550 },
      { group: { series: "b" }, count: 300, total: 134_850 },
      { group: { series: "c" }, count: 300, total: 135_150 },
    ]);
    await ran("export", "load", "out.ndjson");
    const lines = (await readFile(join(folder, "out.ndjson"), "utf8")).trimEnd().split("\n");
    assert.equal(lines.length, 900);
    await ran("table", "create", "copy", "--range", "--key", "string,date");
    await ran("import", "copy", "out.ndjson");
    await ran("export", "copy", "back.ndjson");
    assert.equal(await readFile(join(folder, "back.ndjson"), "utf8"), `${lines.join("\n")}\n`);
    await ran("put", "users", "eve", '{"name": "Eve"}');
    assert.match(await ran("get", "users", "eve"), /^eve\t\d+\t\{"name":"Eve"\}\n$/);
    assert.match(await ran("scan", "load", "--partition", "b", "--limit", "2"), /^\["b".*\n\["b".*\n$/);
    assert.match(await ran("nodes"), /n1 +up/);
    assert.match(await ran("ring"), /33\.3 %/);
    await ran("delete", "users", "eve");
    await ran("table", "drop", "copy", "--yes");
  });

  it("ends the command line with 1 for a fault and 2 for a wrong call, in one sentence", async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["get", "nope", "a"], 1, /UNKNOWN_TABLE/],
      [["get", "users", "nobody-at-all"], 1, /no row/],
      [["put", "users", "a", "[1]"], 2, /JSON object/],
      [["frobnicate"], 2, /unknown command/],
      [["scan", "users", "--limit", "-4"], 2, /--limit/],
      [["import", "users", "missing.csv", "--key", "id"], 2, /no file/],
      [["table", "drop", "users"], 2, /--yes/],
      [["nodes", "--data-dir", "elsewhere"], 1, /no running cluster/],
      [["nodes", "--url", "nats://127.0.0.1:1"], 1, /ENGINE/],
    ];
    for (const [args, code, words] of cases) {
      const { code: found, err } = await run(args);
      assert.equal(found, code, `${args.join(" ")}: ${err}`);
      assert.match(err, words);
      assert.doesNotMatch(err, /\n\s+at /, "no stack trace");
    }
  });
});
