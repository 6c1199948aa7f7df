import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as openSocket } from "node:net";
import { headers, type NatsConnection, type Status } from "nats";
import { connect, FaultError } from "../../cluster/client/index.js";
import { until } from "../../cluster/engine/until.js";
import { limits } from "../../src/config/limits.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { bytesOf, type Fields, refusedWith, Siege, told } from "./siege.js";

const reader = {
  user: "reader",
  pass: "reader-secret",
  publish: ["foreshard.query.kept.get", "foreshard.query.kept.read.*"],
};
/** Subjects under which something of the cluster's own listens or is stored. */
const inner = [
  "foreshard.log.0.1",
  "foreshard.log.1.0",
  "foreshard.ledger.0",
  "foreshard.lease.0",
  "foreshard.snapshot.0",
  "foreshard.control.0.admin",
  "foreshard.control.hostDied",
  "foreshard.node.n1.exec",
  "foreshard.node.n1.peer",
  "$JS.API.STREAM.PURGE.FORESHARD_LOG_0",
  "$JS.API.STREAM.DELETE.FORESHARD_LEDGER_0",
  "$SYS.REQ.SERVER.PING",
  "_INBOX_core.x",
];

describe("hostile clients", () => {
  const siege = new Siege();
  let writesBefore: string[];

  before(async function () {
    this.timeout(60_000);
    await siege.begin({ users: [reader] });
    await siege.client.admin.createTable({ name: "other", fragments: 1 });
    await siege.client.table("other").put("a", { secret: 1 });
  });
  beforeEach(async () => {
    writesBefore = await siege.writesInLogs();
  });
  afterEach(async () => {
    await siege.assertUnharmed();
    assert.deepEqual(await siege.writesInLogs(), writesBefore, "something was stored");
    await siege.assertStreamsPure();
  });
  after(() => siege.close());

  /** Subjects that the server refused this connection. */
  function refusals(connection: NatsConnection): string[] {
    const seen: string[] = [];
    void (async () => {
      for await (const status of connection.status() as AsyncIterable<
        Status & { permissionContext?: { subject: string } }
      >)
        if (status.permissionContext !== undefined) seen.push(status.permissionContext.subject);
    })();
    return seen;
  }

  /** A connection that speaks the protocol of NATS by hand; gives what the server said. */
  async function byHand(lines: string): Promise<string> {
    const url = new URL(siege.cluster.natsUrl);
    const socket = openSocket(Number(url.port), url.hostname);
    let heard = "";
    socket.on("data", (text) => (heard += text));
    socket.on("error", () => undefined);
    await once(socket, "connect");
    const login = { user: url.username, pass: url.password, headers: true, verbose: false, pedantic: false };
    socket.write(`CONNECT ${JSON.stringify(login)}\r\n${lines}PING\r\n`);
    await until(() => heard.includes("PONG") || socket.closed, 5000);
    socket.destroy();
    return heard;
  }

  const answerSubjects = [...inner, "foreshard.query.kept.put", "foreshard.query.other.put"];

  it("a reply subject of its own choosing reaches nothing of the cluster's (the confused deputy)", async () => {
    const body = JSON.stringify({ key: "witness" });
    const typed = headers();
    typed.set("Content-Type", "application/json");
    for (const reply of answerSubjects)
      for (const op of ["get", "scan", "nonsense"])
        siege.nats.publish(`foreshard.query.kept.${op}`, body, { reply, headers: typed });
    for (const reply of answerSubjects) siege.nats.publish("$SRV.PING", "", { reply });
    for (const reply of answerSubjects) siege.nats.publish("foreshard.query.kept.read.n1", pack([1000, []]), { reply });
    await siege.nats.flush();
    // Whatever these requests cause has happened once a later one is answered by the same router and node.
    await siege.assertUnharmed();
  });

  it("nor by the protocol spoken by hand, with a line break in the subject, or a trace destination", async () => {
    const heard = await byHand(
      [
        'PUB foreshard.query.kept.get foreshard.log.0.1 17\r\n{"key":"witness"}\r\n',
        'PUB foreshard.query.kept.get foreshard.ledger.0 17\r\n{"key":"witness"}\r\n',
        "HPUB foreshard.query.kept.get foreshard.log.1.1 47 47\r\nNATS/1.0\r\nNats-Trace-Dest:foreshard.log.1.1\r\n\r\n\r\n",
        "PUB foreshard.log.0.1 2\r\nhi\r\n",
        "SUB foreshard.> 1\r\n",
      ].join(""),
    );
    assert.match(heard, /Permissions Violation for Publish to "foreshard\.log\.0\.1"/);
    assert.match(heard, /Permissions Violation for Subscription to "foreshard\.>"/);
    const sneaky = await siege.user();
    const seen = refusals(sneaky);
    sneaky.publish("foreshard.query.kept.get foreshard.log.0.1 0\r\n\r\nPUB foreshard.log.0.1", "hi");
    await sneaky.flush().catch(() => undefined);
    assert.ok(
      await until(() => seen.length > 0 || sneaky.isClosed(), 5000),
      "the injected line was neither refused nor fatal",
    );
  });

  it("may listen to nothing and write nowhere but to the query service", async () => {
    const seen = refusals(siege.nats);
    for (const subject of inner) siege.nats.publish(subject, "!");
    const wanted = [
      ">",
      "foreshard.>",
      "foreshard.query.>",
      "foreshard.log.>",
      "foreshard.node.n1.exec",
      "_R_.>",
      "_INBOX_core.>",
      "$JS.>",
      "$SYS.>",
    ];
    const heard: string[] = [];
    for (const subject of wanted)
      siege.nats.subscribe(subject, {
        callback: (error, msg) => {
          if (error === null) heard.push(msg.subject);
        },
      });
    await siege.nats.flush();
    const expected = inner.length + wanted.length;
    assert.ok(await until(() => seen.length >= expected, 5000), `${seen.length} refusals of ${expected}: ${seen}`);
    await siege.client.table("kept").get("witness");
    assert.deepEqual(heard, []);
    await assert.rejects(siege.nats.jetstreamManager({ timeout: 500 }));
  });

  it("a request without a reply subject is let fall: nobody could be told what became of it", async () => {
    const lost = { key: "lost", doc: { n: 1 } };
    for (const op of ["put", "insert", "frobnicate"]) siege.nats.publish(`foreshard.query.kept.${op}`, pack(lost));
    siege.nats.publish("foreshard.query._cluster.dropTable", pack({ name: "kept" }));
    siege.nats.publish("foreshard.query.kept.write.n1", pack([1000, []]));
    await siege.nats.flush();
    const { row } = await siege.msgpack("foreshard.query.kept.get", { key: "lost" });
    assert.equal(row, null);
  });

  it("a user without permission is told so, on the wire and by the library", async () => {
    const granted = await siege.user(reader);
    const seen = refusals(granted);
    const found = unpack((await granted.request("foreshard.query.kept.get", pack({ key: "witness" }))).data);
    assert.ok(found.ok);
    for (const subject of [
      "foreshard.query.kept.put",
      "foreshard.query.other.get",
      "foreshard.query._cluster.dropTable",
      "foreshard.node.n1.exec",
    ])
      granted.publish(subject, pack({ key: "witness", doc: {} }), { reply: "_INBOX_reader.x" });
    granted.subscribe("_INBOX.>", { callback: () => undefined });
    granted.subscribe("_INBOX_client.>", { callback: () => undefined });
    await granted.flush();
    assert.ok(await until(() => seen.length >= 6, 5000), seen.join(", "));
    const { host } = new URL(siege.cluster.natsUrl);
    const library = await connect({ servers: host, ...reader });
    try {
      const refused = await library.admin.dropTable("kept").then(
        () => undefined,
        (why: unknown) => why,
      );
      assert.ok(refused instanceof FaultError && refused.code === "FORBIDDEN", String(refused));
      assert.match(refused.message, /foreshard\.query\._cluster\.dropTable/);
    } finally {
      await library.close();
    }
    await assert.rejects(connect({ servers: host, user: "reader", pass: "guessed" }), /uthorization/);
    await assert.rejects(connect({ servers: host }), /uthorization/);
  });

  describe("at a node's own subject", () => {
    const write = (key: string): unknown => [1, `id-${key}`, [[0, bytesOf(key), pack({ n: 1 })]]];
    const exec = async (subject: string, body: unknown): Promise<unknown> => {
      const answer = await siege.nats.request(subject, body instanceof Uint8Array ? body : pack(body), {
        timeout: 8000,
      });
      const decoded = unpack(answer.data);
      assert.ok(decoded.ok);
      return decoded.value;
    };
    /** The one result of one operation. */
    const resultOf = (answer: unknown): readonly unknown[] => {
      assert.ok(Array.isArray(answer), `results, not ${JSON.stringify(answer)}`);
      return answer[1][0][0];
    };
    async function place(table: string): Promise<{ fragment: number; epoch: number; node: string }> {
      const [first] = await siege.client.cluster.fragments(table);
      assert.ok(first !== undefined);
      return { fragment: first.id, epoch: first.epoch, node: first.primary };
    }

    it("junk is refused, whatever its shape", async () => {
      const junk: readonly unknown[] = [
        {},
        null,
        "exec",
        [],
        [1],
        [1, 2],
        ["soon", []],
        [-1, []],
        [Number.NaN, []],
        [1000, [1]],
        [1000, [[0, 1]]],
        [1000, [[0, 1, [[99]]]]],
        [1000, [[0, 1, [["write"]]]]],
        [1000, [[-1, 1, []]]],
        [1000, [[0, -1, []]]],
        [1000, [[1e300, 1, []]]],
        [1000, [[0, 1, [[0, "text", 0]]]]],
        [1000, [[0, 1, [[0, new Uint8Array(5000), 0]]]]],
        [1000, [[0, 1, [[1, "", [[0, bytesOf("k"), pack({})]]]]]]],
        [1000, [[0, 1, [[1, "r\r\n", [[0, bytesOf("k"), pack({})]]]]]]],
        [1000, [[0, 1, [[1, "r", [[9, bytesOf("k"), pack({})]]]]]]],
        [1000, [[0, 1, [[1, "r", []]]]]],
        [1000, [[0, 1, [[1, "r", [[0, bytesOf("k"), pack({}), -1]]]]]]],
        [1000, [[0, 1, [[2, bytesOf("a"), null, false, -1, 10, null, null, 0]]]]],
        [1000, [[0, 1, [[2, bytesOf("a"), null, false, 1e9, 1e9, { $where: 1 }, null, 0]]]]],
        [1000, [[0, 1, [[3, bytesOf(""), null, null, [], [{ fn: "sum" }], 0]]]]],
        [1000, [[0, 1, [[4, -5, -5, -5, -5, null]]]]],
        new Uint8Array(100_000).fill(0x91),
        bytesOf("{}"),
      ];
      for (const body of junk)
        for (const access of ["read", "write"]) {
          const answer = await exec(`foreshard.query.kept.${access}.n1`, body);
          const { code } = told(answer as Fields);
          assert.ok(
            code === "UNDECODABLE" || code === "BAD_FILTER" || code === "BAD_REQUEST",
            `${code} for ${JSON.stringify(body)}`,
          );
        }
    });

    it("more operations than a node takes are refused whole", async () => {
      const ops = new Array(limits.nodeOps + 1).fill([0, bytesOf("k"), 0]);
      const answer = await exec("foreshard.query.kept.read.n1", [1000, [[0, 0, ops]]]);
      refusedWith(answer as Fields, "TOO_LARGE", /20000 operations/);
    });

    it("an unknown fragment, a foreign table's, and a write through the door for reading", async () => {
      const other = await place("other");
      const get = [0, bytesOf("a"), 0];
      const unknown = resultOf(await exec("foreshard.query.kept.read.n1", [1000, [[9_999_984, 1, [get]]]]));
      assert.deepEqual([unknown[0], unknown[1]], [5, "WRONG_FRAGMENT"]);
      const foreign = await exec(`foreshard.query.kept.read.${other.node}`, [
        1000,
        [[other.fragment, other.epoch, [get]]],
      ]);
      refusedWith(foreign as Fields, "FORBIDDEN", /not of table kept/);
      const kept = await place("kept");
      const writing = await exec(`foreshard.query.kept.read.${kept.node}`, [
        1000,
        [[kept.fragment, kept.epoch, [write("x")]]],
      ]);
      refusedWith(writing as Fields, "FORBIDDEN", /for reading/);
    });

    it("a position that is none of the table, bytes that are no document, a deadline that has passed", async () => {
      const { fragment, epoch, node } = await place("other");
      const ask = async (op: unknown, timeLeftMs = 1000) =>
        resultOf(await exec(`foreshard.query.other.write.${node}`, [timeLeftMs, [[fragment, epoch, [op]]]]));
      const misplaced = await ask(write("no position"));
      assert.deepEqual([misplaced[0], misplaced[1]], [5, "BAD_KEY"]);
      const rows = await ask([2, bytesOf(""), null, false, 10, 10_000, null, null, 0]);
      const [position] = (rows[1] as unknown[][])[0] ?? [];
      assert.ok(position instanceof Uint8Array, "the row's position");
      const torn = await ask([1, "torn", [[0, position, bytesOf(0x81, 0xa1)]]]);
      assert.deepEqual([torn[0], torn[1]], [5, "BAD_DOCUMENT"]);
      const late = await ask([1, "late", [[0, position, pack({ late: true })]]], 0);
      assert.deepEqual([late[0], late[1]], [5, "DEADLINE_EXCEEDED"]);
      assert.deepEqual((await siege.client.table("other").get("a"))?.doc, { secret: 1 });
    });

    it("a subject of a node that is not, and one with more words", async () => {
      await assert.rejects(exec("foreshard.query.kept.read.n99", [1000, []]), /503|NO_RESPONDERS|no responders/i);
      await assert.rejects(exec("foreshard.query.kept.read.n1.x", [1000, []]), /503|NO_RESPONDERS|no responders/i);
    });
  });
});
