// The bench of growth, with tiny steps: every axis is measured, printed and drawn.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);
const script = fileURLToPath(new URL("../../scripts/bench/growth.js", import.meta.url));
const printed = z.object({
  lines: z.array(
    z.object({ name: z.string(), steps: z.array(z.number()), figures: z.array(z.record(z.string(), z.number())) }),
  ),
});

describe("npm run bench:growth", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "foreshard-growth-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const [axis, steps, plots] of [
    ["callers", [1, 8], ["callers-p99.svg", "callers-throughput.svg"]],
    ["rows", [1000, 2000], ["rows-memory.svg", "rows-p99.svg", "rows-start.svg", "rows-throughput.svg"]],
    ["watchers", [1, 2], ["watchers-late.svg", "watchers-rate.svg"]],
  ] as const)
    it(`measures and draws ${axis}`, async function () {
      this.timeout(120_000);
      const words = [script, "--json", "--seconds", "1", "--only", axis, "--steps", steps.join(), "--plots", folder];
      const { stdout } = await run(process.execPath, words);
      const [line, ...others] = printed.parse(JSON.parse(stdout)).lines;
      assert.ok(line !== undefined && others.length === 0);
      assert.equal(line.name, axis);
      assert.deepEqual(line.steps, steps);
      assert.equal(line.figures.length, steps.length);
      for (const figures of line.figures)
        for (const [name, figure] of Object.entries(figures))
          assert.ok(name === "rssPerMillion" || figure > 0, `${name} is ${figure}`);
      const drawn = (await readdir(folder)).filter((name) => name.startsWith(axis)).sort();
      assert.deepEqual(drawn, plots);
      for (const name of drawn) assert.match(await readFile(join(folder, name), "utf8"), /<circle/);
    });
});
