import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openDataDir } from "../../cluster/boot/data-dir.js";
import { type Migration, migrate } from "../../cluster/boot/migration.js";
import { decodeOptions } from "../../cluster/boot/options.js";
import type { Result } from "../../src/kernel/fault.js";
import { Bench, faultOf, unwrap } from "../engine/support.js";

describe("data folder of another format", () => {
  const bench = new Bench();
  after(() => bench.close());

  /** Notes its run in the order of all runs, and leaves a file named by the format it leads to. */
  function step(from: number, runs: number[], crash: () => boolean = () => false): Migration {
    return {
      from,
      what: `step ${from}`,
      async run(path, content) {
        runs.push(from);
        await writeFile(join(path, `made-by-${from}`), "");
        if (crash()) throw new Error("no power");
        return { ...content, [`field${from}`]: from };
      },
    };
  }

  async function folderOf(format: unknown): Promise<{ readonly path: string; readonly file: string }> {
    const path = await bench.folder();
    const file = join(path, "foreshard.json");
    await writeFile(file, JSON.stringify({ format, clusterId: "c" }));
    return { path, file };
  }

  async function travel(path: string, migrations: readonly Migration[], format: number): Promise<Result<unknown>> {
    const file = join(path, "foreshard.json");
    return migrate({ path, file, content: JSON.parse(await readFile(file, "utf8")), format, migrations });
  }

  it("goes through every step in order, and then says the new format", async () => {
    const { path, file } = await folderOf(3);
    const runs: number[] = [];
    const steps = [step(4, runs), step(2, runs), step(3, runs)];
    const expected = { format: 5, clusterId: "c", field3: 3, field4: 4 };
    deepStrictEqual(unwrap(await travel(path, steps, 5)), expected);
    deepStrictEqual(runs, [3, 4]);
    deepStrictEqual(JSON.parse(await readFile(file, "utf8")), expected);
    strictEqual((await stat(file)).mode & 0o777, 0o600);
    deepStrictEqual(unwrap(await travel(path, steps, 5)), expected);
    deepStrictEqual(runs, [3, 4], "a folder that arrived was migrated once more");
  });

  it("goes on where a crash left it, whether within a step or between two", async () => {
    const { path } = await folderOf(1);
    const runs: number[] = [];
    let crashes = 1;
    const steps = [step(1, runs), step(2, runs, () => crashes-- > 0), step(3, runs)];
    const refused = faultOf(await travel(path, steps, 4));
    deepStrictEqual([refused.code, refused.detail], ["DATA_DIR", { format: 2 }]);
    match(refused.message, /stays at format 2.*step 2.*no power.*start again/);
    const left: unknown = JSON.parse(await readFile(join(path, "foreshard.json"), "utf8"));
    deepStrictEqual(left, { format: 2, clusterId: "c", field1: 1 });
    unwrap(await travel(path, steps, 4));
    deepStrictEqual(runs, [1, 2, 2, 3]);
  });

  it("is refused untouched where a step of the way is not known", async () => {
    const { path, file } = await folderOf(1);
    const runs: number[] = [];
    const before = await readFile(file, "utf8");
    const refused = faultOf(await travel(path, [step(1, runs), step(3, runs)], 4));
    match(refused.message, /has format 1, this version reads format 4: use the older foreshard/);
    deepStrictEqual([runs, await readFile(file, "utf8"), await readdir(path)], [[], before, ["foreshard.json"]]);
  });

  it("is refused untouched when it is newer: no file more, none less, none changed", async () => {
    const { path, file } = await folderOf(2);
    await writeFile(join(path, "of-the-future"), "kept");
    const before = {
      names: await readdir(path),
      text: await readFile(file, "utf8"),
      changedMs: (await stat(file)).mtimeMs,
    };
    const refused = faultOf(await openDataDir(unwrap(decodeOptions({ dataDir: path }))));
    deepStrictEqual([refused.code, refused.detail], ["DATA_DIR", { format: 2 }]);
    match(refused.message, /has format 2, this version reads format 1: use the newer foreshard that made it/);
    deepStrictEqual(
      { names: await readdir(path), text: await readFile(file, "utf8"), changedMs: (await stat(file)).mtimeMs },
      before,
    );
  });

  it("is opened as it stands when it is the first there was", async () => {
    const { path, file } = await folderOf(1);
    const made = { format: 1, clusterId: "c", createdMs: 1, natsServers: 1, logGroups: 4, controlPartitions: 1 };
    await writeFile(file, JSON.stringify(made));
    const opened = unwrap(await openDataDir(unwrap(decodeOptions({ dataDir: path }))));
    ok(opened.path.length > 0);
    deepStrictEqual(opened.facts, made);
    await opened.release();
  });
});
