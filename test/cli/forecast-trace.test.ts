// The door for forecasts of a trace: the command itself, byte for byte the same output whatever stands in the file behind the origins.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { seededRandom } from "../../src/kernel/random.js";

const command = fileURLToPath(new URL("../../scripts/foreshard.js", import.meta.url));
const startMs = Date.UTC(2026, 0, 1);
const rows = 400;
const origin = 300;

function lineOf(at: number, value: number | string): string {
  return `${new Date(startMs + at * 300_000).toISOString()},a,${value}`;
}

describe("foreshard forecast --trace", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "foreshard-leak-"));
  });
  after(() => rm(folder, { recursive: true }));

  async function forecast(name: string, lines: readonly string[]): Promise<readonly string[]> {
    const path = (what: string): string => join(folder, what);
    // The name of the trace stands in the output, so all have the same.
    await writeFile(path("trace.csv"), `timestamp_iso,series,value\n${lines.join("\n")}\n`);
    const asked = [origin - 60, origin].map(
      (at, n) => `trace,a,${n},${new Date(startMs + at * 300_000).toISOString()}`,
    );
    await writeFile(path("origins.csv"), `trace,series,origin_index,timestamp_iso\n${asked.join("\n")}\n`);
    const outs = [path(`${name}.csv`), path(`${name}-max.csv`)];
    const [out = "", max = ""] = outs;
    const files = ["--trace", path("trace.csv"), "--origins", path("origins.csv"), "--out", out, "--max-out", max];
    await promisify(execFile)(process.execPath, [command, "forecast", ...files, "--horizon", "12"], {
      timeout: 60_000,
    });
    return Promise.all(outs.map((file) => readFile(file, "utf8")));
  }

  it("uses nothing behind an origin: shuffled, emptied, blown up and cut short, the output is the same to the byte", async function () {
    this.timeout(120_000);
    const random = seededRandom(3);
    const value = (at: number): number => Math.round(100 + 50 * Math.sin((2 * Math.PI * at) / 48) + 20 * random.next());
    const lines = Array.from({ length: rows }, (_, at) => lineOf(at, value(at)));
    const known = lines.slice(0, origin + 1);
    const future = lines.slice(origin + 1);
    const values = future.map((line) => line.split(",")[2] ?? "");
    const spoiled = ["", 10 ** 12, 0];
    const behind = future.map((_, at) => {
      const shuffled = values[(at * 37) % values.length] ?? "";
      return lineOf(origin + 1 + at, at % 4 < 3 ? shuffled : (spoiled[at % 3] ?? ""));
    });
    const truth = await forecast("truth", lines);
    assert.deepEqual(await forecast("shuffled", [...known, ...behind.slice(0, -20)]), truth);
    // And it does depend on what lies before.
    const other = [...known.slice(0, -5), ...known.slice(-5).map((_, at) => lineOf(origin - 4 + at, 900)), ...future];
    assert.notDeepEqual(await forecast("other", other), truth);
  });
});
