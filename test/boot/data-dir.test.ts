import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { spawn } from "node:child_process";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openDataDir } from "../../cluster/boot/data-dir.js";
import { decodeOptions, type StartOptions } from "../../cluster/boot/options.js";
import { Bench, faultOf, unwrap } from "../engine/support.js";

describe("data folder", () => {
  const bench = new Bench();
  after(() => bench.close());

  function wish(dataDir: string, more: Record<string, unknown> = {}): StartOptions {
    return unwrap(decodeOptions({ dataDir, ...more }));
  }

  it("is made private, and found again with what it was made with", async () => {
    const path = join(await bench.folder(), "deep", "data");
    const made = unwrap(await openDataDir(wish(path, { logGroups: 4 })));
    strictEqual((await stat(path)).mode & 0o777, 0o700);
    strictEqual(made.facts.logGroups, 4);
    await made.release();
    const again = unwrap(await openDataDir(wish(path)));
    deepStrictEqual(again.facts, made.facts);
    await again.release();
    match(faultOf(await openDataDir(wish(path, { logGroups: 8 }))).message, /made with logGroups 4/);
    match(faultOf(await openDataDir(wish(path, { natsServers: 3 }))).message, /made with natsServers 1/);
    await unwrap(await openDataDir(wish(path, { logGroups: 4 }))).release();
  });

  it("of another format is left alone, with what to do", async () => {
    const path = await bench.folder();
    const file = join(path, "foreshard.json");
    await writeFile(file, '{"format": 99}');
    const newer = faultOf(await openDataDir(wish(path)));
    strictEqual(newer.code, "DATA_DIR");
    match(newer.message, /format 99.*newer/);
    await writeFile(file, '{"format": 0}');
    match(faultOf(await openDataDir(wish(path))).message, /format 0.*older/);
    await writeFile(file, "{");
    match(faultOf(await openDataDir(wish(path))).message, /damaged/);
    strictEqual(await readFile(file, "utf8"), "{");
  });

  it("that cannot be made is refused", async () => {
    const file = join(await bench.folder(), "file");
    await writeFile(file, "");
    for (const path of [file, join(file, "below")]) {
      const refused = faultOf(await openDataDir(wish(path)));
      strictEqual(refused.code, "DATA_DIR");
      match(refused.message, /--data-dir/);
    }
  });

  it("that holds other things is refused", async () => {
    const path = await bench.folder();
    await writeFile(join(path, "thesis.txt"), "");
    const refused = faultOf(await openDataDir(wish(path)));
    strictEqual(refused.code, "DATA_DIR");
    match(refused.message, /thesis\.txt/);
  });

  it("may hold empty folders for disks that are mounted there, and nothing else", async () => {
    const path = await bench.folder();
    await mkdir(join(path, "nats", "2"), { recursive: true });
    await unwrap(await openDataDir(wish(path))).release();
    const other = await bench.folder();
    await mkdir(join(other, "nodes"));
    await writeFile(join(other, "nodes", "notes.txt"), "");
    match(faultOf(await openDataDir(wish(other))).message, /holds other files \(nodes\)/);
  });

  it("in use names the process that holds it; released, it opens", async () => {
    const path = await bench.folder();
    const held = unwrap(await openDataDir(wish(path)));
    const refused = faultOf(await openDataDir(wish(path)));
    strictEqual(refused.code, "ALREADY_RUNNING");
    match(refused.message, new RegExp(`pid ${process.pid}\\b`));
    await held.release();
    await unwrap(await openDataDir(wish(path))).release();
  });

  it("is held by one of many that open it at once", async () => {
    const path = await bench.folder();
    const opened = await Promise.all(Array.from({ length: 8 }, () => openDataDir(wish(path))));
    const holders = opened.flatMap((outcome) => (outcome.ok ? [outcome.value] : []));
    strictEqual(holders.length, 1);
    await holders[0]?.release();
  });

  it("opens after its holder was killed", async () => {
    const path = await bench.folder();
    const script = `
      import { lockFolder } from ${JSON.stringify(new URL("../../cluster/boot/lock.js", import.meta.url).href)};
      console.log((await lockFolder(${JSON.stringify(path)})).ok);
      setInterval(() => undefined, 1000);`;
    const holder = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const said = await new Promise<string>((resolve) =>
      holder.stdout.once("data", (text) => resolve(String(text).trim())),
    );
    strictEqual(said, "true");
    const refused = faultOf(await openDataDir(wish(path)));
    deepStrictEqual([refused.code, refused.detail], ["ALREADY_RUNNING", { pid: holder.pid }]);
    const gone = new Promise((resolve) => holder.once("exit", resolve));
    holder.kill("SIGKILL");
    await gone;
    const opened = unwrap(await openDataDir(wish(path)));
    ok(opened.facts.clusterId.length > 0);
    await opened.release();
  });

  it("is not kept by a lock whose pid was given to another process since", async () => {
    const path = await bench.folder();
    await writeFile(join(path, "lock"), JSON.stringify({ pid: process.pid, mark: "another boot/1" }));
    await unwrap(await openDataDir(wish(path))).release();
  });
});
