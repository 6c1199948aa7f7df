// Chaos, for a moment: the run that a person starts with `npm run chaos`, short, with its own verdict.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Entry } from "../../src/verify/history.js";
import { entryLine, historyOf } from "../../src/verify/history-file.js";
import { unwrap } from "../engine/support.js";

const scripts = fileURLToPath(new URL("../../scripts", import.meta.url));
const outcome = z.object({
  passed: z.boolean(),
  writes: z.object({ acknowledged: z.number() }),
  receipts: z.object({ acknowledged: z.number(), lost: z.number(), strange: z.number() }),
  lost: z.array(z.string()),
  struck: z.record(z.string(), z.number()),
  recoveryMs: z.record(z.string(), z.array(z.number().nullable())),
});

describe("chaos", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "foreshard-test-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("loses nothing while a node is killed, another half cut off, and its history says the same", async function () {
    this.timeout(120_000);
    const file = join(folder, "history.jsonl");
    const ended = await run("chaos.js", [
      "--duration",
      "7s",
      "--seed",
      "5",
      "--nodes",
      "3",
      "--faults",
      "node,hostCutOneWay",
      "--history",
      file,
      "--json",
    ]);
    assert.notEqual(ended.text, "", `chaos printed no outcome:\n${ended.progress}`);
    const found = outcome.parse(JSON.parse(ended.text));
    assert.ok(found.writes.acknowledged > 0 && found.receipts.acknowledged > 0, "nothing was written");
    assert.ok(
      Object.values(found.struck).every((times) => times > 0),
      JSON.stringify(found.struck),
    );
    assert.deepEqual(found.lost, []);
    assert.equal(found.receipts.lost + found.receipts.strange, 0);
    assert.equal(ended.code, 0, ended.progress);
    assert.equal(found.passed, true);

    const judged = await run("judge.js", [file]);
    assert.equal(judged.code, 0, judged.progress);
    const history = unwrap(historyOf(await readFile(file, "utf8")));
    assert.ok(history.length > found.writes.acknowledged, "the file holds too little");
    const spoilt = join(folder, "spoilt.jsonl");
    await writeFile(spoilt, `${withLostRows(history).map(entryLine).join("\n")}\n`);
    const caught = await run("judge.js", [spoilt]);
    assert.equal(caught.code, 1);
    assert.match(caught.progress, /linearizable: \d+ violation/);
  });

  it("says what is wrong with an option", async () => {
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [["--duration", "soon"], /CONFIG: --duration must be a time such as 60s/],
      [["--faults", "node,rain"], /CONFIG: --faults does not know "rain": write some of all, kill/],
      [["--faults", "serverCut", "--nats-servers", "1"], /CONFIG: --faults serverCut need three nats-servers/],
    ];
    for (const [words, said] of wrong) {
      const ended = await run("chaos.js", words);
      assert.equal(ended.code, 1);
      assert.match(ended.progress, said);
    }
  });
});

/** The last reads of all find nothing. */
function withLostRows(history: readonly Entry[]): readonly Entry[] {
  const isLast = ({ client, output }: Entry): boolean => client === 0 && output.op === "rows";
  assert.ok(history.some(isLast), "nothing was read in the end");
  return history.map((entry) =>
    isLast(entry) && entry.output.op === "rows"
      ? { ...entry, output: { op: "rows", rows: entry.output.rows.map(() => undefined) } }
      : entry,
  );
}

/** `text`: what it printed; `progress`: what it told meanwhile. */
async function run(
  script: string,
  words: readonly string[],
): Promise<{ code: number | null; text: string; progress: string }> {
  const child = spawn(process.execPath, [join(scripts, script), ...words], { stdio: ["ignore", "pipe", "pipe"] });
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
