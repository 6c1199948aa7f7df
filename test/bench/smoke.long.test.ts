// The bench of speed, with tiny sizes: every system is measured, or said to be missing, and nothing fails.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);
const script = fileURLToPath(new URL("../../scripts/bench/ycsb.js", import.meta.url));
const systems = [
  "foreshard-3-interval",
  "redis-everysec",
  "kv-interval",
  "echo",
  "foreshard-3-always",
  "redis-always",
  "kv-always",
  "foreshard-1-interval",
  "router-3-interval",
];
const printed = z.object({
  missing: z.array(z.string()),
  lines: z.array(
    z.object({
      system: z.string(),
      workload: z.string(),
      perSecond: z.number(),
      p50Us: z.number(),
      p99Us: z.number(),
      cpuSeconds: z.number(),
      rssBytes: z.number(),
      failed: z.number(),
    }),
  ),
});

describe("npm run bench", () => {
  it("measures each system, or says that it is missing", async function () {
    this.timeout(240_000);
    const words = [script, "--smoke", "--json", "--only", "get,put,rows,E"];
    const { stdout } = await run(process.execPath, words, { maxBuffer: 16 * 1024 * 1024 });
    const { lines, missing } = printed.parse(JSON.parse(stdout));
    for (const system of systems) {
      const own = lines.filter((line) => line.system === system);
      const isMissing = missing.some((line) => line.startsWith(`${system}: `));
      assert.ok(
        isMissing || own.some(({ workload }) => workload === "get"),
        `${system} is neither measured nor missing`,
      );
      assert.ok(isMissing || own.some(({ workload }) => workload === "put"), `${system} was not asked to put`);
    }
    assert.ok(lines.some(({ system, workload }) => system === "foreshard-3-interval" && workload === "rows"));
    assert.deepEqual(
      [...new Set(lines.map(({ system }) => system))].filter((name) => !systems.includes(name)),
      [],
    );
    for (const line of lines) {
      assert.equal(line.failed, 0, `${line.system} ${line.workload}`);
      assert.ok(line.perSecond > 0 && line.p50Us > 0 && line.p50Us <= line.p99Us && line.rssBytes > 0);
    }
  });
});
