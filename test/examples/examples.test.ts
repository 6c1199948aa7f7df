// Worked examples: each program under docs/examples runs as it stands, all against one cluster, and its page shows it word for word.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type EmbeddedCluster, startCluster } from "../../cluster/index.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const examples = ["sessions", "telemetry", "leaderboard"] as const;
const importer = {
  user: "acme-import",
  pass: "import-at-night",
  publish: ["foreshard.query._cluster.view", "foreshard.query.sessions.read.*", "foreshard.query.sessions.write.*"],
};

describe("worked example", function () {
  this.timeout(240_000);
  let cluster: EmbeddedCluster;
  const said = new Map<string, Promise<string>>();

  before(async () => {
    cluster = await startCluster({ nodes: 3, forecasters: 1, sampleIntervalMs: 500, users: [importer] });
    for (const name of examples) said.set(name, run(name));
    await Promise.allSettled(said.values());
  });
  after(() => cluster?.stop());

  async function run(name: string): Promise<string> {
    const env = { ...process.env, FORESHARD_URL: cluster.url };
    const options = { cwd: root, env, timeout: 200_000 };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [`docs/examples/${name}.mjs`], options);
    return stdout + stderr;
  }

  for (const name of examples) {
    it(`${name} prints what its page says`, async () => {
      const page = await readFile(join(root, "docs", "examples", `${name}.md`), "utf8");
      const [, promised] = /^```text\n([\s\S]*?)^```$/m.exec(page) ?? [];
      assert.equal(await said.get(name), promised);
    });

    it(`${name} stands on its page word for word, in its order`, async () => {
      const page = await readFile(join(root, "docs", "examples", `${name}.md`), "utf8");
      const program = await readFile(join(root, "docs", "examples", `${name}.mjs`), "utf8");
      const blocks = [...page.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? "");
      assert.ok(blocks.length >= 4, "code to judge");
      let at = 0;
      for (const block of blocks) {
        const found = program.indexOf(block, at);
        assert.notEqual(found, -1, `not in ${name}.mjs after what came before:\n${block}`);
        at = found + block.length;
      }
    });
  }
});
