// A rolling restart, live: every host is restarted under load, and nobody who asks notices. `npm run check:rolling` does it with three nats-servers,
// which are then restarted too; plain NATS clients are not tried there, for each hangs on one connection to one server.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { pack } from "../../src/protocol/codec.js";
import { answerOf, rowOf, Siege } from "./siege.js";

const program = fileURLToPath(new URL("../../scripts/foreshard.js", import.meta.url));
/** What each request is granted; much more than it needs, for the machine may be busy with other things. */
const deadlineMs = 20_000;
const natsServers = process.env.FORESHARD_NATS_SERVERS === "3" ? 3 : 1;
const keys = 40;
const pauseMs = 15;

type Doc = { readonly n: number };
interface Way {
  put(key: string, doc: Doc): Promise<unknown>;
  get(key: string): Promise<unknown>;
}

describe("a rolling restart, live", () => {
  const siege = new Siege();
  before(async function () {
    this.timeout(120_000);
    await siege.begin({ nodes: 3, control: 2, forecasters: 0, natsServers, isolation: "processes" });
  });
  after(async function () {
    this.timeout(60_000);
    await siege.close();
  });

  it("restarts every host; no request fails, through a router or through the library, and nothing is lost", async function () {
    this.timeout(300_000);
    const { client, cluster } = siege;
    const hosts = (): Map<string, number> =>
      new Map([...cluster.nodes(), ...cluster.routers(), ...cluster.control()].map(({ id, pid }) => [id, pid]));
    const before = hosts();
    const servers = cluster.natsServers();
    assert.equal(before.size, 6, "three nodes, a router, two control hosts");

    const load = new Load();
    const plain = natsServers === 1 ? [ways.router(siege), ways.router(siege)] : [];
    const ends = [...plain, ways.library(siege), ways.library(siege)].map((way, at) => load.run(`${at}`, way));
    const ran = promisify(execFile)(
      process.execPath,
      [program, "restart", "--rolling", "--json", "--url", cluster.natsUrl],
      { timeout: 280_000 },
    );
    const { stdout } = await ran.finally(() => load.stop());
    await Promise.all(ends);

    const state: unknown = JSON.parse(stdout);
    assert.ok(typeof state === "object" && state !== null && "done" in state && "failed" in state, stdout);
    assert.equal(state.failed, null);
    const restarted = natsServers === 1 ? [] : servers.map((_, at) => `nats-${at}`);
    assert.deepEqual(new Set(Array.isArray(state.done) ? state.done : []), new Set([...before.keys(), ...restarted]));
    const after = hosts();
    for (const [id, pid] of before) assert.notEqual(after.get(id), pid, `${id} has another process`);
    if (natsServers === 1)
      assert.deepEqual(cluster.natsServers(), servers, "a single nats-server stays: it would be missed");
    else
      for (const [at, { pid }] of cluster.natsServers().entries())
        assert.notEqual(pid, servers[at]?.pid, `nats-${at} has another process`);

    assert.deepEqual(load.failures, []);
    assert.ok(load.asked > 200, `there was load: ${load.asked}`);
    for (const [key, n] of load.written)
      assert.deepEqual((await client.table<Doc>("kept").get(key))?.doc, { n }, `${key} is as it was acknowledged last`);
    const { acts } = await client.cluster.audit();
    assert.ok(acts.some(({ op, decision }) => op === "rollingRestart" && decision === "done"));
    if (process.env.FORESHARD_PRINT !== undefined)
      process.stdout.write(
        `${load.asked} requests, ${load.failures.length} failed, the longest took ${Math.round(load.longestMs)} ms\n`,
      );
  });
});

/** A plain NATS client that asks a router, once; and the library, which asks the nodes themselves. */
const ways = {
  router(siege: Siege): Way {
    const ask = async (op: string, body: object) => {
      const bytes = pack({ ...body, deadlineMs });
      return answerOf(await siege.nats.request(`foreshard.query.kept.${op}`, bytes, { timeout: deadlineMs + 2_000 }));
    };
    return {
      async put(key, doc) {
        const { fault } = await ask("put", { key, doc });
        if (fault !== undefined) throw new Error(JSON.stringify(fault));
      },
      async get(key) {
        const { fault, row } = await ask("get", { key });
        if (fault !== undefined) throw new Error(JSON.stringify(fault));
        return rowOf(row).doc;
      },
    };
  },
  library(siege: Siege): Way {
    const table = siege.client.table<Doc>("kept");
    return {
      put: (key, doc) => table.put(key, doc, { deadlineMs }),
      get: async (key) => (await table.get(key, { deadlineMs }))?.doc,
    };
  },
};

/** Writers that each write their own keys with values that never come again, and read each back. */
class Load {
  readonly failures: string[] = [];
  /** The last acknowledged value of each key. */
  readonly written = new Map<string, number>();
  asked = 0;
  longestMs = 0;
  private running = true;

  stop(): void {
    this.running = false;
  }

  async run(writer: string, way: Way): Promise<void> {
    for (let n = 1; this.running; n++) {
      const key = `${writer}-${n % keys}`;
      await this.ask(`put ${key} ${n}`, async () => {
        await way.put(key, { n });
        this.written.set(key, n);
      });
      await this.ask(`get ${key} ${n}`, async () => assert.deepEqual(await way.get(key), { n }));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  private async ask(what: string, asking: () => Promise<void>): Promise<void> {
    const begunMs = performance.now();
    this.asked++;
    try {
      await asking();
    } catch (error) {
      this.failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
    this.longestMs = Math.max(this.longestMs, performance.now() - begunMs);
  }
}
