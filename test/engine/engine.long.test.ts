import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { spawn } from "node:child_process";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { NatsError } from "nats";
import { findBinary, isNewEnough } from "../../cluster/engine/binary.js";
import { startNatsServer } from "../../cluster/engine/nats-server.js";
import { freePorts } from "../../cluster/engine/ports.js";
import { until } from "../../cluster/engine/until.js";
import { silentLog } from "../../cluster/log.js";
import { Bench, faultOf, isAlive, unwrap } from "./support.js";

describe("engine: binary", () => {
  const bench = new Bench();
  after(() => bench.close());

  it("finds the packaged nats-server", async () => {
    const found = unwrap(await findBinary(undefined));
    ok(isNewEnough(found.version));
  });

  it("says how to get a missing one", async () => {
    const missing = faultOf(await findBinary("/nowhere/nats-server"));
    strictEqual(missing.code, "ENGINE");
    match(missing.message, /--nats-server PATH/);
  });

  it("refuses one that is too old, naming both versions", async () => {
    const old = faultOf(await findBinary(await bench.script("echo 'nats-server: v2.10.22'")));
    strictEqual(old.code, "ENGINE");
    match(old.message, /2\.10\.22.*2\.12/s);
    deepStrictEqual(["2.11.9", "2.12.0", "2.14.0", "3.0.0", "1.99.0"].map(isNewEnough), [
      false,
      true,
      true,
      true,
      false,
    ]);
  });

  it("refuses one that is no nats-server, and one that may not be executed", async () => {
    match(faultOf(await findBinary(await bench.script("exit 3"))).message, /does not say a version/);
    const plain = await bench.script("echo 'nats-server: v2.14.0'");
    await chmod(plain, 0o644);
    match(faultOf(await findBinary(plain)).message, /chmod \+x/);
  });
});

