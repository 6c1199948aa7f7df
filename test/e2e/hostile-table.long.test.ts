// Hostile table. Everything that somebody with or without a right to be there may try at one running cluster, row by row: what was tried, and what it got.
// `npm run check:hostile` prints the table. The rows judge what the server or the cluster said; the end judges that nothing was harmed, stored or left over.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect as openSocket } from "node:net";
import { join } from "node:path";
import Table from "cli-table3";
import { connect, headers, type MsgHdrs, type NatsConnection, type Status } from "nats";
import { connect as connectClient, type UserLogin } from "../../cluster/client/index.js";
import { innerUsers } from "../../cluster/engine/credentials.js";
import { until } from "../../cluster/engine/until.js";
import { limits } from "../../src/config/limits.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { type Certificates, drawCertificates } from "./certificates.js";
import { answerOf, bytesOf, type Fields, Siege } from "./siege.js";

interface Row {
  readonly who: string;
  readonly tries: string;
  readonly got: () => Promise<string>;
  readonly want: RegExp;
}

const innerSubjects: readonly string[] = [
  "foreshard.log.0.1",
  "foreshard.ledger.0",
  "foreshard.snapshot.0",
  "foreshard.lease.0",
  "foreshard.load.n1",
  "foreshard.audit",
  "foreshard.keeper.ask",
  "foreshard.control.0.admin",
  "foreshard.control.hostDied",
  "foreshard.node.n1.exec",
  "foreshard.node.n1.peer",
  "foreshard.forecaster.ask",
  "foreshard.event.move",
  "$JS.API.STREAM.DELETE.FORESHARD_LEDGER_0",
  "$JS.API.STREAM.PURGE.FORESHARD_AUDIT",
  "$JS.API.STREAM.MSG.GET.FORESHARD_LOG_0",
  "$JS.API.CONSUMER.CREATE.FORESHARD_LOG_0.x",
  "$JS.FC.FORESHARD_LOG_0.x",
  "$SYS.REQ.SERVER.PING",
  "_INBOX_router.x",
  "_INBOX_client.x",
  "_R_.x",
];
const heardSubjects: readonly string[] = [
  ">",
  "foreshard.>",
  "foreshard.query.>",
  "foreshard.log.>",
  "foreshard.audit",
  "foreshard.node.*.exec",
  "_INBOX.>",
  "_INBOX_client.>",
  "_R_.>",
  "$JS.>",
  "$SYS.>",
];

const rowLimitMs = 60_000;
const floodRequests = 5_000;

