import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type RunningCluster, startCluster } from "../../cluster/boot/cluster.js";
import { decodeOptions } from "../../cluster/boot/options.js";
import { buryPastHosts, hostRecord } from "../../cluster/boot/past-hosts.js";
import { until } from "../../cluster/engine/until.js";
import { openProcess } from "../../cluster/hosts/process-door.js";
import { Bench, faultOf, isAlive, unwrap } from "../engine/support.js";

describe("cluster", () => {
  const bench = new Bench();
  const running: RunningCluster[] = [];
  afterEach(async () => {
    for (const cluster of running.splice(0)) await cluster.stop();
  });
  after(() => bench.close());

  async function start(chosen: Record<string, unknown>, notices: string[] = []): Promise<RunningCluster> {
    const dataDir = join(await bench.folder(), "data");
    const options = unwrap(decodeOptions({ dataDir, logGroups: 2, page: "off", ...chosen }));
    const cluster = unwrap(await startCluster(options, { onNotice: (notice) => notices.push(notice) }));
    running.push(cluster);
    return cluster;
  }

  it("runs on NATS servers that somebody else started, and leaves them running", async () => {
    const engine = await bench.engine();
    const { core, client } = engine.credentials;
    const creds = join(await bench.folder(), "creds.json");
    await writeFile(creds, JSON.stringify({ ...core, client }));
    const nats = `nats://${engine.coreServers[0]}`;
    const cluster = await start({ nats, creds, nodes: 1, control: 1 });
    strictEqual(cluster.natsUrl, engine.clientUrl);
    deepStrictEqual(cluster.natsServers(), []);
    const found: unknown = JSON.parse(await readFile(join(cluster.dataDir, "connection.json"), "utf8"));
    deepStrictEqual(found, {
      natsUrl: engine.clientUrl,
      servers: engine.coreServers,
      inboxPrefix: client.inboxPrefix,
      creds,
      pid: process.pid,
    });
    await cluster.stop();
    ok(isAlive(engine.servers()[0]?.pid ?? 0));
  });

  it("starts a crashed host again, and restarts one in order", async () => {
    const notices: string[] = [];
    const cluster = await start({ nodes: 2, control: 1, isolation: "processes" }, notices);
    const pidOf = (id: string) => cluster.nodes().find((node) => node.id === id)?.pid ?? 0;
    const first = pidOf("n1");
    ok(cluster.kill("n1"));
    ok(await until(() => pidOf("n1") !== first && isAlive(pidOf("n1")), 10_000));
    ok(await until(() => notices.includes("n1 runs again"), 10_000));
    // The default port may be taken by something else on this machine; that notice is not of this test.
    deepStrictEqual(
      notices.filter((notice) => notice.startsWith("n1")),
      ["n1 died", "n1 runs again"],
    );
    const second = pidOf("n1");
    unwrap(await cluster.restart("n1"));
    notStrictEqual(pidOf("n1"), second);
    ok(!isAlive(second));
    strictEqual(await cluster.leave("nobody"), false);
    strictEqual(cluster.kill("nobody"), false);
  });

  it("lets go of everything when a start fails in the middle", async () => {
    const dataDir = join(await bench.folder(), "data");
    // A file where the folder of a node should be.
    await mkdir(join(dataDir, "nodes"), { recursive: true });
    await writeFile(
      join(dataDir, "foreshard.json"),
      JSON.stringify({ format: 1, clusterId: "0", createdMs: 0, natsServers: 1, logGroups: 1, controlPartitions: 1 }),
    );
    await writeFile(join(dataDir, "nodes", "n1"), "");
    const options = unwrap(decodeOptions({ dataDir, port: 0, nodes: 1 }));
    const refused = faultOf(await startCluster(options));
    match(refused.message, /n1/);
    ok(!existsSync(join(dataDir, "lock")));
    const pid = Number(await readFile(join(dataDir, "nats", "0", "nats-server.pid"), "utf8"));
    ok(pid > 1 && !isAlive(pid), "nats-server was left behind");
  });

  it("ends hosts of the last run that still run, and names all of them as gone", async () => {
    const folder = await bench.folder();
    const orphan = openProcess("n1", "");
    const record = hostRecord(folder);
    record.note([
      { id: "n1", role: "node", pid: orphan.pid, incarnation: "a" },
      { id: "n2", role: "node", pid: 0, incarnation: "b" },
    ]);
    await record.settled();
    ok(isAlive(orphan.pid));
    const past = await buryPastHosts(folder);
    deepStrictEqual(
      past.map(({ id, incarnation }) => [id, incarnation]),
      [
        ["n1", "a"],
        ["n2", "b"],
      ],
    );
    match(await orphan.ended, /SIGKILL/);
    deepStrictEqual(await buryPastHosts(await bench.folder()), []);
  });
});
