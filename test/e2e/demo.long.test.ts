// Demo. It does what it promises: on a real cluster a move comes before its peak, with its reason, in plain text; and nothing is left of it.

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { familyOf } from "../../scripts/live/processes.js";

const script = fileURLToPath(new URL("../../scripts/demo.js", import.meta.url));

describe("demo", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "foreshard-demo-test-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("shows a move before its peak and why, in plain text, and leaves nothing behind", async function () {
    this.timeout(200_000);
    const child = spawn(process.execPath, [script, "--seconds", "150", "--enough", "1"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: folder },
    });
    let text = "";
    let family: readonly number[] = [];
    child.stdout.on("data", (bytes: Buffer) => {
      const isFirst = !text.includes("The live page");
      text += bytes.toString();
      if (isFirst && text.includes("The live page") && child.pid !== undefined)
        void familyOf(child.pid).then((lines) => {
          family = lines.map(({ pid }) => pid);
        });
    });
    child.stderr.on("data", (bytes: Buffer) => {
      text += bytes.toString();
    });
    const [code] = await once(child, "exit");
    assert.equal(code, 0, text);
    assert.match(text, /The live page: http:\/\/127\.0\.0\.1:\d+/);
    assert.match(text, /day \d \d\d:\d\d {2}n1 \[/);
    assert.match(text, /--> \w+ moves from n\d to n\d .* before it is needed: n\d would exceed/);
    const escapeSign = String.fromCharCode(27);
    assert.ok(!text.includes(escapeSign), "no colours, no cursor");
    assert.ok(family.length > 4, "its processes were seen");
    const left = family.filter((pid) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    });
    assert.deepEqual(left, []);
    assert.deepEqual(await readdir(folder), []);
  });
});
