// Moves of every kind on one live cluster, under a light load that never pauses: no request fails, what was acknowledged is there afterwards, and what cannot be
// is refused with a code and a sentence, over NATS and on the command line, and leaves the cluster as it was.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { FragmentInfo, MoveInfo, MoveStrategy } from "../../cluster/client/index.js";
import { until } from "../../cluster/engine/until.js";
import type { FaultCode } from "../../src/kernel/fault.js";
import { type Fields, refusedWith, Siege } from "./siege.js";

const run = promisify(execFile);
const MiB = 1024 * 1024;
const writers = 4;
const zones = { n1: "a", n2: "a", n3: "b", n4: "c" } as const;
type Node = keyof typeof zones;
const cli = fileURLToPath(new URL("../../scripts/foreshard.js", import.meta.url));

/** Closed loops, each over keys of its own, so that the last acknowledged value of each is known. */
class Load {
  readonly failures: unknown[] = [];
  private readonly written = new Map<string, number>();
  private going = true;
  private readonly loops: Promise<void>[];
  writes = 0;

  constructor(private readonly siege: Siege) {
    this.loops = Array.from({ length: writers }, (_, writer) => this.loop(writer));
  }
  private async loop(writer: number): Promise<void> {
    const table = this.siege.client.table("moved");
    for (let n = 1; this.going; n++) {
      const key = `w${writer}/${n % 200}`;
      try {
        await table.put(key, { n });
        this.written.set(key, n);
        this.writes++;
        if (n % 4 === 0) assert.equal((await table.get(key))?.doc.n, n);
      } catch (error) {
        this.failures.push(error);
      }
    }
  }
  async stop(): Promise<void> {
    this.going = false;
    await Promise.all(this.loops);
  }
  async assertNothingLost(): Promise<void> {
    assert.ok(this.written.size > writers * 10, "there was load");
    const keys = [...this.written.keys()];
    for (let at = 0; at < keys.length; at += 200) {
      const some = keys.slice(at, at + 200);
      const rows = await this.siege.client.table("moved").getMany(some);
      some.forEach((key, index) => {
        assert.deepEqual(rows[index]?.doc, { n: this.written.get(key) }, key);
      });
    }
  }
}

