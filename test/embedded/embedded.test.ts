import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FaultError, startCluster } from "../../cluster/index.js";

/** The one child of the cluster here. */
async function serverPid(dataDir: string): Promise<number> {
  return Number(await readFile(join(dataDir, "nats", "0", "nats-server.pid"), "utf8"));
}

describe("embedded cluster", () => {
  const system = process.env.TMPDIR;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "foreshard-embedding-"));
    process.env.TMPDIR = folder;
  });
  after(async () => {
    if (system === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = system;
    await rm(folder, { recursive: true, force: true });
  });

  async function refusal(options: object): Promise<FaultError> {
    const error = await startCluster(options).then(
      (cluster) => cluster.stop(),
      (why: unknown) => why,
    );
    assert.ok(error instanceof FaultError, String(error));
    return error;
  }

  it("serves, knows its users, and leaves nothing when it was stopped", async () => {
    const pass = "long enough";
    const publish = ["foreshard.query._cluster.view", "foreshard.query.users.read.*"];
    const cluster = await startCluster({
      users: [
        { user: "reader", pass, publish },
        { user: "blind", pass, publish: ["foreshard.query.users.get"] },
      ],
    });
    try {
      assert.deepEqual(cluster.nodes, ["n1"]);
      const db = await cluster.connect();
      await db.admin.createTable({ name: "users", fragments: 1 });
      await db.table("users").put("ada", { born: 1815 });
      const reader = (await cluster.connect({ user: "reader", pass })).table("users");
      assert.deepEqual((await reader.get("ada"))?.doc, { born: 1815 });
      await assert.rejects(reader.delete("ada"), { code: "FORBIDDEN" });
      const blind = (await cluster.connect({ user: "blind", pass })).table("users");
      await assert.rejects(blind.get("ada"), { code: "FORBIDDEN", message: /_cluster\.view/ });
      await db.close();
    } finally {
      const pid = await serverPid(cluster.dataDir);
      await cluster.stop();
      await cluster[Symbol.asyncDispose]();
      assert.throws(() => process.kill(pid, 0), "nats-server was left behind");
    }
    assert.deepEqual(await readdir(folder), []);
  });

  it("keeps a folder that was named, and what is in it", async () => {
    const dataDir = join(folder, "kept");
    const first = await startCluster({ dataDir });
    const db = await first.connect();
    await db.admin.createTable({ name: "users", fragments: 1 });
    await db.table("users").put("ada", { born: 1815 });
    assert.equal((await refusal({ dataDir })).code, "ALREADY_RUNNING");
    await first.stop();
    const again = await startCluster({ dataDir });
    const row = await (await again.connect()).table("users").get("ada");
    await again.stop();
    assert.deepEqual(row?.doc, { born: 1815 });
    await rm(dataDir, { recursive: true });
  });

  it("says why it cannot start, and cleans up", async () => {
    const few = await refusal({ nodes: 2, replicas: 3 });
    assert.equal(few.code, "CONFIG");
    assert.match(few.message, /replicas is 3 with nodes 2/);
    assert.match((await refusal({ nodez: 2 })).message, /nodez/);
    const taken = join(folder, "taken");
    await writeFile(taken, "");
    assert.equal((await refusal({ dataDir: taken })).code, "DATA_DIR");
    await rm(taken);
    // In the middle of a start: the page cannot have this address, the server runs already.
    assert.match((await refusal({ page: "203.0.113.1:1" })).message, /203\.0\.113\.1/);
    assert.deepEqual(await readdir(folder), []);
    assert.ok(!existsSync(join(folder, "kept")));
  });
});
