// The command line at a bad terminal: a reader that goes away, a narrow one, one without colours, another language and time zone, rows that would steer it.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../../cluster/engine/until.js";
import { Siege } from "./siege.js";

const scripts = fileURLToPath(new URL("../../scripts/", import.meta.url));
const esc = "\u001b";
const steering = `evil${esc}[2J\u009b31m`;
const colour = new RegExp(`${esc}\\[\\d*m`);
const limitMs = 20_000;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe("the command line at a bad terminal", () => {
  const siege = new Siege();
  let folder = "";

  before(async function () {
    this.timeout(60_000);
    await siege.begin({ nodes: 1 });
    folder = await siege.folder();
    const { admin } = siege.client;
    await admin.createTable({ name: "words", partitioning: "range", splitAt: [steering] });
    await admin.createTable({ name: "days", partitioning: "range", key: "date" });
    const kept = siege.client.table("kept");
    const text = "x".repeat(2_000);
    await Promise.all(Array.from({ length: 300 }, (_, at) => kept.put(`k${at}`, { text })));
    await siege.client.table("words").put(steering, { said: steering });
  });
  after(() => siege.close());

  function start(args: readonly string[], env: Record<string, string>) {
    return spawn(process.execPath, [join(scripts, "foreshard.js"), ...args], {
      cwd: folder,
      env: { ...process.env, FORESHARD_URL: siege.cluster.natsUrl, ...env },
      timeout: limitMs,
    });
  }

  /** `goesAway`: its reader, as soon as something was written. */
  function run(args: readonly string[], env: Record<string, string> = {}, goesAway = false): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = start(args, env);
      let out = "";
      let err = "";
      child.stdout.on("data", (part: Buffer) => {
        out += part.toString();
        if (goesAway) child.stdout.destroy();
      });
      child.stderr.on("data", (part: Buffer) => (err += part.toString()));
      child.once("error", reject);
      child.once("close", (code) => resolve({ code: code ?? -1, out, err }));
    });
  }

  async function said(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
    const { code, out, err } = await run(args, env);
    assert.equal(code, 0, `${args.join(" ")}: ${err}`);
    return out;
  }

  /** On a terminal of this size, and with these keys pressed once something was shown. */
  function onTerminal(
    columns: number,
    rows: number,
    words: string,
    env: Record<string, string>,
    keys = "",
  ): Promise<Ran> {
    const command = `stty cols ${columns} rows ${rows}; exec '${process.execPath}' '${join(scripts, "foreshard.js")}' ${words}`;
    return new Promise((resolve, reject) => {
      const child = spawn("script", ["-qec", command, "/dev/null"], {
        cwd: folder,
        env: { ...process.env, TERM: "xterm", FORESHARD_URL: siege.cluster.natsUrl, ...env },
        timeout: limitMs,
      });
      let out = "";
      let pressed = keys === "";
      child.stdout.on("data", (part: Buffer) => {
        out += part.toString();
        if (pressed || !out.includes("PER SEC")) return;
        pressed = true;
        child.stdin.write(keys);
      });
      child.once("error", reject);
      child.once("close", (code) => resolve({ code: code ?? -1, out, err: "" }));
    });
  }

  it("ends calmly when its reader has seen enough", async () => {
    const { code, out, err } = await run(["scan", "kept", "--all", "--json"], {}, true);
    assert.ok(out.length > 0 && out.length < 300 * 2_000, `${out.length} bytes were read`);
    assert.equal(code, 0, err);
    assert.equal(err, "");
  });

  it("says the same in every language and time zone", async () => {
    const foreign = { LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8", TZ: "Asia/Kathmandu" };
    const plain = { LC_ALL: "C", LANG: "C", TZ: "UTC" };
    await writeFile(join(folder, "days.csv"), "day,I\n2026-03-01,1.5\n2026-03-01T01:00:00+05:45,2\n");
    assert.match(await said(["import", "days", "days.csv", "--key", "day", "--json"], foreign), /"rows":2/);
    const inForeign = await said(["scan", "days", "--all"], foreign);
    assert.equal(inForeign, await said(["scan", "days", "--all"], plain));
    assert.match(inForeign, /2026-02-28T19:15:00\.000Z.*\n.*2026-03-01T00:00:00\.000Z/);
    for (const args of [
      ["table", "describe", "days"],
      ["top", "--help"],
    ])
      assert.equal(await said(args, foreign), await said(args, plain), args.join(" "));
  });

  it("shows what users wrote without anything that steers a terminal", async () => {
    const control = /[^\P{Cc}\n\t]/u;
    const shown = [
      ["scan", "words"],
      ["get", "words", steering],
      ["fragments", "words"],
      ["top", "--once"],
    ];
    for (const args of shown) {
      const text = await said(args);
      assert.match(text, /evil|PER SECOND/, args.join(" "));
      assert.doesNotMatch(text, control, args.join(" "));
    }
    const { err } = await run(["get", steering, "a"]);
    assert.match(err, /error/);
    assert.doesNotMatch(err, control);
    const json = await said(["get", "words", steering, "--json"]);
    assert.doesNotMatch(json, control);
    const row = JSON.parse(json);
    assert.equal(row.row.doc.said, steering, "in JSON it is still what it was");
  });

  it("colours nothing where nobody wants it, and fits on a narrow terminal", async function () {
    if (spawnSync("script", ["--version"]).status !== 0) this.skip();
    assert.match((await onTerminal(80, 24, "top --once", {})).out, colour, "on a terminal there are colours");
    assert.doesNotMatch((await onTerminal(80, 24, "top --once", { NO_COLOR: "1" })).out, colour);
    assert.doesNotMatch((await onTerminal(80, 24, "top --once", { TERM: "dumb" })).out, colour);
    assert.doesNotMatch(await said(["top", "--once"]), colour);
    const narrow = await onTerminal(12, 5, "top --once", { NO_COLOR: "1" });
    assert.equal(narrow.code, 0);
    const lines = narrow.out.split(/\r?\n/);
    assert.ok(lines.length >= 4);
    for (const line of lines) assert.ok([...line].length <= 12, `${[...line].length} columns: ${line}`);
  });

  it("leaves the terminal as it found it", async function () {
    if (spawnSync("script", ["--version"]).status !== 0) this.skip();
    const { code, out } = await onTerminal(40, 10, "top --every 100", {}, "q");
    assert.equal(code, 0);
    assert.ok(out.includes(`${esc}[?1049h`));
    assert.ok(out.trimEnd().endsWith(`${esc}[?25h${esc}[?1049l`), JSON.stringify(out.slice(-40)));
  });

  it("serves on when the reader of its start goes away", async function () {
    this.timeout(60_000);
    const ready = join(folder, "ready.json");
    const args = ["--nodes", "1", "--control", "1", "--forecasters", "0", "--port", "0", "--page", "off"];
    const child = spawn(
      process.execPath,
      [join(scripts, "start.js"), ...args, "--data-dir", join(folder, "data"), "--ready-file", ready],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let err = "";
    child.stderr.on("data", (part: Buffer) => (err += part.toString()));
    child.stdout.once("data", () => child.stdout.destroy());
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    try {
      const isReady = async (): Promise<boolean> => (await readFile(ready, "utf8").catch(() => "")) !== "";
      assert.ok(await until(() => child.exitCode !== null || isReady(), 40_000, 50));
      assert.equal(child.exitCode, null, err);
      child.kill("SIGTERM");
      assert.equal(await ended, 0, err);
      assert.equal(err, "");
    } finally {
      child.kill("SIGKILL");
    }
  });
});
