// The planner on the command line: what `policy`, `plan`, `explain` and `advise` say of a real cluster, and to whom who asks for what cannot be.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, type EmbeddedCluster, startCluster } from "../../cluster/index.js";
import { exitCodes, UsageError } from "../../scripts/cli/failure.js";
import { policyChange, policyLines } from "../../scripts/cli/policy-fields.js";

const program = new URL("../../scripts/foreshard.js", import.meta.url).pathname;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe("command line: a change of policy", () => {
  it("is read as a mode and as fields with dots, numbers and truths as such", () => {
    const words = ["reactive", "risk=0.1", "budget.concurrentMoves=8", "budget.dataShare=0.05", "splits=false"];
    const budget = { concurrentMoves: 8, dataShare: 0.05 };
    assert.deepEqual(policyChange(words), { mode: "reactive", risk: 0.1, budget, splits: false });
    assert.deepEqual(policyChange(["risk=low", "risk="]), { risk: "" });
    assert.deepEqual(policyLines({ mode: "static", budget }), [
      ["mode", "static"],
      ["budget.concurrentMoves", 8],
      ["budget.dataShare", 0.05],
    ]);
  });

  it("is refused where a word is neither, and reaches nothing but itself", () => {
    for (const word of ["magic", "=1", ".risk=1", "budget.=1", "__proto__.mode=1", "budget.__proto__.mode=1"])
      assert.throws(() => policyChange([word]), UsageError, word);
    assert.equal(Reflect.get({}, "mode"), undefined);
  });
});

describe("command line: the planner", () => {
  let folder: string;
  let cluster: EmbeddedCluster;
  let db: Client;
  let move: number;
  let asking: Promise<void>;
  let isOver = false;

  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "foreshard-cli-"));
    cluster = await startCluster({ nodes: 2, forecasters: 1, sampleIntervalMs: 100, capacity: 500 });
    db = await cluster.connect();
    await db.admin.createTable({ name: "users", fragments: 1 });
    const [fragment] = await db.cluster.fragments("users");
    assert.ok(fragment !== undefined);
    const to = cluster.nodes.find((node) => node !== fragment.primary) ?? "";
    move = await db.admin.move({ table: "users", fragment: fragment.id, to, why: "to see it explained" });
    asking = ask();
  });
  after(async function () {
    this.timeout(30_000);
    isOver = true;
    await asking;
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function ask(): Promise<void> {
    const users = db.table<{ n: number }>("users");
    for (let n = 0; !isOver; n++) {
      await users.put("ada", { n }).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  function run(args: readonly string[], url = cluster.url): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const env = { ...process.env, FORESHARD_URL: url };
      const child = spawn(process.execPath, [program, ...args], { cwd: folder, env, timeout: 30_000 });
      let [out, err] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
      child.once("error", reject);
      child.once("close", (code) => resolve({ code: code ?? -1, out, err }));
    });
  }

  async function ran(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await run(args);
    assert.equal(code, exitCodes.ok, `${args.join(" ")}: ${err}`);
    return out;
  }

  /** The last one of what a command prints that is as wished. */
  async function until(args: readonly string[], wished: RegExp): Promise<string> {
    for (let tries = 0; tries < 30; tries++) {
      const out = await ran(...args);
      if (wished.test(out)) return out;
    }
    throw new Error(`${args.join(" ")} never printed ${wished}: ${await ran(...args)}`);
  }

  it("refuses a policy that cannot be, says what would be right, and changes nothing", async function () {
    this.timeout(30_000);
    const { policy } = JSON.parse(await ran("policy", "--json"));
    const cases: readonly (readonly [string, number, RegExp])[] = [
      ["risk=2", exitCodes.fault, /BAD_POLICY: risk: .*0\.5/],
      ["risk=", exitCodes.fault, /BAD_POLICY: risk: /],
      ["roundMs=-1", exitCodes.fault, /BAD_POLICY: roundMs: /],
      ["mode=magic", exitCodes.fault, /BAD_POLICY: mode: .*static/],
      ["riks=0.1", exitCodes.fault, /BAD_POLICY: there is no field "riks"; the fields are mode, risk/],
      ["budget.share=1", exitCodes.fault, /no field "share" in budget; the fields are dataShare/],
      ["reactive.calmExcess=0.5", exitCodes.fault, /calmExcess must be below reactive\.hotExcess/],
      ["magic", exitCodes.usage, /"magic" is no mode; there are static, reactive/],
      ["__proto__.mode=static", exitCodes.usage, /is no field/],
    ];
    const runs = await Promise.all(cases.map(([change]) => run(["policy", "set", change])));
    runs.forEach(({ code, out, err }, at) => {
      const [change, wanted, why] = cases[at] ?? ["", -1, /./];
      assert.equal(code, wanted, `${change}: ${err}`);
      assert.match(err, why, change);
      assert.equal(out, "", change);
    });
    assert.deepEqual(JSON.parse(await ran("policy", "show", "--json")).policy, policy);
  });

  it("changes a policy field by field, and shows it with who set it", async function () {
    this.timeout(20_000);
    assert.match(await ran("policy", "set", "reactive", "risk=0.1", "budget.concurrentMoves=8"), /^changed: /);
    await ran("policy", "set", "shadow", "roundMs=500", "leastMatured=1");
    const shown = await ran("policy");
    for (const line of [/^mode +shadow *$/m, /^risk +0\.1 *$/m, /^budget\.concurrentMoves +8 *$/m, /^roundMs +500 *$/m])
      assert.match(shown, line);
    assert.match(shown, /^set by \S+ at \d{4}-/m);
  });

  it("says what it would do, and how many nodes are needed, once it knows the load", async function () {
    this.timeout(30_000);
    const told = await until(["plan"], /planned at/);
    assert.match(told, /^policy shadow; planned at \d\d:\d\d:\d\dZ from \d+ series$/m);
    const { plans } = JSON.parse(await ran("plan", "--json"));
    assert.deepEqual([plans.length, plans[0].mode, plans[0].silence], [1, "shadow", undefined]);
    assert.match(await until(["advise"], /nodes needed/), /, 90 %: 0\.\d nodes needed, 2 there \(\d+ queries\/s\)$/m);
  });

  it("explains a move, and says of a number that is none", async function () {
    this.timeout(30_000);
    const told = await until(["explain", String(move)], /^done /m);
    assert.match(told, new RegExp(`^move ${move}: users/\\d+ from n\\d to n\\d by .*\\(operator\\)$`, "m"));
    assert.match(told, /^why: to see it explained$/m);
    assert.equal(JSON.parse(await ran("explain", String(move), "--json")).move.move, move);
    const cases: readonly (readonly [string[], RegExp])[] = [
      [["9999"], /there is no move 9999, or it is forgotten; list them with: foreshard moves --history/],
      [["x"], /number/],
      [["0"], /number/],
      [[], /missing required argument 'move'/],
    ];
    const runs = await Promise.all(cases.map(([args]) => run(["explain", ...args])));
    runs.forEach(({ code, err }, at) => {
      assert.equal(code, exitCodes.usage, err);
      assert.match(err, cases[at]?.[1] ?? /./);
    });
  });

  it("says that there is no cluster, and how to name or start one", async function () {
    this.timeout(20_000);
    const all = [["policy"], ["policy", "set", "static"], ["plan"], ["explain", "3"], ["advise"]];
    const runs = await Promise.all(all.map((args) => run(args, "")));
    for (const { code, out, err } of runs) {
      assert.equal(code, exitCodes.fault);
      assert.match(err, /CONFIG: no running cluster was found.*npm start.*--url/);
      assert.equal(out, "");
    }
  });
});
