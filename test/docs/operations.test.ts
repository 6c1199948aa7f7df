import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { program } from "../../scripts/cli/program.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));

describe("docs/OPERATIONS.md", () => {
  let text: string;
  before(async () => {
    text = await readFile(join(root, "docs", "OPERATIONS.md"), "utf8");
  });

  it("explains every alert that there is", async () => {
    const alerts = await readFile(join(root, "docs", "observability", "alerts.yaml"), "utf8");
    const names = [...alerts.matchAll(/alert: Foreshard(\w+)/g)].map(([, name = ""]) => name);
    const explained = [...text.matchAll(/^\| (`.*?`) \|/gm)].map(([, cell = ""]) => cell).join();
    assert.ok(names.length > 10, "alerts to judge");
    assert.deepEqual(
      names.filter((name) => !explained.includes(`\`${name}\``)),
      [],
    );
  });

  it("names only commands, options, files and scripts that are there", async () => {
    const lines = [...text.matchAll(/foreshard ([a-z]+)((?: [^`\n]*)?)/g)];
    assert.ok(lines.length > 25, "commands to judge");
    for (const [line, name = "", rest = ""] of lines) {
      const found = program().commands.find((command) => command.name() === name);
      assert.ok(found !== undefined, line);
      const inner = found.commands.find((command) => command.name() === rest.trim().split(" ")[0]) ?? found;
      for (const [option] of rest.matchAll(/--[a-z-]+/g)) assert.ok(inner.helpInformation().includes(option), line);
    }
    for (const [, file = ""] of text.matchAll(/\]\(([^)#]+)\)/g)) assert.ok(existsSync(join(root, "docs", file)), file);
    const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    for (const [, name = ""] of text.matchAll(/npm run ([\w:]+)/g)) assert.ok(name in scripts, `npm run ${name}`);
  });

  it("its containers are started with options that there are, on files that `foreshard machines` writes", async () => {
    const compose = await readFile(join(root, "docs", "deploy", "compose.yaml"), "utf8");
    const start = await readFile(join(root, "scripts", "start.ts"), "utf8");
    const options = [...compose.matchAll(/^ +- --([a-z-]+)=/gm)].map(([, name = ""]) => name);
    assert.ok(options.length > 15, "options to judge");
    for (const name of options) assert.ok(start.includes(`"--${name} <`), name);
    for (const [, file = ""] of compose.matchAll(/\/etc\/foreshard\/([\w.]+)/g))
      assert.ok(["nats.conf", "creds.json"].includes(file), file);
  });
});
