import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { Engine } from "../../cluster/engine/nats-server.js";
import { until } from "../../cluster/engine/until.js";
import { appendOutcome } from "../../cluster/world/log.js";
import {
  agreeOnShape,
  ensureStream,
  ensureStreams,
  lacksRoom,
  mayPass,
  wantedStreams,
} from "../../cluster/world/streams.js";
import type { AppendOutcome } from "../../src/kernel/effect.js";
import { streams } from "../../src/protocol/subjects.js";
import { type Calls, group0, unwrap, WorldBench, wish, wordsOf } from "./support.js";

describe("world: streams and log", () => {
  const bench = new WorldBench();
  let engine: Engine;
  let log: Calls;
  let world: Awaited<ReturnType<WorldBench["streams"]>>;

  before(async () => {
    engine = await bench.engine();
    world = await bench.streams(engine);
    log = world.log;
  });
  after(() => bench.close());

  it("makes streams once, also when several make them at once, and finds them again", async () => {
    const more = { ...wish, partitions: 2, logGroups: 4 };
    const all = await Promise.all([1, 2, 3].map(() => ensureStreams(world.inbox, more)));
    const made = all.flatMap((result) => [...unwrap(result)]);
    assert.ok(made.includes(streams.ledger(1)) && made.includes(streams.log(3)));
    assert.deepEqual(unwrap(await ensureStreams(world.inbox, more)), []);
  });

  it("the first says what shape the cluster has, and another shape is refused before a stream of it is made", async () => {
    // The streams of this file say it, too: they were made with that wish.
    unwrap(await agreeOnShape(world.inbox, wish));
    const other = await agreeOnShape(world.inbox, { ...wish, logGroups: wish.logGroups + 1 });
    assert.equal(other.ok, false);
    assert.match(
      other.ok ? "" : `${other.fault.code}: ${other.fault.message}`,
      new RegExp(`^CONFIG: .* --log-groups ${wish.logGroups}, not ${wish.logGroups + 1}`),
    );
  });

  it("refuses a stream of another make, naming the field", async () => {
    const manager = await world.connection.nats.jetstreamManager();
    await manager.streams.add({ name: streams.log(9), subjects: ["foreshard.log.9.*"], max_age: 60_000_000_000 });
    const spec = wantedStreams({ ...wish, logGroups: 10 }).find(({ name }) => name === streams.log(9));
    assert.ok(spec);
    const result = await ensureStream(world.inbox, spec, 1);
    assert.equal(result.ok ? "" : result.fault.detail?.stream, streams.log(9));
  });

  it("sets a new byte limit on a stream that is there", async () => {
    const [spec] = wantedStreams({ ...wish, maxLogBytes: 1 << 20 }).filter(({ name }) => name === streams.log(1));
    assert.ok(spec);
    unwrap(await ensureStream(world.inbox, spec, 1));
    const manager = await world.connection.nats.jetstreamManager();
    assert.equal((await manager.streams.info(streams.log(1))).config.max_bytes, 1 << 20);
  });

  it("stores behind the fence, refuses with the number it has, and reads back", async () => {
    const first = await log.append(1, "a", 0);
    assert.equal(first.kind, "stored");
    const seq = first.kind === "stored" ? first.seq : 0;
    assert.deepEqual(await log.append(1, "b", 0), { kind: "refused", lastSeq: seq });
    assert.deepEqual(await log.append(1, "b", seq + 5), { kind: "refused", lastSeq: seq });
    assert.deepEqual(await log.append(2, "x", 3), { kind: "refused", lastSeq: 0 });
    const second = await log.append(1, "b", seq);
    assert.equal(second.kind, "stored");
    const last = await log.read(1, "last");
    assert.equal(last.kind === "record" ? wordsOf(last.record.bytes) : last.kind, "b");
    const exact = await log.read(1, "exact", seq);
    assert.equal(exact.kind === "record" ? wordsOf(exact.record.bytes) : exact.kind, "a");
    assert.ok(exact.kind === "record" && Math.abs(exact.record.timeMs - Date.now()) < 60_000);
    const next = await log.read(1, "next", seq + 1);
    assert.equal(next.kind === "record" ? wordsOf(next.record.bytes) : next.kind, "b");
  });

  it("says none for what is not there, and for a record of another subject", async () => {
    const stored = await log.append(3, "mine", 0);
    assert.ok(stored.kind === "stored");
    assert.deepEqual(await log.read(4, "last"), { kind: "none" });
    assert.deepEqual(await log.read(4, "exact", stored.seq), { kind: "none" });
    assert.deepEqual(await log.read(3, "exact", stored.seq + 1000), { kind: "none" });
    assert.deepEqual(await log.read(3, "next", stored.seq + 1), { kind: "none" });
  });

  it("keeps the fence of a subject of which only the last record stays (the lease)", async () => {
    const append = (words: string, expectedSeq: number): Promise<AppendOutcome> => {
      const wanted = { log: { stream: streams.lease, subject: "foreshard.lease.0" }, expectedSeq };
      return new Promise((resolve) => log.log.append({ ...wanted, bytes: new TextEncoder().encode(words) }, resolve));
    };
    let seq = 0;
    for (const words of ["one", "two", "three", "four"]) {
      const outcome = await append(words, seq);
      assert.equal(outcome.kind, "stored");
      seq = outcome.kind === "stored" ? outcome.seq : 0;
    }
    assert.deepEqual(await append("late", 1), { kind: "refused", lastSeq: seq });
    const state = await log.stream(streams.lease);
    assert.equal(state.kind === "state" ? state.state.messages : -1, 1);
  });

  it("keeps the fence over a trim from the head", async () => {
    let last = 0;
    for (let n = 0; n < 5; n++) {
      const outcome = await log.append(5, `r${n}`, last);
      assert.ok(outcome.kind === "stored");
      last = outcome.seq;
    }
    log.log.trim(streams.log(0), last);
    assert.ok(
      await until(async () => {
        const outcome = await log.stream();
        return outcome.kind === "state" && outcome.state.firstSeq === last;
      }, 3000),
    );
    assert.deepEqual(await log.append(5, "zombie", 0), { kind: "refused", lastSeq: last });
    assert.equal((await log.append(5, "right", last)).kind, "stored");
  });

  it("a trim beyond the end moves the number that is given next: how a ledger that lost its end goes on above it", async () => {
    const before = await log.stream();
    assert.ok(before.kind === "state");
    const belowSeq = before.state.lastSeq + 1001;
    log.log.trim(streams.log(0), belowSeq);
    assert.ok(
      await until(async () => {
        const outcome = await log.stream();
        return outcome.kind === "state" && outcome.state.lastSeq === belowSeq - 1;
      }, 3000),
    );
    assert.deepEqual(await log.append(12, "next", 0), { kind: "stored", seq: belowSeq });
  });

  it("says full at the byte limit", async () => {
    const wanted = { stream: streams.log(1), subject: "foreshard.log.1.1" };
    const big = new Uint8Array(400_000);
    const outcomes: AppendOutcome[] = [];
    let expectedSeq = 0;
    for (let n = 0; n < 4; n++) {
      const outcome: AppendOutcome = await new Promise((resolve) =>
        log.log.append({ log: wanted, bytes: big, expectedSeq }, resolve),
      );
      outcomes.push(outcome);
      if (outcome.kind === "stored") expectedSeq = outcome.seq;
    }
    assert.equal(outcomes[0]?.kind, "stored");
    assert.equal(outcomes[3]?.kind, "full");
  });

  it("says gone for a stream that does not exist", async () => {
    const nowhere = { stream: streams.log(77), subject: "foreshard.log.77.1" };
    const outcome: AppendOutcome = await new Promise((resolve) =>
      log.log.append({ log: nowhere, bytes: new Uint8Array(1), expectedSeq: 0 }, resolve),
    );
    assert.deepEqual(outcome, { kind: "gone" });
    assert.deepEqual(await log.stream(streams.log(77)), { kind: "gone" });
    const read = await new Promise((resolve) => log.log.read({ log: nowhere, at: "last", seq: 0 }, resolve));
    assert.deepEqual(read, { kind: "gone" });
  });

  it("says unknown while the server is frozen, and the record may be there after all", async () => {
    const pid = engine.servers()[0]?.pid ?? 0;
    assert.ok(pid > 0);
    process.kill(pid, "SIGSTOP");
    // A signal is heard a moment after it was sent.
    const isStopped = async () => (await readFile(`/proc/${pid}/stat`, "utf8")).includes(") T ");
    try {
      assert.ok(await until(isStopped, 3000, 1));
      assert.deepEqual(await log.append(6, "late", 0), { kind: "unknown" });
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await log.surely(6, "late", 0);
    const read = await log.read(6, "last");
    assert.equal(read.kind === "record" ? wordsOf(read.record.bytes) : read.kind, "late");
  });

  it("says not stored while the connection is down: nothing left the host", async () => {
    const pid = engine.servers()[0]?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    assert.ok(await until(() => !world.connection.isUp(), 3000));
    assert.equal((await log.append(7, "x", 0)).kind, "notStored");
    assert.ok(await until(() => world.connection.isUp(), 10_000));
    await log.surely(7, "x", 0);
  });

  it("reads every refusal of the server", () => {
    const said = (errCode: number, code: number, words: string): string => {
      const data = new TextEncoder().encode(
        JSON.stringify({ error: { code, err_code: errCode, description: words }, stream: "S", seq: 0 }),
      );
      return appendOutcome({ kind: "message", msg: { data } as never }).kind;
    };
    assert.equal(said(10071, 400, "wrong last sequence: 17"), "refused");
    assert.equal(said(10164, 400, "wrong last sequence"), "notStored");
    assert.equal(said(10167, 429, "too many requests"), "notStored");
    for (const errCode of [10077, 10023, 10047, 10028]) assert.equal(said(errCode, 503, "no room"), "full");
    assert.equal(said(10059, 404, "stream not found"), "gone");
    assert.equal(said(10063, 400, "odd"), "unknown");
    assert.equal(appendOutcome({ kind: "timeout" }).kind, "unknown");
    assert.equal(appendOutcome({ kind: "cut" }).kind, "unknown");
    assert.equal(appendOutcome({ kind: "unsent", why: "down" }).kind, "notStored");
  });

  it("tries to make a stream again where waiting may help, and only there", () => {
    // Nobody leads yet; not all servers are there yet; somebody else is making it. Not: copies on a server without a cluster.
    assert.deepEqual(
      [mayPass(10008, 503), mayPass(10005, 400), mayPass(10058, 400), mayPass(10074, 500)],
      [true, true, true, false],
    );
  });

  it("knows a lack of room from a lack of servers", () => {
    const words = "no suitable peers for placement";
    assert.ok(lacksRoom({ errCode: 10005, words: `${words}, insufficient storage` }));
    assert.ok(!lacksRoom({ errCode: 10005, words: `${words}, peer offline` }));
    assert.ok(lacksRoom({ errCode: 10047, words: "insufficient storage resources available" }));
  });

  it("appends on many fragments at once", async () => {
    const fragments = Array.from({ length: 64 }, (_, index) => 100 + index);
    const outcomes = await Promise.all(fragments.map((fragment) => log.append(fragment, "w", 0)));
    assert.deepEqual(
      outcomes.filter(({ kind }) => kind !== "stored"),
      [],
    );
    assert.equal(group0(100).stream, streams.log(0));
  });
});