describe("moves, live", () => {
  const siege = new Siege();
  /** The store of n4 lies on a disk of its own, where that can be had. */
  let smallDisk = "";
  before(async function () {
    this.timeout(90_000);
    const dataDir = join(await siege.folder(), "data");
    const disk = join(dataDir, "nodes", "n4");
    await mkdir(disk, { recursive: true });
    const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=340m", "tmpfs", disk]).catch(() => undefined);
    if (mounted !== undefined) {
      smallDisk = disk;
      siege.last(() => run("umount", [disk]).catch(() => run("umount", ["-l", disk])));
    }
    await siege.begin({ dataDir, nodes: 4, zones: Object.values(zones), copyFloor: 1, copyCeiling: 1, forecasters: 0 });
    await siege.client.admin.createTable({ name: "moved", fragments: 1, replicas: 2, key: "string" });
  });
  after(() => siege.close());

  const fragmentsOf = (table: string): Promise<readonly FragmentInfo[]> => siege.client.cluster.fragments(table);
  async function only(table: string): Promise<FragmentInfo> {
    const [fragment, ...more] = await fragmentsOf(table);
    assert.ok(fragment !== undefined && more.length === 0, `${table} is one fragment`);
    return fragment;
  }
  const holders = ({ replicas }: FragmentInfo): Node[] => replicas.map(({ node }) => node as Node);
  /** Where the copy of `from` may go: a node without one, in a zone without another. */
  function destination(fragment: FragmentInfo, from = fragment.primary): Node {
    const held = holders(fragment);
    const taken = held.filter((node) => node !== from).map((node) => zones[node]);
    const free = (Object.keys(zones) as Node[]).find((node) => !held.includes(node) && !taken.includes(zones[node]));
    assert.ok(free !== undefined);
    return free;
  }
  async function ended(move: number): Promise<MoveInfo> {
    const past = async (): Promise<MoveInfo | undefined> =>
      (await siege.client.cluster.moves(true)).find((one) => one.move === move);
    assert.ok(await until(async () => (await past()) !== undefined, 40_000, 50), `move ${move} has an end`);
    const found = await past();
    assert.ok(found !== undefined);
    return found;
  }
  async function inPhase(move: number, phase: string): Promise<void> {
    const there = async (): Promise<boolean> =>
      (await siege.client.cluster.moves()).some((one) => one.move === move && one.phase === phase);
    assert.ok(await until(there, 20_000, 10), `move ${move} comes to ${phase}`);
  }

  describe("under load", () => {
    let load: Load;
    before(() => {
      load = new Load(siege);
    });

    async function moved(strategy: MoveStrategy, to: Node, phases: readonly string[]): Promise<void> {
      const { id } = await only("moved");
      const before = load.writes;
      const past = await ended(await siege.client.admin.move({ table: "moved", fragment: id, to, strategy }));
      assert.equal(past.outcome, "done", past.end);
      assert.deepEqual(
        past.phases.map(({ phase }) => phase),
        phases,
      );
      assert.equal((await only("moved")).primary, to);
      assert.ok(load.writes > before, "writes went on meanwhile");
    }

    it("log-shipping", async function () {
      this.timeout(60_000);
      const phases = ["copying", "verifying", "handingOver", "verifyingAgain", "decommissioning"];
      await moved("log-shipping", destination(await only("moved")), phases);
    });

    it("leader-only", async function () {
      this.timeout(60_000);
      const fragment = await only("moved");
      const to = holders(fragment).find((node) => node !== fragment.primary);
      assert.ok(to !== undefined);
      await moved("leader-only", to, ["handingOver"]);
      assert.equal((await only("moved")).replicas.length, 2, "both keep their copies");
    });

    it("a split, and a merge of the halves", async function () {
      this.timeout(60_000);
      const { id } = await only("moved");
      const { child } = await siege.client.admin.split({ table: "moved", fragment: id });
      const halves = await fragmentsOf("moved");
      assert.deepEqual(
        halves.map((half) => half.id),
        [id, child],
      );
      for (const half of halves) assert.deepEqual(half.replicas, halves[0]?.replicas, "where the parent was");
      // Both follow to the end of the log before they can be merged.
      const merged = async (): Promise<boolean> =>
        siege.client.admin.merge({ table: "moved", left: id, right: child }).then(
          () => true,
          () => false,
        );
      assert.ok(await until(merged, 30_000, 100), "the halves are merged");
      assert.ok(await until(async () => (await fragmentsOf("moved")).length === 1, 20_000, 50));
      assert.equal((await only("moved")).id, id);
    });

    it("a read replica comes and goes", async function () {
      this.timeout(60_000);
      const { id } = await only("moved");
      const ready = async (count: number): Promise<boolean> => {
        const { replicas } = await only("moved");
        return replicas.length === count && replicas.every(({ state }) => state === "ready");
      };
      await siege.client.admin.setReplicas("moved", id, 3);
      assert.ok(await until(() => ready(3), 40_000, 50), "a third copy is there");
      await siege.client.admin.setReplicas("moved", id, 0);
      assert.ok(await until(() => ready(2), 40_000, 50), "and has gone");
    });

    it("none failed, nothing is lost, and the copies agree", async function () {
      this.timeout(30_000);
      await load.stop();
      assert.deepEqual(load.failures, []);
      await load.assertNothingLost();
      const { id } = await only("moved");
      const [asked] = await siege.client.cluster.verify("moved", id, true);
      const lsn = asked?.lsn ?? 0;
      const agree = async (): Promise<boolean> =>
        (await siege.client.cluster.verify("moved", id, false)).some(
          ({ verified }) => verified !== null && verified.lsn > lsn && verified.agree.length === 2,
        );
      assert.ok(await until(agree, 20_000, 50), "both copies were compared");
    });
  });

  describe("what cannot be", () => {
    type Order = readonly [op: string, body: Fields, code: FaultCode, words: RegExp, command: readonly string[]];

    /** Sent in both forms over NATS and by the command line; afterwards everything lies where it lay. */
    async function refused(...orders: readonly Order[]): Promise<void> {
      const places = async () =>
        (await fragmentsOf("moved")).map(({ id, epoch, primary, replicas }) => ({
          ...{ id, epoch, primary, nodes: replicas.map(({ node }) => node) },
        }));
      const before = await places();
      for (const [op, body, code, words] of orders) {
        const subject = `foreshard.query._cluster.${op}`;
        refusedWith(await siege.json(subject, body), code, words);
        refusedWith(await siege.msgpack(subject, body), code, words);
      }
      const said = await Promise.all(orders.map(([, , , , command]) => spoken(command)));
      orders.forEach(([, , code, words], at) => {
        const { exit, text } = said[at] ?? { exit: 0, text: "" };
        assert.equal(exit, 1, text);
        assert.ok(text.includes(code), text);
        assert.match(text, words);
      });
      assert.deepEqual(await places(), before);
    }
    async function spoken(command: readonly string[]): Promise<{ readonly exit: number; readonly text: string }> {
      const env = { ...process.env, FORESHARD_URL: siege.cluster.natsUrl };
      return run(process.execPath, [cli, ...command], { env }).then(
        () => ({ exit: 0, text: "" }),
        (error: { code: number; stderr: string }) => ({ exit: error.code, text: error.stderr }),
      );
    }
    const move = (fragment: number, to: string, code: FaultCode, words: RegExp, strategy?: MoveStrategy): Order => [
      "move",
      { table: "moved", fragment, to, ...(strategy === undefined ? {} : { strategy }) },
      code,
      words,
      ["move", `moved/${fragment}`, "--to", to, ...(strategy === undefined ? [] : ["--strategy", strategy])],
    ];

    it("no such node, the same node, one that has a copy, no such fragment; more copies than nodes or zones; a cut outside", async function () {
      this.timeout(60_000);
      const fragment = await only("moved");
      const { id, primary } = fragment;
      const backup = holders(fragment).find((node) => node !== primary) ?? "";
      const replicas = (count: number, words: RegExp): Order => [
        "replicas",
        { table: "moved", fragment: id, replicas: count },
        "NOT_POSSIBLE",
        words,
        ["replicas", `moved/${id}`, String(count)],
      ];
      await refused(
        move(id, "n99", "UNKNOWN_NODE", /no node "n99".*nodes that can: n1/),
        move(id, primary, "NOT_POSSIBLE", /is the primary of fragment \d+ already/),
        move(id, backup, "NOT_POSSIBLE", /holds a replica of fragment \d+ already/, "log-shipping"),
        move(9999, "n1", "UNKNOWN_FRAGMENT", /has no fragment 9999; it has \d+/),
        replicas(5, /5 replicas need 5 nodes; 4 are up/),
        replicas(4, /4 replicas need 4 zones; there are 3: a, b, c/),
      );
      await siege.client.admin.createTable({ name: "ranged", partitioning: "range", key: "number", splitAt: [10] });
      const [low, high] = (await fragmentsOf("ranged")).map((one) => one.id);
      assert.ok(low !== undefined && high !== undefined);
      await refused(
        [
          "split",
          { table: "ranged", fragment: low, at: 11 },
          "NOT_POSSIBLE",
          /the split key lies outside fragment \d+/,
          ["split", `ranged/${low}`, "--at", "11"],
        ],
        [
          "merge",
          { table: "ranged", left: high, right: low },
          "NOT_POSSIBLE",
          /name the left one first/,
          ["merge", `ranged/${high}`, `ranged/${low}`],
        ],
      );
    });

    it("while it moves: a second move, a split, a merge; cancelling what is done", async function () {
      this.timeout(90_000);
      const { client } = siege;
      const table = client.table("moved");
      // At one MiB per second this takes a few seconds to copy.
      const filler = "x".repeat(8000);
      for (let at = 0; at < 500; at += 50)
        await Promise.all(Array.from({ length: 50 }, (_, n) => table.put(`f${at + n}`, { filler })));
      const fragment = await only("moved");
      const { id } = fragment;
      const to = destination(fragment);
      const slow = await client.admin.move({ table: "moved", fragment: id, to, strategy: "copy-on-write" });
      // Over NATS only: a process that has to start first may come when the move has ended.
      for (const [op, body, words] of [
        ["move", { table: "moved", fragment: id, to }, /is moving already, to n\d \(move \d+\); cancel that move/],
        ["split", { table: "moved", fragment: id }, /is being moved; wait until that is done/],
      ] as const)
        refusedWith(await siege.json(`foreshard.query._cluster.${op}`, body), "NOT_POSSIBLE", words);
      await inPhase(slow, "pulling");
      const late = await siege.json("foreshard.query._cluster.cancelMove", { move: slow });
      refusedWith(late, "NOT_POSSIBLE", /cannot be cancelled any more: .*use rollback/);
      await client.admin.rollbackMove(slow);
      const past = await ended(slow);
      assert.equal(past.outcome, "rolledBack", past.end);
      assert.equal((await only("moved")).primary, fragment.primary, "the role is back");
      await refused([
        "cancelMove",
        { move: slow },
        "NOT_POSSIBLE",
        /was rolled back/,
        ["move", "cancel", String(slow)],
      ]);
    });

    it("a node whose disk is full", async function () {
      if (smallDisk === "") this.skip();
      this.timeout(90_000);
      const fragment = await only("moved");
      if (holders(fragment).includes("n4")) {
        const to = destination(fragment, "n4");
        const gone = await siege.client.admin.move({ table: "moved", fragment: fragment.id, from: "n4", to });
        assert.equal((await ended(gone)).outcome, "done");
      }
      await siege.client.admin.createTable({ name: "spare", fragments: 6, replicas: 1 });
      const { bavail, bsize } = await statfs(smallDisk);
      await writeFile(join(smallDisk, "ballast"), Buffer.alloc(bavail * bsize - 100 * MiB));
      // The leader knows once n4 has told it; until then it takes what is tried.
      const isRefused = async (): Promise<boolean> => {
        const trial = (await fragmentsOf("spare")).find((one) => !holders(one).includes("n4"));
        assert.ok(trial !== undefined, "a fragment to try with");
        const body = { table: "spare", fragment: trial.id, to: "n4" };
        const { fault } = await siege.json("foreshard.query._cluster.move", body);
        return JSON.stringify(fault ?? "").includes("the disk of n4 is full");
      };
      assert.ok(await until(isRefused, 20_000, 400));
      await refused(move(fragment.id, "n4", "NOT_POSSIBLE", /the disk of n4 is full: \d+ bytes are free/));
    });

    it("a node that is being drained, and one that is away", async function () {
      this.timeout(90_000);
      const { id } = await only("moved");
      const free = (Object.keys(zones) as Node[]).filter((node) => node !== "n4");
      const held = holders(await only("moved"));
      const [away = "n1"] = free.filter((node) => !held.includes(node));
      await siege.client.admin.drain(away);
      await refused(move(id, away, "NOT_POSSIBLE", /is being drained; undrain it first/));
      await siege.client.admin.undrain(away);
      assert.ok(await siege.cluster.leave(away), `${away} ends in order`);
      const down = async (): Promise<boolean> =>
        (await siege.client.cluster.nodes()).nodes.some(({ id: node, state }) => node === away && state === "down");
      assert.ok(await until(down, 30_000, 50));
      await refused(move(id, away, "NOT_POSSIBLE", /is down; nodes that can:/));
    });
  });
});
