// Chaos, for a moment: the run that a person starts with `npm run chaos`, short, with its own verdict.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const script = fileURLToPath(new URL("../../scripts/chaos.js", import.meta.url));
const outcome = z.object({
  passed: z.boolean(),
  writes: z.object({ acknowledged: z.number() }),
  receipts: z.object({ acknowledged: z.number(), lost: z.number(), strange: z.number() }),
  lost: z.array(z.string()),
  recoveryMs: z.record(z.string(), z.array(z.number().nullable())),
});

describe("chaos", () => {
  it("loses nothing while a node, the leader and the router are killed", async function () {
    this.timeout(120_000);
    const ended = await run([
      "--duration",
      "8s",
      "--seed",
      "5",
      "--nodes",
      "3",
      "--faults",
      "node,leader,router",
      "--json",
    ]);
    assert.notEqual(ended.text, "", `chaos printed no outcome:\n${ended.progress}`);
    const found = outcome.parse(JSON.parse(ended.text));
    assert.ok(found.writes.acknowledged > 0 && found.receipts.acknowledged > 0, "nothing was written");
    assert.ok(Object.keys(found.recoveryMs).length > 0, "nothing was killed");
    assert.deepEqual(found.lost, []);
    assert.equal(found.receipts.lost + found.receipts.strange, 0);
    assert.equal(ended.code, 0, ended.progress);
    assert.equal(found.passed, true);
  });

  it("says what is wrong with an option", async () => {
    const ended = await run(["--duration", "soon"]);
    assert.equal(ended.code, 1);
    assert.match(ended.progress, /CONFIG: --duration must be a time such as 60s/);
  });
});

/** `text`: what it printed; `progress`: what it told meanwhile. */
async function run(words: readonly string[]): Promise<{ code: number | null; text: string; progress: string }> {
  const child = spawn(process.execPath, [script, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let progress = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    progress += part;
  });
  const code = await new Promise<number | null>((resolve) => {
    child.once("close", resolve);
  });
  return { code, text, progress };
}
