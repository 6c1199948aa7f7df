// The whole cluster in the simulated world: one seed is one run, past failures stay mended, fresh seeds pass, planted mistakes are caught.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Piscina } from "piscina";
import { passed, describe as text } from "../../src/verify/history.js";
import type { RunReport } from "./run.js";
import type { SeedJob } from "./seed-thread.js";

const freshSeeds = 50;
const freshSeconds = 20;
const wildSeeds = 12;
/** Seeds in one test: a test that fails names its seed, and none takes long. */
const seedsPerTest = 10;
const quickMutants = ["manyInWrongOrder", "insertReplaces", "pageLosesRow", "rowLostInCommit"];
const mutantSeeds = 12;

function mustPass(report: RunReport): void {
  const why = report.verdicts
    .filter((verdict) => !passed(verdict))
    .map((one) => `${text(one)}\n${one.violations.slice(0, 3).join("\n")}`);
  assert.ok(report.passed, `npm run simulate -- --seed ${report.seed} ${report.flags}\n${why.join("\n")}`);
}

/** Lines `seed seconds nodes [wild] why`, from the sources: the build holds no text files. */
function pastFailures(): { seed: number; seconds: number; nodes: number; wild: boolean; why: string }[] {
  const lines = readFileSync(join(process.cwd(), "test/sim/seeds.txt"), "utf8").split("\n");
  return lines
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [seed, seconds, nodes, ...rest] = line.split(" ");
      const wild = rest[0] === "wild";
      const why = rest.slice(wild ? 1 : 0).join(" ");
      return { seed: Number(seed), seconds: Number(seconds), nodes: Number(nodes), wild, why };
    });
}

/** Heard of only when its own test asks, also where it fails long before. */
async function settled(judged: Promise<void>): Promise<PromiseSettledResult<void>> {
  const [end] = await Promise.allSettled([judged]);
  return end;
}

describe("simulation", function () {
  // Other work on the same machine makes virtual time slow, not wrong.
  this.timeout(300_000);
  let threads: Piscina<SeedJob, RunReport>;
  before(() => {
    threads = new Piscina({ filename: new URL("./seed-thread.js", import.meta.url).href });
  });
  after(() => threads.destroy());

  function runSeed(seed: number, seconds: number, nodes: number, mutant?: string): Promise<RunReport> {
    return threads.run({ seed, seconds, nodes, mutant });
  }
  function runWild(seed: number): Promise<RunReport> {
    return threads.run({ seed, seconds: freshSeconds, nodes: 5, wild: true });
  }

  /** One test for each; all are under way from the first on, so that no core waits. */
  function together<Case>(cases: readonly Case[], title: (one: Case) => string, judge: (one: Case) => Promise<void>) {
    let underWay: Map<Case, Promise<PromiseSettledResult<void>>> | undefined;
    for (const one of cases)
      it(title(one), async () => {
        underWay ??= new Map(cases.map((each) => [each, settled(judge(each))]));
        const end = await underWay.get(one);
        assert.ok(end !== undefined);
        if (end.status === "rejected") throw end.reason;
      });
  }

  it("runs the same for the same seed", async () => {
    const [one, two, other] = await Promise.all([runSeed(11, 15, 5), runSeed(11, 15, 5), runSeed(12, 15, 5)]);
    assert.ok(one.events > 1000, "too little happened to judge");
    assert.equal(one.hash, two.hash);
    assert.notEqual(one.hash, other.hash);
  });

  const past = pastFailures();
  it("has past failures to try", () => assert.ok(past.length > 0));
  together(
    past,
    ({ seed, why }) => `passes seed ${seed} again: ${why}`,
    async ({ seed, seconds, nodes, wild }) => mustPass(await threads.run({ seed, seconds, nodes, wild })),
  );

  const fresh = Math.floor(Math.random() * 1_000_000_000);
  together(
    Array.from({ length: freshSeeds / seedsPerTest }, (_, index) => fresh + index * seedsPerTest),
    (first) => `passes the fresh seeds from ${first} on`,
    async (first) => {
      const seeds = Array.from({ length: seedsPerTest }, (_, index) => first + index);
      for (const report of await Promise.all(seeds.map((seed) => runSeed(seed, freshSeconds, 5)))) mustPass(report);
    },
  );

  it("passes fresh seeds while leaders plan by forecasts of a load that jumps about", async () => {
    const seeds = Array.from({ length: wildSeeds }, (_, index) => fresh + index);
    const reports = await Promise.all(seeds.map(runWild));
    reports.forEach(mustPass);
    const moves = reports.reduce((sum, { thrash }) => sum + (thrash?.moves ?? 0), 0);
    assert.ok(moves > 0, `no leader planned anything in the seeds from ${fresh} on`);
  });

  together(
    quickMutants,
    (name) => `catches the planted mistake ${name}`,
    async (name) => {
      for (let seed = 1; seed <= mutantSeeds; seed++) if (!(await runSeed(seed, 15, 5, name)).passed) return;
      assert.fail(`seeds 1 to ${mutantSeeds} did not notice it`);
    },
  );
});