describe("engine: start", () => {
  const bench = new Bench();
  const holders: Server[] = [];
  after(() => bench.close());
  afterEach(() => {
    for (const holder of holders.splice(0)) holder.close();
  });

  async function holdPort(port: number): Promise<void> {
    const holder = createServer();
    holders.push(holder);
    await new Promise<void>((resolve, reject) => {
      holder.once("error", reject);
      holder.listen(port, "127.0.0.1", resolve);
    });
  }

  it("keeps its passwords in a file that only the owner reads, the same after a restart", async () => {
    const folder = await bench.folder();
    const engine = await bench.engine({}, folder);
    const path = join(folder, "credentials.json");
    strictEqual((await stat(path)).mode & 0o777, 0o600);
    strictEqual((await stat(join(folder, "nats", "0", "nats-server.conf"))).mode & 0o777, 0o600);
    const before = await readFile(path, "utf8");
    await engine.stop();
    const again = await bench.engine({}, folder);
    strictEqual(await readFile(path, "utf8"), before);
    deepStrictEqual(again.credentials, engine.credentials);
    const passes = Object.values(again.credentials).map(({ pass }) => pass);
    strictEqual(new Set(passes).size, passes.length);
  });

  it("names a damaged credentials file", async () => {
    const folder = await bench.folder();
    await writeFile(join(folder, "credentials.json"), "{");
    const refused = faultOf(await startNatsServer(folder, silentLog));
    strictEqual(refused.code, "DATA_DIR");
    match(refused.message, /credentials\.json/);
  });

  it("refuses a port that was asked for and is taken", async () => {
    const [port = 0] = await freePorts(1);
    await holdPort(port);
    const refused = faultOf(await startNatsServer(await bench.folder(), silentLog, { port }));
    strictEqual(refused.code, "ENGINE");
    match(refused.message, new RegExp(`port ${port} is taken.*--port`));
  });

  it("refuses addresses that do not fit its servers, and says how many it wants", async () => {
    const wrong = await startNatsServer(await bench.folder(), silentLog, { advertise: ["a:1", "b:1"] });
    match(faultOf(wrong).message, /natsAdvertise names 2 addresses for 1 nats-server/);
    const routes = await startNatsServer(await bench.folder(), silentLog, { routeAdvertise: ["a:1"] });
    match(faultOf(routes).message, /only three nats-servers have links between them/);
  });

  it("reports a server that ends at once, with what it said", async () => {
    const binary = await bench.script(
      "[ \"$1\" = --version ] && echo 'nats-server: v2.14.0' && exit 0\necho 'cannot do this' >&2; exit 7",
    );
    const refused = faultOf(await startNatsServer(await bench.folder(), silentLog, { binary }));
    strictEqual(refused.code, "ENGINE");
    match(refused.message, /exit code 7.*cannot do this/);
  });

  it("reports a server that never gets ready, and ends it", async () => {
    const folder = await bench.folder();
    const binary = await bench.script(
      `[ "$1" = --version ] && echo 'nats-server: v2.14.0' && exit 0\necho $$ > ${folder}/pid; exec sleep 100`,
    );
    const refused = faultOf(await startNatsServer(folder, silentLog, { binary, readyMs: 400 }));
    match(refused.message, /not ready within/);
    const pid = Number(await readFile(join(folder, "pid"), "utf8"));
    ok(pid > 1 && !isAlive(pid));
  });

  it("refuses a server without JetStream", async () => {
    const real = unwrap(await findBinary(undefined)).path;
    const binary = await bench.script(
      [
        `[ "$1" = --version ] && exec ${real} --version`,
        'sed -e "/\\"jetstream\\": {/,/},/d" -e "/\\"jetstream\\": \\"enabled\\"/d" "$2" > "$2.plain"',
        `exec ${real} -c "$2.plain"`,
      ].join("\n"),
    );
    const refused = faultOf(await startNatsServer(await bench.folder(), silentLog, { binary }));
    strictEqual(refused.code, "ENGINE");
    match(refused.message, /without JetStream/);
  });

  it("starts a killed server again on the same port, with its data", async () => {
    const engine = await bench.engine();
    const core = await bench.connection(engine, "core");
    await (await core.jetstreamManager()).streams.add({ name: "KEPT", subjects: ["foreshard.kept"] });
    await core.jetstream().publish("foreshard.kept", "1");
    const before = engine.servers()[0];
    ok(before !== undefined && before.pid > 0);
    process.kill(before.pid, "SIGKILL");
    const isBack = () => {
      const pid = engine.servers()[0]?.pid ?? 0;
      return pid !== 0 && pid !== before.pid;
    };
    ok(await until(isBack, 5000), "the server did not come back");
    const kept = async () =>
      core.jetstreamManager({ timeout: 500 }).then(
        async (manager) => (await manager.streams.info("KEPT")).state.messages === 1,
        () => false,
      );
    ok(await until(kept, 5000), "the record is not there");
    strictEqual(engine.servers()[0]?.port, before.port);
  });

  it("leaves no process behind, neither when stopped nor when its owner was killed", async () => {
    const folder = await bench.folder();
    const script = `
      import { startNatsServer } from ${JSON.stringify(new URL("../../cluster/engine/nats-server.js", import.meta.url).href)};
      const engine = await startNatsServer(${JSON.stringify(folder)}, () => undefined);
      console.log(engine.value.servers()[0].pid);
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pid = await new Promise<number>((resolve) => owner.stdout.once("data", (text) => resolve(Number(text))));
    ok(isAlive(pid));
    owner.kill("SIGKILL");
    ok(await until(() => !isAlive(pid), 5000), "the server outlived its owner");
    const engine = await bench.engine({}, folder);
    const mine = engine.servers()[0]?.pid ?? 0;
    ok(isAlive(mine));
    await engine.stop();
    ok(!isAlive(mine));
  });

  it("ends a server that an earlier run of the same folder left", async () => {
    const folder = await bench.folder();
    const first = await bench.engine({}, folder);
    const pid = first.servers()[0]?.pid ?? 0;
    const second = await bench.engine({}, folder);
    ok(!isAlive(pid));
    await second.stop();
    await first.stop();
  });
});

describe("engine: three servers", () => {
  const bench = new Bench();
  after(() => bench.close());

  it("form a JetStream cluster, survive kill -9 of one and a planned restart of another", async () => {
    const engine = await bench.engine({ servers: 3 });
    strictEqual(engine.servers().length, 3);
    const core = await bench.connection(engine, "core");
    const manager = await core.jetstreamManager();
    // A server may answer for itself before the others have told the leader that it is there (10005): asked again, as a start does.
    const add = async () =>
      manager.streams.add({ name: "THREE", subjects: ["foreshard.three"], num_replicas: 3 }).then(
        () => true,
        (error: unknown) => {
          if (error instanceof NatsError && error.api_error?.err_code === 10005) return false;
          throw error;
        },
      );
    ok(await until(add, 15_000, 100), "the servers did not find each other");
    const made = await manager.streams.info("THREE");
    strictEqual(made.cluster?.replicas?.length, 2);
    // The id keeps it one message, however often it is tried: not every server knows of a new stream at once, and one that is gone says nothing.
    const written = (text: string) => async () =>
      core
        .jetstream()
        .publish("foreshard.three", text, { timeout: 500, msgID: text })
        .then(
          () => true,
          () => false,
        );
    ok(await until(written("one"), 15_000, 100), "the new stream takes nothing");
    const victim = engine.servers().find(({ name }) => name !== made.cluster?.leader);
    ok(victim !== undefined);
    process.kill(victim.pid, "SIGKILL");
    ok(await until(written("two"), 15_000, 100), "no majority after the kill");
    ok(await until(() => engine.servers().every(({ pid }) => pid !== 0), 10_000));
    const kept = async () =>
      manager.streams.info("THREE").then(
        ({ state, cluster }) =>
          state.messages === 2 &&
          (cluster?.replicas ?? []).every(({ current, offline }) => current && offline !== true),
        () => false,
      );
    ok(await until(kept, 10_000, 50), "the killed server did not catch up");
    const leader = engine.servers().findIndex(({ name }) => name === made.cluster?.leader);
    unwrap(await engine.restartServer(leader));
    ok(await until(kept, 10_000, 50));
  });
});
