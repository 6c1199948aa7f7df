import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Engine } from "../../cluster/engine/nats-server.js";
import { until } from "../../cluster/engine/until.js";
import { streams } from "../../src/protocol/subjects.js";
import { WorldBench, wordsOf } from "./support.js";

const serverPid = (engine: Engine): number => engine.servers()[0]?.pid ?? 0;

describe("world: tail", () => {
  const bench = new WorldBench();
  after(() => bench.close());

  it("tells records in order, then idle; goes on with what comes; starts where it is told", async () => {
    const engine = await bench.engine();
    const { connection, inbox, log } = await bench.streams(engine);
    for (const words of ["a", "b", "c"]) await log.surely(words.charCodeAt(0), words, 0);
    const all = bench.follower(connection, inbox);
    const late = bench.follower(connection, inbox, 3);
    assert.ok(await until(() => all.told.includes("idle 3") && late.told.includes("idle 3"), 5000));
    await log.surely(200, "d", 0);
    assert.ok(await until(() => all.told.includes("record 4 d") && late.told.includes("record 4 d"), 5000));
    assert.deepEqual(all.records(), ["record 1 a", "record 2 b", "record 3 c", "record 4 d"]);
    assert.deepEqual(late.records(), ["record 3 c", "record 4 d"]);
    const [first] = all.messages;
    assert.equal(first?.kind === "followed" ? first.pending : -1, 2);
  });

  it("misses and repeats nothing while the server is killed again and again", async function () {
    this.timeout(40_000);
    const engine = await bench.engine();
    const { connection, inbox, log } = await bench.streams(engine);
    const follower = bench.follower(connection, inbox);
    const want: string[] = [];
    let stop = false;
    const writing = (async () => {
      let seq = 0;
      for (let n = 0; !stop || n < 100; n++) {
        seq = await log.surely(1, `w${n}`, seq, 15_000);
        want.push(`record ${seq} w${n}`);
      }
    })();
    for (let kills = 0; kills < 2; kills++) {
      const before = want.length;
      assert.ok(await until(() => want.length > before + 20, 10_000));
      process.kill(serverPid(engine), "SIGKILL");
      assert.ok(await until(() => !connection.isUp(), 5000));
      assert.ok(await until(() => connection.isUp(), 10_000));
    }
    stop = true;
    await writing;
    assert.ok(want.length >= 100);
    assert.ok(await until(() => follower.records().length >= want.length, 10_000));
    assert.deepEqual(follower.records(), want);
    assert.ok(follower.tails.made() >= 3);
  });

  it("tells that a log stream was lost and made again, and follows the new one", async () => {
    const engine = await bench.engine();
    const { connection, inbox, log } = await bench.streams(engine);
    await log.surely(1, "old", 0);
    const follower = bench.follower(connection, inbox);
    assert.ok(await until(() => follower.told.includes("idle 1"), 5000));
    const manager = await connection.nats.jetstreamManager();
    await manager.streams.delete(streams.log(0));
    assert.ok(await until(() => follower.told.includes("recreated 0"), 10_000));
    assert.deepEqual(
      follower.told.filter((line) => line.startsWith("gone")),
      ["gone 0"],
    );
    await log.surely(1, "new", 0);
    assert.ok(await until(() => follower.told.includes("record 1 new"), 5000));
  });

  it("never makes a ledger again: it says gone and keeps trying", async () => {
    const engine = await bench.engine();
    const { connection, inbox, log } = await bench.streams(engine);
    const follower = bench.follower(connection, inbox, 1, streams.ledger(0));
    assert.ok(await until(() => follower.told.includes("idle 0"), 5000));
    const manager = await connection.nats.jetstreamManager();
    await manager.streams.delete(streams.ledger(0));
    assert.ok(await until(() => follower.told.includes("gone 0"), 10_000));
    assert.deepEqual(await log.stream(streams.ledger(0)), { kind: "gone" });
  });

  it("tells when the stream's history went back, and starts over", async function () {
    this.timeout(40_000);
    const dataDir = await bench.folder();
    const engine = await bench.engine({}, dataDir);
    const { connection, inbox, log } = await bench.streams(engine);
    await log.surely(1, "a", 0);
    await log.surely(2, "b", 0);
    const store = join(dataDir, "nats", "0", "jetstream");
    const kept = join(dataDir, "kept");
    await cp(store, kept, { recursive: true });
    await log.surely(3, "c", 0);
    await log.surely(4, "d", 0);
    const follower = bench.follower(connection, inbox);
    assert.ok(await until(() => follower.told.includes("idle 4"), 5000));
    // The older copy takes the place of the folder while no server runs.
    await engine.stop();
    await rm(store, { recursive: true });
    await cp(kept, store, { recursive: true });
    await bench.engine({ port: engine.servers()[0]?.port ?? 0 }, dataDir);
    assert.ok(await until(() => follower.told.some((line) => line.startsWith("regressed")), 15_000));
    const at = follower.told.findIndex((line) => line.startsWith("regressed"));
    assert.equal(follower.told[at], "regressed 2");
    assert.ok(await until(() => follower.told.slice(at).includes("idle 2"), 5000));
    assert.deepEqual(follower.told.slice(at, at + 3), ["regressed 2", "record 1 a", "record 2 b"]);
    await log.surely(5, "e", 0);
    assert.ok(await until(() => follower.told.includes("record 3 e"), 5000));
  });

  it("follows a megabyte stream with flow control, whole", async () => {
    const engine = await bench.engine({ durability: "interval" });
    const { connection, inbox, log } = await bench.streams(engine);
    const words = "x".repeat(100_000);
    await Promise.all(Array.from({ length: 300 }, (_, n) => log.surely(1000 + n, words, 0)));
    const follower = bench.follower(connection, inbox);
    assert.ok(await until(() => follower.records().length === 300, 10_000));
    const seqs = follower.messages.flatMap((message) => (message.kind === "followed" ? [message.record.seq] : []));
    assert.deepEqual(
      seqs,
      Array.from({ length: 300 }, (_, n) => n + 1),
    );
    const [first] = follower.messages;
    assert.equal(first?.kind === "followed" ? wordsOf(first.record.bytes).length : 0, words.length);
  });
});
