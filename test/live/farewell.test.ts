import assert from "node:assert/strict";
import { spawn } from "node:child_process";

const farewell = new URL("../../scripts/live/farewell.js", import.meta.url).href;
/** Says something again and again, and has something to undo. */
const trial = `
import { runTrial } from "${farewell}";
await runTrial(async (farewell) => {
  farewell.later(() => process.stderr.write("undone"));
  for (;;) {
    process.stdout.write("so far so good\\n");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});`;

describe("a trial", () => {
  it("undoes everything when whoever reads its output goes away", async () => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", trial], { timeout: 20_000 });
    let undone = "";
    child.stderr.on("data", (part: Buffer) => (undone += part.toString()));
    child.stdout.once("data", () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(undone, "undone");
    assert.equal(code, 141);
  });
});
