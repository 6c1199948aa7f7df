// The whole cluster in the simulated world: one seed is one run, past failures stay mended, fresh seeds pass, planted mistakes are caught.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadHash } from "../../cluster/world/hash.js";
import type { Hash } from "../../src/kernel/hash.js";
import { passed, describe as text } from "../../src/verify/history.js";
import { realCast } from "./actors.js";
import { mutants } from "./mutants.js";
import { type RunReport, run } from "./run.js";

const freshSeeds = 50;
const freshSeconds = 20;
/** Seeds in one test: a test that fails names its seed, and none takes long. */
const seedsPerTest = 10;
const quickMutants = ["manyInWrongOrder", "insertReplaces", "pageLosesRow", "rowLostInCommit"];

let hash: Hash;

function runSeed(seed: number, seconds: number, nodes: number, mutant?: string): RunReport {
  const planted = mutants.find(({ name }) => name === mutant);
  assert.ok(mutant === undefined || planted !== undefined);
  return run({ seed, seconds, nodes, cast: realCast(hash), hash, mutant: planted }).report;
}

function mustPass(report: RunReport): void {
  const why = report.verdicts
    .filter((verdict) => !passed(verdict))
    .map((one) => `${text(one)}\n${one.violations.slice(0, 3).join("\n")}`);
  assert.ok(report.passed, `npm run simulate -- --seed ${report.seed} ${report.flags}\n${why.join("\n")}`);
}

/** Lines `seed seconds nodes why`, from the sources: the build holds no text files. */
function pastFailures(): { seed: number; seconds: number; nodes: number; why: string }[] {
  const lines = readFileSync(join(process.cwd(), "test/sim/seeds.txt"), "utf8").split("\n");
  return lines
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [seed, seconds, nodes, ...why] = line.split(" ");
      return { seed: Number(seed), seconds: Number(seconds), nodes: Number(nodes), why: why.join(" ") };
    });
}

describe("simulation", function () {
  // Other work on the same machine makes virtual time slow, not wrong.
  this.timeout(300_000);
  before(async () => {
    hash = await loadHash();
  });

  it("runs the same for the same seed", () => {
    const [one, two, other] = [runSeed(11, 15, 5), runSeed(11, 15, 5), runSeed(12, 15, 5)];
    assert.ok(one.events > 1000, "too little happened to judge");
    assert.equal(one.hash, two.hash);
    assert.notEqual(one.hash, other.hash);
  });

  const past = pastFailures();
  it("has past failures to try", () => assert.ok(past.length > 0));
  for (const { seed, seconds, nodes, why } of past)
    it(`passes seed ${seed} again: ${why}`, () => mustPass(runSeed(seed, seconds, nodes)));

  const fresh = Math.floor(Math.random() * 1_000_000_000);
  for (let first = fresh; first < fresh + freshSeeds; first += seedsPerTest)
    it(`passes the fresh seeds from ${first} on`, () => {
      for (let seed = first; seed < first + seedsPerTest; seed++) mustPass(runSeed(seed, freshSeconds, 5));
    });

  for (const name of quickMutants)
    it(`catches the planted mistake ${name}`, () => {
      const seeds = Array.from({ length: 12 }, (_, index) => index + 1);
      assert.ok(
        seeds.some((seed) => !runSeed(seed, 15, 5, name).passed),
        `seeds ${seeds.join(", ")} did not notice it`,
      );
    });
});
