// A move by copy-on-write, live: a fragment that is written all the time changes its primary and its node, and no client notices.

import assert from "node:assert/strict";
import { until } from "../../cluster/engine/until.js";
import { Siege } from "./siege.js";

const rows = 4000;
const writers = 12;

describe("a move by copy-on-write, live", () => {
  const siege = new Siege();
  before(async function () {
    this.timeout(60_000);
    await siege.begin({ nodes: 3 });
    await siege.client.admin.createTable({ name: "hot", fragments: 1, replicas: 2 });
  });
  after(() => siege.close());

  it("takes all writes at the destination at once; none fails, none is lost, and the copies agree", async function () {
    this.timeout(60_000);
    const { client } = siege;
    const table = client.table("hot");
    const filled = Array.from({ length: rows }, (_, n) => `r${n}`);
    for (let at = 0; at < rows; at += 500)
      await Promise.all(filled.slice(at, at + 500).map((key) => table.put(key, { n: 0 })));
    const fragment = (await client.cluster.fragments("hot"))[0];
    assert.ok(fragment !== undefined);
    const held = fragment.replicas.map(({ node }) => node);
    const to = (await client.cluster.nodes()).nodes.map(({ id }) => id).find((node) => !held.includes(node));
    assert.ok(to !== undefined);

    const written = new Map<string, number>();
    const failures: unknown[] = [];
    let moving = true;
    const write = async (writer: number): Promise<void> => {
      for (let round = 1; moving; round++) {
        const key = `r${(round * writers + writer) % rows}`;
        await table.put(key, { n: round }).catch((error: unknown) => failures.push(error));
        written.set(key, round);
      }
    };
    const load = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    const move = await client.admin.move({ table: "hot", fragment: fragment.id, to, strategy: "copy-on-write" });
    const ended = await until(
      async () => (await client.cluster.moves(true)).some((past) => past.move === move),
      40_000,
      50,
    );
    moving = false;
    await load;
    assert.ok(ended, "the move has an end");

    const past = (await client.cluster.moves(true)).find((one) => one.move === move);
    assert.equal(past?.outcome, "done", past?.end);
    assert.deepEqual(
      past?.phases.map(({ phase }) => phase),
      ["copying", "handingOver", "pulling", "verifying", "decommissioning"],
    );
    assert.deepEqual(failures, []);
    assert.ok(written.size > writers, "there was load");
    const now = (await client.cluster.fragments("hot"))[0];
    assert.equal(now?.primary, to);
    for (const [key, n] of written) assert.deepEqual((await table.get(key))?.doc, { n }, key);
    assert.equal((await table.aggregate({ aggregates: [{ fn: "count", as: "n" }] })).groups[0]?.n, rows);
  });
});
