import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect } from "nats";
import { z } from "zod";
import { until } from "../../cluster/engine/until.js";
import { Bench, isAlive } from "../engine/support.js";

const script = fileURLToPath(new URL("../../scripts/start.js", import.meta.url));
const host = z.object({ id: z.string(), pid: z.number() });
const readyFile = z.object({
  natsUrl: z.string(),
  nodes: z.array(host),
  routers: z.array(host),
  control: z.array(host),
  natsServers: z.array(z.object({ pid: z.number(), port: z.number() })),
  dataDir: z.string(),
});
type Ready = z.infer<typeof readyFile>;

describe("npm start", () => {
  const bench = new Bench();
  const children: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
    }
  });
  after(() => bench.close());

  /** Runs to the end; what it said and how it ended. */
  async function refused(...args: string[]): Promise<string> {
    const run = promisify(execFile)(process.execPath, [script, ...args], { timeout: 30_000 });
    const said = await run.then(
      () => "it started",
      (error: { code: number; stderr: string }) => `${error.code} ${error.stderr}`,
    );
    doesNotMatch(said, /\n\s+at /, "a stack trace reached the user");
    return said;
  }

  interface Started {
    readonly child: ChildProcess;
    readonly ready: Ready;
    readonly readyPath: string;
    words(): string;
  }

  async function start(...args: string[]): Promise<Started> {
    const readyPath = join(await bench.folder(), "ready.json");
    const child = spawn(process.execPath, [script, "--ready-file", readyPath, "--port", "0", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    let words = "";
    child.stdout.on("data", (text) => (words += text));
    child.stderr.on("data", (text) => (words += text));
    ok(await until(() => existsSync(readyPath) || child.exitCode !== null, 30_000), `not ready: ${words}`);
    strictEqual(child.exitCode, null, words);
    return { child, readyPath, ready: await readReady(readyPath), words: () => words };
  }

  async function readReady(path: string): Promise<Ready> {
    return readyFile.parse(JSON.parse(await readFile(path, "utf8")));
  }

  async function endOf(child: ChildProcess): Promise<number | null> {
    return new Promise((resolve) => child.once("exit", resolve));
  }

  async function tables(natsUrl: string): Promise<unknown> {
    const { hostname, port, username, password } = new URL(natsUrl);
    const { headers } = await import("nats");
    const json = headers();
    json.set("Content-Type", "application/json");
    const client = await connect({ servers: `${hostname}:${port}`, user: username, pass: password });
    try {
      return (await client.request("foreshard.query._cluster.tables", "{}", { headers: json, timeout: 2000 })).json();
    } finally {
      await client.close();
    }
  }

  it("refuses what cannot work with a code, a sentence, and exit code 1", async () => {
    const folder = await bench.folder();
    const file = join(folder, "file");
    await writeFile(file, "[1]");
    match(await refused("--nodes", "0"), /^1 CONFIG: nodes must be/);
    match(await refused("--config", file), /^1 CONFIG: .*must hold one JSON object/);
    match(await refused("--config", join(folder, "none")), /^1 CONFIG: .*cannot be read/);
    match(await refused("--data-dir", file), /^1 DATA_DIR: /);
    match(
      await refused("--data-dir", join(folder, "a"), "--nats-server", "/nowhere"),
      /^1 ENGINE: .*--nats-server PATH/,
    );
    match(await refused("--data-dir", join(folder, "b"), "--nats", "nats://127.0.0.1:1"), /^1 ENGINE: .*reached/);
    match(await refused("--nodez", "3"), /^1 error: unknown option/);
  });

  it("refuses a busy port, and lets go of the data folder again", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    const port = await new Promise<number>((resolve) =>
      holder.once("listening", () => {
        const address = holder.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      }),
    );
    const folder = join(await bench.folder(), "data");
    try {
      match(await refused("--data-dir", folder, "--port", String(port)), /^1 ENGINE: port \d+ is taken/);
    } finally {
      holder.close();
    }
    ok(existsSync(join(folder, "foreshard.json")));
    ok(!existsSync(join(folder, "lock")));
  });

  for (const isolation of ["threads", "processes"]) {
    it(`serves with ${isolation}, tells so in the ready file, and ends in order on Ctrl-C`, async () => {
      const folder = join(await bench.folder(), "data");
      const { child, ready, readyPath, words } = await start("--data-dir", folder, "--isolation", isolation);
      deepStrictEqual(
        [ready.nodes, ready.routers, ready.control].map((hosts) => hosts.map(({ id }) => id)),
        [["n1", "n2", "n3"], ["r1"], ["c1", "c2"]],
      );
      strictEqual((await stat(readyPath)).mode & 0o777, 0o600);
      deepStrictEqual(await tables(ready.natsUrl), { tables: [] });
      const again = await refused("--data-dir", folder, "--port", "0");
      match(again, new RegExp(`^1 ALREADY_RUNNING: .*pid ${child.pid}\\b`));
      ok(await until(() => words().includes("Ctrl-C stops it"), 5000));
      const pids = [...ready.nodes, ...ready.routers, ...ready.control, ...ready.natsServers].map(({ pid }) => pid);
      ok(pids.length === 7 && pids.every(isAlive));
      strictEqual(new Set(pids).size, isolation === "processes" ? 7 : 2);
      const ended = endOf(child);
      child.kill("SIGINT");
      strictEqual(await ended, 0, words());
      ok(await until(() => !pids.some(isAlive), 2000), "a process was left behind");
      for (const path of [readyPath, join(folder, "connection.json"), join(folder, "lock")])
        ok(!existsSync(path), path);
    });
  }

  it("comes back after kill -9 of everything, on the same folder", async () => {
    const folder = join(await bench.folder(), "data");
    const first = await start("--data-dir", folder, "--isolation", "processes", "--nodes", "1", "--control", "1");
    const pids = [...first.ready.nodes, ...first.ready.routers, ...first.ready.control, ...first.ready.natsServers];
    const ended = endOf(first.child);
    first.child.kill("SIGKILL");
    for (const { pid } of pids) process.kill(pid, "SIGKILL");
    await ended;
    const second = await start("--data-dir", folder, "--nodes", "1", "--control", "1");
    deepStrictEqual(await tables(second.ready.natsUrl), { tables: [] });
    const stopped = endOf(second.child);
    second.child.kill("SIGTERM");
    strictEqual(await stopped, 0, second.words());
  });

  it("starts a killed node again and says its new pid in the ready file", async () => {
    const folder = join(await bench.folder(), "data");
    const { child, ready, readyPath } = await start("--data-dir", folder, "--isolation", "processes", "--nodes", "2");
    const victim = ready.nodes[0];
    ok(victim !== undefined);
    process.kill(victim.pid, "SIGKILL");
    const isBack = async () => {
      const now = (await readReady(readyPath)).nodes[0];
      return now !== undefined && now.pid !== victim.pid && now.pid !== 0 && isAlive(now.pid);
    };
    ok(await until(isBack, 10_000), "the ready file does not name a new process");
    const stopped = endOf(child);
    child.kill("SIGTERM");
    strictEqual(await stopped, 0);
  });
});
