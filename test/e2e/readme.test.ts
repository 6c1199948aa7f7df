import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "../../cluster/engine/until.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const built = fileURLToPath(new URL("../../", import.meta.url));

interface Block {
  /** The heading it stands under. */
  readonly under: string;
  readonly language: string;
  readonly text: string;
}

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let under = "";
  for (const [, heading, language, text] of markdown.matchAll(/^## (.*)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    if (heading !== undefined) under = heading;
    if (language !== undefined && text !== undefined) blocks.push({ under, language, text });
  }
  return blocks;
}

/** Runs what the README says, word for word, in a folder that looks like a clone after `npm ci`. */
describe("README", () => {
  let folder: string;
  let blocks: readonly Block[];
  let cluster: ChildProcess;
  let words = "";

  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "foreshard-readme-"));
    await copyFile(join(root, "package.json"), join(folder, "package.json"));
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    await symlink(built, join(folder, "dist"));
    blocks = blocksOf(await readFile(join(root, "README.md"), "utf8"));
    const start = blocks.find(({ text }) => text.startsWith("npm start -- "));
    assert.ok(start !== undefined, "the README says how to start");
    const args = start.text.trim().split(" ").slice(3);
    cluster = spawn(process.execPath, ["dist/scripts/start.js", ...args], { cwd: folder, stdio: "pipe" });
    cluster.stdout?.on("data", (text) => (words += text));
    cluster.stderr?.on("data", (text) => (words += text));
    const ready = () => existsSync(join(folder, "ready.json")) || cluster.exitCode !== null;
    assert.ok(await until(ready, 40_000), words);
    assert.equal(cluster.exitCode, null, words);
    for (const { text } of blocks.filter(({ language }) => language === "js")) {
      const name = /^\/\/ (\S+\.mjs)\n/.exec(text)?.[1];
      assert.ok(name !== undefined, "a program of the README begins with its file's name");
      await writeFile(join(folder, name), text);
    }
  });
  after(async () => {
    if (cluster !== undefined && cluster.exitCode === null) {
      const ended = once(cluster, "exit");
      cluster.kill("SIGTERM");
      await ended;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  /** Runs the shell blocks under a heading, in order; gives what each printed. */
  async function follow(heading: string): Promise<string[]> {
    const said: string[] = [];
    for (const { text } of blocks.filter(({ under, language }) => under === heading && language === "bash")) {
      const env = { ...process.env, FORESHARD_URL: "", npm_config_update_notifier: "false" };
      const { stdout } = await promisify(execFile)("bash", ["-e", "-c", text], { cwd: folder, env, timeout: 60_000 });
      said.push(stdout);
    }
    return said;
  }

  it("makes a table and answers in the three ways that it shows", async function () {
    this.timeout(60_000);
    const [line = "", raw = "", library = ""] = await follow("First queries");
    assert.match(line, /^table users serves: 8 fragments, 3 copies of each\n/);
    assert.match(line, /^ada\t\d+\t\{"name":"Ada","born":1815\}$/m);
    assert.match(raw, /^\{ version: \d+ \}\n/);
    assert.match(raw, /key: 'grace', version: \d+, doc: \{ name: 'Grace', born: 1906 \}/);
    const promised = blocks.find(({ under, language }) => under === "First queries" && language === "text");
    assert.ok(promised !== undefined);
    assert.equal(library, promised.text);
  });

  it("loads a CSV", async function () {
    this.timeout(60_000);
    const [said = ""] = await follow("Your own CSV");
    assert.match(said, /4 rows/);
    assert.match(said, /^oslo +2 +1 *$/m);
    assert.match(said, /^rome +2 +10\.5 *$/m);
    assert.match(said, /^\["oslo","2026-03-01T00:00:00\.000Z"\]\t\d+\t\{.*"value":1\.5\}$/m);
  });

  it("survives the kill of a node", async function () {
    this.timeout(60_000);
    const [said = ""] = await follow("Break it");
    assert.match(said, /^ada\t\d+\t\{"name":"Ada","born":1815\}$/m);
    assert.match(said, /^version \d+$/m);
    assert.match(said, /^n1 +\w+ /m);
    assert.match(words, /n1 died/);
  });

  it("names only files that are there, and only options that exist", async () => {
    const text = await readFile(join(root, "README.md"), "utf8");
    const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, target]) => target ?? "");
    const files = links.filter((target) => !target.startsWith("http"));
    assert.ok(files.length >= 4, "links to judge");
    for (const file of files) assert.ok(existsSync(join(root, file)), file);
    const { stdout: help } = await promisify(execFile)(process.execPath, ["dist/scripts/start.js", "--help"], {
      cwd: folder,
    });
    const options = [...text.matchAll(/^\| (`--.*?) \|/gm)].flatMap(([, cell = ""]) => cell.match(/--[a-z-]+/g) ?? []);
    assert.ok(options.length >= 10, "options to judge");
    for (const option of options) assert.ok(help.includes(option), option);
    const scripts = JSON.parse(await readFile(join(root, "package.json"), "utf8")).scripts as Record<string, string>;
    for (const [, name = ""] of text.matchAll(/npm run ([\w:]+)/g)) assert.ok(name in scripts, `npm run ${name}`);
  });
});