describe("hostile table", () => {
  const siege = new Siege();
  const rows: Row[] = [];
  const told: (readonly [string, string, string])[] = [];
  const users: Record<
    string,
    { readonly nats: NatsConnection; readonly refused: string[]; readonly login: UserLogin }
  > = {};
  let certificates: Certificates | undefined;
  let writesBefore: readonly string[] = [];
  let pageUrl = "";

  before(async function () {
    this.timeout(120_000);
    certificates = await drawCertificates(await siege.folder());
    const tls =
      certificates === undefined
        ? {}
        : { tlsCa: certificates.ca, tlsCert: certificates.server.cert, tlsKey: certificates.server.key };
    await siege.begin({ nodes: 2, page: "127.0.0.1:0", ...tls });
    await siege.client.admin.createTable({ name: "other", fragments: 1 });
    await siege.client.table("other").put("a", { secret: 1 });
    pageUrl = siege.cluster.pageUrl ?? "";
    for (const [user, role, tables] of [
      ["ann", "reader", ["kept"]],
      ["wil", "writer", ["kept"]],
      ["olga", "operator", ["*"]],
    ] as const)
      await enter(await siege.client.admin.addUser({ user, role, tables, limits: { maxConnections: 8 } }));
    writesBefore = await siege.writesInLogs();
  });
  after(() => siege.close());

  /** Signs a user in, and remembers what the server refuses it. */
  async function enter(login: UserLogin): Promise<void> {
    const nats = await siege.user(login);
    const refused: string[] = [];
    void (async () => {
      for await (const status of nats.status() as AsyncIterable<Status & { permissionContext?: { subject: string } }>)
        if (status.permissionContext !== undefined) refused.push(status.permissionContext.subject);
    })();
    users[login.user] = { nats, refused, login };
  }
  function userOf(name: string) {
    const user = users[name];
    assert.ok(user !== undefined, name);
    return user;
  }

  /** What the server says to a publish or a subscription that it does not grant. */
  async function tryAs(name: string, subject: string, how: "say" | "hear"): Promise<string> {
    const { nats, refused } = userOf(name);
    const before = refused.length;
    let heard = 0;
    if (how === "say") nats.publish(subject, pack({ key: "witness", doc: {} }), { reply: `_INBOX_${name}.answer` });
    else nats.subscribe(subject, { callback: (error) => void (error === null && heard++) });
    await nats.flush();
    const isRefused = await until(() => refused.slice(before).includes(subject), 3_000, 5);
    return isRefused && heard === 0 ? "refused" : "LET THROUGH";
  }
  async function allTry(names: readonly string[], subject: string, how: "say" | "hear"): Promise<string> {
    return (await Promise.all(names.map((name) => tryAs(name, subject, how)))).join(" ");
  }
  const codeOf = (answer: Fields): string => {
    const { fault } = answer as { fault?: { code: string } };
    return fault?.code ?? "answered";
  };
  async function ask(body: Uint8Array | string, op = "get", type?: string, more?: MsgHdrs): Promise<string> {
    return codeOf(await siege.raw(`foreshard.query.kept.${op}`, body, type, more));
  }
  const wordOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 60);
  /** How a connection that should not be fares. */
  async function login(more: Parameters<typeof connect>[0]): Promise<string> {
    const { host } = new URL(siege.cluster.natsUrl);
    try {
      const made = await connect({ servers: host, reconnect: false, timeout: 3_000, ...more });
      await made.close();
      return "LET IN";
    } catch (error) {
      return `refused: ${wordOf(error)}`;
    }
  }
  const ownFiles = () => {
    assert.ok(certificates !== undefined);
    return { caFile: certificates.ca, certFile: certificates.client.cert, keyFile: certificates.client.key };
  };
  const tls = () => (certificates === undefined ? {} : { tls: ownFiles() });
  const passwordOf = () => new URL(siege.cluster.natsUrl).password;

  async function page(
    path: string,
    more: { method?: string; headers?: IncomingHttpHeaders; body?: string } = {},
  ): Promise<string> {
    const { hostname, port } = new URL(pageUrl);
    return new Promise((resolve) => {
      const asked = httpRequest(
        { host: hostname, port, path, method: more.method ?? "GET", headers: more.headers ?? {}, agent: false },
        (answer) => {
          answer.resume();
          answer.on("end", () => resolve(String(answer.statusCode)));
        },
      );
      asked.on("error", (error) => resolve(wordOf(error)));
      asked.end(more.body);
    });
  }

  function row(who: string, tries: string, want: RegExp, got: () => Promise<string>): void {
    rows.push({ who, tries, got, want });
  }
  const everyone = ["ann", "wil", "olga"];
  const thrice = /^refused refused refused$/;

  for (const subject of innerSubjects)
    row("reader, writer, operator", `say ${subject}`, thrice, () => allTry(everyone, subject, "say"));
  for (const subject of heardSubjects)
    row("reader, writer, operator", `hear ${subject}`, thrice, () => allTry(everyone, subject, "hear"));
  for (const op of ["put", "insert", "update", "delete", "batch", "write.n1"])
    row("reader", `${op} on its table`, /^refused$/, () => tryAs("ann", `foreshard.query.kept.${op}`, "say"));
  for (const op of ["get", "scan", "read.n1"])
    row("reader, writer", `${op} on another table`, /^refused refused$/, () =>
      allTry(["ann", "wil"], `foreshard.query.other.${op}`, "say"),
    );
  row("writer", "put on another table", /^refused$/, () => tryAs("wil", "foreshard.query.other.put", "say"));
  for (const op of ["dropTable", "addUser", "users", "audit", "rollingRestart", "setPolicy", "hot", "move"])
    row("reader, writer", `administration: ${op}`, /^refused refused$/, () =>
      allTry(["ann", "wil"], `foreshard.query._cluster.${op}`, "say"),
    );

  /** Answers to a request with a reply subject of the asker's choosing. */
  for (const reply of [
    "foreshard.log.0.1",
    "foreshard.ledger.0",
    "foreshard.keeper.ask",
    "foreshard.audit",
    "foreshard.query.kept.put",
  ])
    row("reader", `a request whose answer is to go to ${reply}`, /^nothing stored$/, async () => {
      const { nats } = userOf("ann");
      nats.publish("foreshard.query.kept.get", pack({ key: "witness" }), { reply });
      nats.publish("foreshard.query.kept.nonsense", pack({ key: "witness" }), { reply });
      await nats.flush();
      await siege.assertUnharmed();
      return "nothing stored";
    });
  row("reader", "a stolen inbox name: an answer sent into the operator's inbox", /^victim heard 0$/, async () => {
    let heard = 0;
    userOf("olga").nats.subscribe("_INBOX_olga.stolen", { callback: () => void heard++ });
    await userOf("olga").nats.flush();
    userOf("ann").nats.publish("foreshard.query.kept.get", pack({ key: "witness" }), { reply: "_INBOX_olga.stolen" });
    await userOf("ann").nats.flush();
    await siege.assertUnharmed();
    return `victim heard ${heard}`;
  });
  row("reader", "hears another user's inbox", /^refused$/, () => tryAs("ann", "_INBOX_olga.>", "hear"));

  // Forged identities.
  row("operator", "an act under a forged Nats-Request-Info", /^noted as olga$/, async () => {
    const forged = headers();
    forged.append("Nats-Request-Info", JSON.stringify({ acc: "EDGE", user: "client" }));
    forged.append("Nats-Request-Info", JSON.stringify({ acc: "CORE", user: "core" }));
    const body = pack({ name: "nowhere" });
    await userOf("olga").nats.request("foreshard.query._cluster.dropTable", body, { headers: forged, timeout: 8_000 });
    const [act] = (await siege.client.cluster.audit(10)).acts.filter(({ op }) => op === "dropTable");
    return `noted as ${act?.user}`;
  });
  row("nobody", "no password", /refused: 'Authorization Violation'/, () => login({ ...tls() }));
  row("nobody", "a guessed password", /refused: 'Authorization Violation'/, () =>
    login({ ...tls(), user: "client", pass: "guess" }),
  );
  for (const user of innerUsers)
    row("nobody", `as ${user}, with a client's password`, /refused: 'Authorization Violation'/, () =>
      login({ ...tls(), user, pass: passwordOf() }),
    );
  row(
    "reader",
    "the old password after a rotation; the old connection",
    /^refused: 'Authorization Violation', closed$/,
    async () => {
      const old = userOf("ann");
      const renewed = await siege.client.admin.rotateUser("ann");
      const said = await login({ ...tls(), user: "ann", pass: old.login.pass });
      const ended = await until(() => old.nats.isClosed(), 5_000);
      await enter(renewed);
      return `${said}, ${ended ? "closed" : "STILL OPEN"}`;
    },
  );
  row("removed user", "goes on with its open connection", /^closed, refused: 'Authorization Violation'$/, async () => {
    const gone = await siege.client.admin.addUser({ user: "gone", role: "writer" });
    await enter(gone);
    await siege.client.admin.removeUser("gone");
    const ended = await until(() => userOf("gone").nats.isClosed(), 5_000);
    return `${ended ? "closed" : "STILL OPEN"}, ${await login({ ...tls(), user: "gone", pass: gone.pass })}`;
  });
  for (const user of ["client", "router", "a b", "*", "x".repeat(80)])
    row("operator", `a user named ${user.slice(0, 12)}`, /^BAD_REQUEST$|^EXISTS$/, async () =>
      codeOf(
        answerOf(
          await userOf("olga").nats.request("foreshard.query._cluster.addUser", pack({ user, role: "reader" }), {
            timeout: 8_000,
          }),
        ),
      ),
    );
  row("operator", "a grant with a wildcard in it", /^BAD_REQUEST$/, async () => {
    const wish = pack({ user: "wide", role: "reader", tables: ["kept.>"] });
    return codeOf(
      answerOf(await userOf("olga").nats.request("foreshard.query._cluster.addUser", wish, { timeout: 8_000 })),
    );
  });

  // Messages.
  row("client", "an empty body", /^BAD_KEY$/, () => ask(""));
  row("client", "JSON that is said to be msgpack", /^UNDECODABLE$/, () => ask('{"key":"witness"}'));
  row("client", "half a JSON body", /^UNDECODABLE$/, () => ask('{"key":', "get", "application/json"));
  row("client", "invalid UTF-8 in JSON", /^UNDECODABLE$/, () =>
    ask(bytesOf('{"key":"', 0xff, 0xfe, '"}'), "get", "application/json"),
  );
  row("client", "an unknown content type", /^UNSUPPORTED_CONTENT_TYPE$/, () => ask("<key/>", "get", "text/xml"));
  row("client", "msgpack that promises four billion elements", /^UNDECODABLE$/, () =>
    ask(bytesOf(0xdd, 0xff, 0xff, 0xff, 0xff)),
  );
  row("client", "msgpack nested 100,000 deep", /^UNDECODABLE$|^BAD_REQUEST$|^TOO_DEEP$/, () =>
    ask(new Uint8Array(100_000).fill(0x91)),
  );
  row("client", "JSON nested 100,000 deep", /^UNDECODABLE$|^BAD_REQUEST$|^TOO_DEEP$/, () =>
    ask(`${"[".repeat(100_000)}${"]".repeat(100_000)}`, "put", "application/json"),
  );
  row("client", "a document of 40 levels", /^TOO_DEEP$/, () => {
    let doc: object = {};
    for (let level = 0; level < 40; level++) doc = { in: doc };
    return ask(pack({ key: "deep", doc }), "put");
  });
  row("client", "a field named __proto__", /^BAD_DOCUMENT$|^UNDECODABLE$/, () =>
    ask('{"key":"p","doc":{"__proto__":{"admin":true}}}', "put", "application/json"),
  );
  row("client", "more than a request may have", /^TOO_LARGE$/, () => ask(new Uint8Array(limits.requestBytes + 1)));
  row("client", "a million keys", /^BAD_REQUEST$|^TOO_LARGE$/, () =>
    ask(pack({ keys: new Array(100_000).fill("k") }), "getMany"),
  );
  row("client", "an operation that every object has", /^UNKNOWN_OPERATION$/, () => ask(pack({}), "toString"));
  row("client", "a deadline in the past", /^BAD_REQUEST$/, () => ask(pack({ key: "witness", deadlineMs: -1 })));
  row("client", "a cursor of its own making", /^BAD_CURSOR$/, () => ask(pack({ cursor: "AAAA" }), "scan"));
  row("client", "a filter with code in it", /^BAD_FILTER$/, () =>
    ask(pack({ filter: { $where: "while(1){}" } }), "scan"),
  );
  for (const [name, value] of [
    ["Nats-Expected-Last-Sequence", "0"],
    ["Nats-Rollup", "all"],
    ["Nats-Msg-Id", "x"],
    ["Nats-TTL", "1s"],
  ] as const)
    row("client", `the header ${name}`, /^answered$/, () => {
      const named = headers();
      named.set(name, value);
      return ask(pack({ key: "witness" }), "get", undefined, named);
    });
  row("client", "the header Nats-Trace-Dest, naming a log", /^no answer, nothing stored$/, async () => {
    const named = headers();
    named.set("Nats-Trace-Dest", "foreshard.log.0.1");
    const said = await siege.nats
      .request("foreshard.query.kept.get", pack({ key: "witness" }), { headers: named, timeout: 1_000 })
      .then(
        () => "answered",
        () => "no answer",
      );
    await siege.assertStreamsPure();
    return `${said}, nothing stored`;
  });
  row("client", "a write replayed 50 times with its request id", /^one version$/, async () => {
    const body = pack({ key: "replayed", doc: { n: 1 }, requestId: "hostile-replay" });
    const answers = await Promise.all(Array.from({ length: 50 }, () => siege.raw("foreshard.query.kept.put", body)));
    return new Set(answers.map(({ version }) => version)).size === 1 ? "one version" : "SEVERAL VERSIONS";
  });
  row("client", "its request id for another write", /^BAD_REQUEST$/, () => {
    const ops = [1, 2].map((n) => ({ op: "put", key: "replayed", doc: { n } }));
    return ask(pack({ ops, requestId: "hostile-replay" }), "batch");
  });
  row("client", "a line break in a subject", /^refused or cut$/, async () => {
    const sneaky = await siege.user();
    let refused = false;
    void (async () => {
      for await (const { type } of sneaky.status()) if (type === "error") refused = true;
    })();
    sneaky.publish("foreshard.query.kept.get _INBOX.x 0\r\n\r\nPUB foreshard.log.0.1", "hi");
    await sneaky.flush().catch(() => undefined);
    return (await until(() => refused || sneaky.isClosed(), 5_000)) ? "refused or cut" : "LET THROUGH";
  });

  // Limits of a user.
  row("reader", "more connections than it may have", /^at most 8$/, async () => {
    const { host } = new URL(siege.cluster.natsUrl);
    const { login: known } = userOf("ann");
    const tried = await Promise.allSettled(
      Array.from({ length: 16 }, () =>
        connect({ servers: host, user: "ann", pass: known.pass, reconnect: false, ...tls() }),
      ),
    );
    const open = tried.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    await Promise.all(open.map((one) => one.flush().catch(() => undefined)));
    const living = open.filter((one) => !one.isClosed()).length + 1;
    await Promise.all(open.map((one) => one.close()));
    return living <= 8 && living > 1 ? "at most 8" : `${living} CONNECTIONS`;
  });
  row("small user", "a message above its limit", /^cut$/, async () => {
    const small = await siege.client.admin.addUser({
      user: "small",
      role: "writer",
      limits: { maxPayloadBytes: 2_048 },
    });
    const socketSays = await siege.user(small);
    // The library would refuse it by itself: what the server told is forgotten first.
    Object.assign(socketSays.info ?? {}, { max_payload: 1 << 20 });
    socketSays.publish("foreshard.query.kept.get", new Uint8Array(4_096), { reply: "_INBOX_small.x" });
    return (await until(() => socketSays.isClosed(), 5_000)) ? "cut" : "LET THROUGH";
  });
  row("reader", `a flood of ${floodRequests} requests while another works`, /^the other: no fault/, async () => {
    const one = await connectClient({
      servers: siege.cluster.natsUrl,
      ...(certificates === undefined ? {} : { tls: siegeTls() }),
    });
    try {
      const timed = async (): Promise<number> => {
        const begun = performance.now();
        await one.table("kept").get("witness");
        return performance.now() - begun;
      };
      const p99 = (times: readonly number[]) => [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
      const calm: number[] = [];
      for (let n = 0; n < 100; n++) calm.push(await timed());
      const { nats } = userOf("ann");
      let answered = 0;
      nats.subscribe("_INBOX_ann.flood", { callback: () => void answered++ });
      const body = pack({ key: "witness" });
      const flood = async (): Promise<void> => {
        for (let n = 0; n < floodRequests; n++) {
          nats.publish("foreshard.query.kept.get", body, { reply: "_INBOX_ann.flood" });
          if (n % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await until(() => answered >= floodRequests, 20_000, 50);
      };
      const stormy: number[] = [];
      let isOver = false;
      const ended = flood().finally(() => {
        isOver = true;
      });
      while (!isOver) stormy.push(await timed());
      await ended;
      const ratio = p99(stormy) / Math.max(1, p99(calm));
      return `the other: no fault, p99 ${p99(calm).toFixed(0)} -> ${p99(stormy).toFixed(0)} ms (${ratio.toFixed(1)} x), flood answered ${answered}`;
    } finally {
      await one.close();
    }
  });
  const siegeTls = () => {
    assert.ok(certificates !== undefined);
    return { ca: certificates.ca, ...certificates.client };
  };

  // Certificates.
  const certificateRows: readonly (readonly [string, () => Parameters<typeof connect>[0], RegExp])[] = [
    ["TLS without a certificate", () => ({ tls: { caFile: certificates?.ca ?? "" } }), /^refused/],
    [
      "a certificate of a foreign authority",
      () => ({
        tls: {
          caFile: certificates?.ca ?? "",
          certFile: certificates?.foreign.cert ?? "",
          keyFile: certificates?.foreign.key ?? "",
        },
      }),
      /^refused/,
    ],
    [
      "a certificate that ran out",
      () => ({
        tls: {
          caFile: certificates?.ca ?? "",
          certFile: certificates?.expired.cert ?? "",
          keyFile: certificates?.expired.key ?? "",
        },
      }),
      /^refused/,
    ],
    [
      "a server that it cannot trust",
      () => ({ tls: { ...ownFiles(), caFile: certificates?.foreignCa ?? "" } }),
      /^refused/,
    ],
  ];
  for (const [tries, more, want] of certificateRows)
    row("client's password", tries, want, () => login({ ...more(), user: "client", pass: passwordOf() }));
  row("client's password", "no TLS at all, the protocol spoken by hand", /^cut before a word$/, () => {
    const { hostname, port } = new URL(siege.cluster.natsUrl.replace(/^tls:/, "http:"));
    return new Promise((resolve) => {
      const socket = openSocket(Number(port), hostname);
      let heard = "";
      socket.on("data", (text) => {
        if (heard === "")
          socket.write(`CONNECT {"user":"client","pass":"${passwordOf()}","verbose":false}\r\nPING\r\n`);
        heard += text;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(heard.includes("PONG") ? "LET IN" : "cut before a word"));
    });
  });
  row("certificate alone", "a good certificate, no password", /^refused: 'Authorization/, () =>
    login({ tls: ownFiles() }),
  );

  // The page.
  const host = () => ({ host: new URL(pageUrl).host });
  row("browser", "GET /../../../etc/passwd", /^40[04]$/, () => page("/../../../etc/passwd", { headers: host() }));
  row("browser", "GET /%2e%2e%2f%2e%2e%2fetc/passwd", /^40[04]$/, () =>
    page("/%2e%2e%2f%2e%2e%2fetc/passwd", { headers: host() }),
  );
  row("browser", "a script in the path", /^40[04]$/, () => page("/<script>alert(1)</script>", { headers: host() }));
  row("browser", "another name for this machine (DNS rebinding)", /^421$/, () =>
    page("/", { headers: { host: "evil.example" } }),
  );
  row("browser", "an order without the operator's token", /^40[13]$/, () =>
    page("/orders", { method: "POST", headers: host(), body: '{"order":"drain","node":"n1"}' }).then((status) =>
      status === "404"
        ? page("/order", { method: "POST", headers: host(), body: '{"order":"drain","node":"n1"}' })
        : status,
    ),
  );
  row("browser", "TRACE", /^40[05]$/, () => page("/", { method: "TRACE", headers: host() }));
  row("browser", "a header of 100,000 characters", /^431$|EPIPE|ECONNRESET|hang up/, () =>
    page("/", { headers: { ...host(), "x-long": "x".repeat(100_000) } }),
  );
  row("browser", "an address of 5,000 characters", /^414$/, () => page(`/?${"a".repeat(5_000)}`, { headers: host() }));
  row("socket", "bytes that are no HTTP", /^HTTP\/1\.1 400/, async () => {
    const { hostname, port } = new URL(pageUrl);
    return new Promise((resolve) => {
      const socket = openSocket(Number(port), hostname, () => socket.write("\x16\x03\x01 junk\r\n\r\n"));
      socket.once("data", (text) => {
        resolve(text.toString().slice(0, 12));
        socket.destroy();
      });
      socket.once("error", (error) => resolve(wordOf(error)));
    });
  });

  it("none gets through", async function () {
    this.timeout(240_000);
    assert.ok(rows.length >= 60, `only ${rows.length} rows`);
    const wrong: string[] = [];
    for (const { who, tries, got, want } of rows) {
      const begun = performance.now();
      const late = new Promise<string>((resolve) => setTimeout(resolve, rowLimitMs, "TOO SLOW").unref());
      const found = await Promise.race([got().catch((error: unknown) => `FAILED: ${wordOf(error)}`), late]);
      told.push([who, tries, found]);
      if (process.env.FORESHARD_PRINT === "slow")
        process.stderr.write(`${Math.round(performance.now() - begun)} ms ${who}: ${tries}: ${found}\n`);
      if (!want.test(found)) wrong.push(`${who}: ${tries}: ${found}`);
    }
    if (process.env.FORESHARD_PRINT !== undefined) print();
    assert.deepEqual(wrong, []);
  });

  it("and nothing was harmed, stored or left over", async function () {
    this.timeout(60_000);
    await siege.assertUnharmed();
    await siege.assertStreamsPure();
    // The one write that was replayed is all that was added.
    assert.equal((await siege.writesInLogs()).length, writesBefore.length + 1);
    const { row: other } = await siege.msgpack("foreshard.query.other.get", { key: "a" });
    assert.deepEqual((other as { doc: Fields }).doc, { secret: 1 });
  });

  it("and no actor was denied what it needs", async () => {
    for (const folder of ["nodes/n1", "nodes/n2", "routers/r1", "control/c1", "forecasters/f1", "."]) {
      const file = join(siege.cluster.dataDir, folder, folder === "." ? "cluster.log" : "host.log");
      const text = await readFile(file, "utf8").catch(() => "");
      assert.doesNotMatch(text, /Permissions Violation|PERMISSIONS_VIOLATION/i, file);
    }
    const answer = unpack((await siege.nats.request("foreshard.query._cluster.nodes", pack({}))).data);
    assert.ok(answer.ok);
  });

  function print(): void {
    const table = new Table({ head: ["#", "WHO", "TRIES", "GOT"], style: { head: [] } });
    for (const [at, line] of told.entries()) table.push([at + 1, ...line]);
    process.stdout.write(`${table.toString()}\n`);
  }
});
