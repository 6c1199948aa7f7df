import assert from "node:assert/strict";
import { headers } from "nats";
import { until } from "../../cluster/engine/until.js";
import { limits } from "../../src/config/limits.js";
import { answerOf, type Fields, Siege, told } from "./siege.js";

const crowd = 10_000;
const MiB = 1024 * 1024;

describe("overload", () => {
  const siege = new Siege();
  before(async function () {
    this.timeout(60_000);
    await siege.begin();
    await siege.client.admin.createTable({ name: "busy", fragments: 2 });
  });
  afterEach(() => siege.assertUnharmed());
  after(() => siege.close());

  interface Toll {
    readonly answers: readonly Fields[];
    readonly grownBytes: number;
  }

  /** Sends `crowd` requests before the first answer can be read; the memory is that of cluster and clients together. */
  async function storm(op: string, bodyOf: (n: number) => object): Promise<Toll> {
    const typed = headers();
    typed.set("Content-Type", "application/json");
    const beforeBytes = process.memoryUsage().rss;
    let mostBytes = beforeBytes;
    const gauge = setInterval(() => {
      mostBytes = Math.max(mostBytes, process.memoryUsage().rss);
    }, 50);
    try {
      const asked = Array.from({ length: crowd }, (_, n) =>
        siege.nats.request(`foreshard.query.busy.${op}`, JSON.stringify(bodyOf(n)), {
          headers: typed,
          timeout: 30_000,
        }),
      );
      const answers = (await Promise.all(asked)).map(answerOf);
      return { answers, grownBytes: mostBytes - beforeBytes };
    } finally {
      clearInterval(gauge);
    }
  }

  function refusals(answers: readonly Fields[]): readonly Fields[] {
    return answers.filter((answer) => "fault" in answer);
  }

  /** Each refusal says OVERLOADED and when to come back; gives how many there were. */
  function turnedAway(answers: readonly Fields[]): number {
    let count = 0;
    for (const answer of refusals(answers)) {
      const { code, message, detail } = told(answer);
      // What was let in may still run out of its time.
      if (code === "DEADLINE_EXCEEDED") continue;
      count++;
      assert.equal(code, "OVERLOADED", message);
      assert.match(message, /try again later/);
      assert.ok(Number(detail?.retryAfterMs) > 0, "says when to try again");
    }
    return count;
  }

  it("10,000 waiting requests at once: what exceeds the router's limit is OVERLOADED at once", async function () {
    this.timeout(60_000);
    const { answers, grownBytes } = await storm("watch", () => ({ waitMs: 3000 }));
    const refused = turnedAway(answers);
    assert.ok(refused >= crowd - limits.routerRequests * 2, `${refused} of ${crowd} turned away`);
    assert.ok(refusals(answers).length < crowd, "some are served");
    assert.ok(grownBytes < 512 * MiB, `grew by ${Math.round(grownBytes / MiB)} MiB`);
  });

  it("10,000 writes at once: each is stored and there, or OVERLOADED and not there", async function () {
    this.timeout(60_000);
    const text = "x".repeat(1500);
    const { answers, grownBytes } = await storm("put", (n) => ({ key: `w${n}`, doc: { n, text }, deadlineMs: 20_000 }));
    for (const answer of refusals(answers)) assert.equal(told(answer).code, "OVERLOADED");
    turnedAway(answers);
    const stored = answers.flatMap((answer, n) => ("fault" in answer ? [] : [n]));
    assert.ok(stored.length >= 1000, `only ${stored.length} were served`);
    assert.ok(grownBytes < 512 * MiB, `grew by ${Math.round(grownBytes / MiB)} MiB`);
    const found = new Set<number>();
    for await (const { doc } of siege.client.table("busy").scan({ fields: ["n"] })) found.add(Number(doc.n));
    assert.deepEqual(
      [...found].sort((a, b) => a - b),
      stored,
    );
  });

  it("10,000 writes through the library, which waits and tries again: all are stored", async function () {
    this.timeout(60_000);
    const table = siege.client.table("busy");
    await Promise.all(Array.from({ length: crowd }, (_, n) => table.put(`l${n}`, { n }, { deadlineMs: 30_000 })));
    const { groups } = await table.aggregate({ aggregates: [{ fn: "count" }], filter: { text: { exists: false } } });
    assert.equal(Number(groups[0]?.count), crowd);
  });

  it("afterwards it serves as before", async () => {
    const served = async (): Promise<boolean> => {
      const begunMs = performance.now();
      const { row } = await siege.json("foreshard.query.kept.get", { key: "witness" });
      return row !== null && performance.now() - begunMs < 250;
    };
    assert.ok(await until(served, 10_000), "still slow after the storm");
  });
});
