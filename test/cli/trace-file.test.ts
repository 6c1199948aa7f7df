// Trace file: what is wrong in a trace is named with its line, what can be mended is mended.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FaultError } from "../../cluster/client/index.js";
import { readOrigins, readTrace } from "../../scripts/cli/trace-file.js";

describe("trace files", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "foreshard-trace-"));
  });
  after(() => rm(folder, { recursive: true }));

  async function file(text: string): Promise<string> {
    const path = join(folder, "trace.csv");
    await writeFile(path, text);
    return path;
  }

  async function refused(text: string, why: RegExp): Promise<void> {
    const path = await file(text);
    await assert.rejects(readTrace(path), (error: unknown) => {
      assert.ok(error instanceof FaultError && error.code === "BAD_DOCUMENT");
      assert.match(error.message, why);
      return true;
    });
  }

  it("are sorted, freed of repeats and keep their gaps", async () => {
    const path = await file(
      "value,timestamp_iso,series\n5,2026-01-01T00:00:00Z,a\n7,2026-01-01T00:02:00Z,a\n6,2026-01-01 00:01:00,a\n9,2026-01-01T00:02:00Z,a\n,2026-01-01T01:03:00+01:00,a\n1,2026-01-01T00:00:00Z,b\n",
    );
    const { samples, unsortedRows, repeatedRows } = (await readTrace(path)).get("a") ?? assert.fail("no series");
    assert.deepEqual(
      samples.map(({ value }) => value),
      [5, 6, 7, Number.NaN],
    );
    assert.deepEqual({ unsortedRows, repeatedRows }, { unsortedRows: 1, repeatedRows: 1 });
  });

  it("are refused with the line and what would be right", async () => {
    const head = "timestamp_iso,series,value\n";
    await refused("timestamp_iso,value\n2026-01-01T00:00:00Z,5\n", /no column "series"/);
    await refused(head, /no rows/);
    await refused(`${head}2026-01-01T00:00:00Z,a,many\n`, /line 2: "many" is no number/);
    await refused(`${head}2026-01-01T00:00:00Z,a,1\n2026-01-01T00:01:00Z,a,-5\n`, /line 3: -5 is negative/);
    await refused(`${head}yesterday,a,1\n`, /line 2: "yesterday" is no time/);
    await assert.rejects(readTrace(join(folder, "absent.csv")), /cannot be read/);
  });

  it("have the origins that name them", async () => {
    const path = await file(
      "trace,series,origin_index,timestamp_iso\nx,a,1,2026-01-01T00:01:00Z\ny,a,2,2026-01-01T00:02:00Z\n",
    );
    assert.deepEqual(
      (await readOrigins(path, "/some/y.csv")).map(({ index }) => index),
      ["2"],
    );
    await assert.rejects(readOrigins(path, "/some/z.csv"), /none of "z"/);
  });
});
