import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type RunningCluster, startCluster } from "../../cluster/boot/cluster.js";
import { decodeOptions } from "../../cluster/boot/options.js";
import { type Client, connect, FaultError } from "../../cluster/client/index.js";
import { startNatsServer } from "../../cluster/engine/nats-server.js";
import { until } from "../../cluster/engine/until.js";
import { silentLog } from "../../cluster/log.js";
import { faultOf, unwrap } from "../engine/support.js";

const run = promisify(execFile);
const MiB = 1024 * 1024;

/** A disk of its own, small and in memory: mounting one takes root. */
describe("a full disk", () => {
  let disk: string;
  let mounted = false;
  let cluster: RunningCluster | undefined;
  let client: Client | undefined;

  before(async function () {
    disk = await mkdtemp(join(tmpdir(), "foreshard-disk-"));
    mounted = await mount("size=320m").catch((error: unknown) => {
      process.stdout.write(`\n  skipped, a tmpfs cannot be mounted here: ${String(error)}\n`);
      return false;
    });
    if (!mounted) this.skip();
  });
  after(async () => {
    await client?.close();
    await cluster?.stop();
    if (mounted) await run("umount", [disk]).catch(() => run("umount", ["-l", disk]));
    await rm(disk, { recursive: true, force: true });
  });

  async function mount(options: string): Promise<boolean> {
    await run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", disk]);
    return true;
  }
  async function fill(leaveBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(disk);
    const count = Math.floor((bavail * bsize - leaveBytes) / MiB);
    await run("dd", ["if=/dev/zero", `of=${join(disk, "ballast")}`, "bs=1M", `count=${count}`]);
  }

  it("refuses to start where there is no room, and says how much is needed", async () => {
    await fill(20 * MiB);
    const folder = join(disk, "none");
    await mkdir(folder);
    const refused = faultOf(await startNatsServer(folder, silentLog));
    await rm(join(disk, "ballast"));
    assert.equal(refused.code, "DATA_DIR");
    assert.match(refused.message, /MiB free; at least \d+ MiB are needed.*--data-dir/);
    await rm(folder, { recursive: true });
  });

  it("refuses a data folder that cannot be written, and names the way out", async () => {
    const folder = join(disk, "sealed");
    await mkdir(folder);
    await run("mount", ["-o", "remount,ro", disk]);
    try {
      for (const path of [folder, join(disk, "new")]) {
        const options = unwrap(decodeOptions({ dataDir: path, port: 0, nodes: 1, control: 1 }));
        const refused = faultOf(await startCluster(options));
        assert.equal(refused.code, "DATA_DIR", refused.message);
        assert.match(refused.message, /cannot be made or written.*--data-dir/);
      }
    } finally {
      await run("mount", ["-o", "remount,rw", disk]);
    }
  });

  it("keeps every acknowledged row, says why it takes no more, and goes on once there is room", async function () {
    this.timeout(60_000);
    const options = decodeOptions({ dataDir: join(disk, "data"), port: 0, nodes: 1, control: 1, logGroups: 1 });
    cluster = unwrap(await startCluster(unwrap(options)));
    client = await connect(cluster.natsUrl);
    await client.admin.createTable({ name: "rows", fragments: 1 });
    const rows = client.table("rows");
    const text = "x".repeat(100_000);
    const stored = new Set<string>();
    await fill(24 * MiB);
    let refused: FaultError | undefined;
    for (let n = 0; n < 400 && refused === undefined; n++) {
      await rows.put(`r${n}`, { n, text }, { deadlineMs: 2000 }).then(
        () => stored.add(`r${n}`),
        (why: unknown) => {
          assert.ok(why instanceof FaultError, String(why));
          refused = why;
        },
      );
    }
    assert.ok(refused !== undefined, "the disk took everything");
    assert.ok(stored.size > 10, `only ${stored.size} rows were stored before`);
    assert.ok(
      ["LOG_FULL", "UNKNOWN_OUTCOME", "DEADLINE_EXCEEDED", "UNAVAILABLE", "FRAGMENT_FAULTED"].includes(refused.code),
      `${refused.code}: ${refused.message}`,
    );
    await rm(join(disk, "ballast"));
    const works = () =>
      rows.put("after", { ok: true }, { deadlineMs: 2000, requestId: "after" }).then(
        () => true,
        () => false,
      );
    assert.ok(await until(works, 30_000, 200), "no write after there was room again");
    const found = new Set<string>();
    for await (const { key } of rows.scan({ fields: ["n"], limit: 100 })) found.add(String(key));
    for (const key of stored) assert.ok(found.has(key), `acknowledged row ${key} is gone`);
  });
});
