import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { createMembers } from "../../actors/forecaster/members.js";
import { seededRandom } from "../../src/kernel/random.js";
import { packSample } from "../../src/load/sample.js";
import { pack } from "../../src/protocol/codec.js";
import { testHash } from "../hash.js";
import { Ensemble, threadDied } from "./ensemble.js";

const median = 3;
const steady = (): Record<string, number> => ({ "0/shop": 60, "16/shop": 30, "16/office": 10 });

function near(actual: number | undefined, wanted: number): void {
  ok(actual !== undefined && Math.abs(actual - wanted) <= 0.05 * wanted, `${actual}, wanted about ${wanted}`);
}

describe("forecasters", () => {
  it("forecast every fragment and group that is asked, and their total", () => {
    const ensemble = new Ensemble().begin("f1");
    ensemble.live(90, steady);
    const answer = ensemble.member("f1").ask();
    deepStrictEqual(
      answer.series.map(({ fragment, group }) => `${fragment}/${group}`),
      ["0/shop", "16/office", "16/shop"],
    );
    near(answer.series[0]?.steps[0]?.[median], 60);
    near(answer.series[0]?.steps[11]?.[median], 60);
    near(answer.total.steps[0]?.[median], 100);
    strictEqual(answer.series[0]?.steps.length, 12);
    ok((answer.series[0]?.record.matured ?? 0) > 0);
    deepStrictEqual(ensemble.member("f1").ask({ group: "office" }).total.series, 1);
    deepStrictEqual(ensemble.member("f1").ask({ horizon: "long" }).series.length, 3);
  });

  it("divide the series, and each answers for all", () => {
    const ensemble = new Ensemble().begin("f1", "f2", "f3");
    ensemble.live(60, () => Object.fromEntries(Array.from({ length: 24 }, (_, group) => [`0/g${group}`, 10])));
    for (const id of ["f1", "f2", "f3"]) strictEqual(ensemble.member(id).ask().series.length, 24, id);
    const shares = ensemble
      .member("f1")
      .ask()
      .forecasters.map(({ series }) => series);
    strictEqual(shares.length, 3);
    strictEqual(
      shares.reduce((sum, share) => sum + share, 0),
      24,
    );
    ok(
      shares.every((share) => share > 0),
      String(shares),
    );
  });

  it("take over from one that dies, with the past from the stream", () => {
    const ensemble = new Ensemble().begin("f1", "f2");
    const groups = (): Record<string, number> =>
      Object.fromEntries(Array.from({ length: 12 }, (_, group) => [`0/g${group}`, 10 + group]));
    ensemble.live(120, groups);
    const before = ensemble.member("f1").ask().series;
    ensemble.kill("f2");
    ensemble.live(20, groups);
    const after = ensemble.member("f1").ask().series;
    strictEqual(after.length, 12);
    for (const [index, { group, atMs, record, recent, steps }] of after.entries()) {
      ok(atMs > (before[index]?.atMs ?? 0), `${group} stands still`);
      ok(record.observed >= 9, `${group} observed ${record.observed} slots`);
      ok(recent.filter((value) => value !== null).length >= 19, `${group} knows its past`);
      near(steps[0]?.[median], 10 + Number(group.slice(1)));
    }
    deepStrictEqual(
      ensemble
        .member("f1")
        .ask()
        .forecasters.find(({ id }) => id === "f1")?.series,
      12,
    );
  });

  it("rebuild everything from the stream when they start late or start again", () => {
    const ensemble = new Ensemble();
    ensemble.live(120, steady);
    ensemble.begin("f1");
    ensemble.live(9, steady);
    const { series } = ensemble.member("f1").ask();
    strictEqual(series.length, 3);
    near(series[0]?.steps[0]?.[median], 60);
    ok((series[0]?.recent.filter((value) => value !== null).length ?? 0) >= 18);
  });

  it("take a past that was written into the stream after the present had begun", () => {
    const ensemble = new Ensemble();
    const slots = 600;
    ensemble.pass(slots * 1000);
    ensemble.live(12, steady);
    const now = Math.floor(ensemble.wallMs / 1000);
    for (let ago = slots; ago > 12; ago--) {
      const counts = { "0/client": (now - ago) % 60 < 30 ? 20 : 100 };
      ensemble.store(packSample(ensemble.sample(counts, { node: "past", incarnation: "past", interval: now - ago })));
    }
    ensemble.begin("f1");
    ensemble.live(9, steady);
    const [series] = ensemble
      .member("f1")
      .ask()
      .series.filter(({ fragment, group }) => fragment === 0 && group === "client");
    ok((series?.record.matured ?? 0) > 100, `only ${series?.record.matured} forecasts were judged`);
    const past = (series?.recent ?? []).filter((value) => value === 20 || value === 100);
    ok(past.length > 40, `of the past it knows ${past.length} slots`);
  });

  it("lend a group that is new what the others of its table have learnt", () => {
    const load = seededRandom(9);
    const groups = (names: readonly string[]): Record<string, number> =>
      Object.fromEntries(names.map((name) => [`0/${name}`, 40 * Math.exp(load.next() + load.next() - 1)]));
    const ensemble = new Ensemble(1).begin("f1");
    const old = ["a", "b", "c", "d"];
    ensemble.live(780, () => groups(old));
    const jobs = ensemble.jobsRun;
    ensemble.live(16, () => groups([...old, "new"]));
    ok(ensemble.jobsRun > jobs);
    const [series] = ensemble.member("f1").ask({ group: "new" }).series;
    const row = series?.steps[0] ?? [];
    ok((series?.record.observed ?? 99) <= 3, `it knows ${series?.record.observed} slots`);
    // Without a prior two or three slots say nothing of how far off a forecast may be.
    ok((row[6] ?? 0) > 1.1 * (row[median] ?? 0) && (row[0] ?? 0) < 0.9 * (row[median] ?? 0), String(row));
  });

  it("pass over foreign messages, copies and stray clocks, say so, and forecast the rest", () => {
    const ensemble = new Ensemble().begin("f1");
    ensemble.live(60, steady);
    ensemble.store(new Uint8Array([0xc1, 0xff, 0]));
    ensemble.store(pack("a word"));
    ensemble.store(pack({ node: "n1", cells: [] }));
    ensemble.store(new Uint8Array(0));
    ensemble.store(packSample(ensemble.sample(steady())));
    ensemble.store(packSample(ensemble.sample(steady(), { incarnation: "mad", interval: 9_999_999_999 })));
    ensemble.live(12, steady);
    const { series, forecasters } = ensemble.member("f1").ask();
    strictEqual(forecasters[0]?.foreign, 4);
    strictEqual(forecasters[0]?.duplicates, 1);
    strictEqual(forecasters[0]?.strays, 1);
    near(series[0]?.steps[0]?.[median], 60);
  });

  it("know a gap from no load: silence is missing, and late samples mend it", () => {
    const ensemble = new Ensemble().begin("f1");
    ensemble.live(60, steady);
    const held: Uint8Array[] = [];
    ensemble.live(6, () => {
      held.push(packSample(ensemble.sample(steady())));
      return undefined;
    });
    ensemble.live(8, steady);
    strictEqual(ensemble.member("f1").ask().series[0]?.recent.at(-1) ?? null, 60);
    strictEqual(ensemble.member("f1").ask().series[0]?.recent.at(-2) ?? null, null);
    for (const bytes of held) ensemble.store(bytes);
    ensemble.live(6, steady);
    deepStrictEqual(ensemble.member("f1").ask().series[0]?.recent.slice(-3), [60, 60, 60]);
    ensemble.live(12, () => ({ "16/shop": 30 }));
    deepStrictEqual(ensemble.member("f1").ask().series[0]?.recent.at(-1), 0);
  });

  it("go on forecasting when every fit fails", () => {
    const ensemble = new Ensemble().begin("f1");
    ensemble.computeFault = threadDied;
    ensemble.live(200, steady);
    ok(ensemble.jobsRun > 0, "no fit was tried");
    const { series, forecasters } = ensemble.member("f1").ask();
    ok((forecasters[0]?.fitsFailed ?? 0) > 0);
    near(series[0]?.steps[0]?.[median], 60);
    ensemble.computeFault = undefined;
    ensemble.kill("f1");
    ensemble.computeFault = threadDied;
    ensemble.begin("f1");
    ensemble.live(30, steady);
    near(ensemble.member("f1").ask().series[0]?.steps[0]?.[median], 60);
  });

  it("learn what came while a fit was under way", () => {
    const ensemble = new Ensemble().begin("f1");
    ensemble.live(200, (second) => ({ "0/shop": 50 + 10 * Math.sin((2 * Math.PI * second) / 60) }));
    ok(ensemble.jobsRun > 0, "no fit was tried");
    const [series] = ensemble.member("f1").ask().series;
    strictEqual(series?.record.missing, 0);
    ok((series?.record.observed ?? 0) >= 30);
  });

  it("let the heirs of a fragment go on with its past, split and merged, also when another forecaster had it", () => {
    for (const members of [["f1"], ["f1", "f2", "f3"]]) {
      const ensemble = new Ensemble().begin(...members);
      ensemble.live(150, () => ({ "0/shop": 80, "16/shop": 10 }));
      const split = { at: Uint8Array.of(0x40), baseLsn: 1, baseHash: new Uint8Array(8), atMs: 0 };
      ensemble.append({ kind: "fragmentSplit", fragment: 0, child: 32, ...split });
      ensemble.live(14, () => ({ "0/shop": 40, "32/shop": 40, "16/shop": 10 }));
      const halves = ensemble.member("f1").ask({ fragments: [0, 32] }).series;
      deepStrictEqual(
        halves.map(({ fragment }) => fragment),
        [0, 32],
      );
      for (const { steps, recent } of halves) {
        near(steps[0]?.[median], 40);
        ok(recent.filter((value) => value !== null).length > 15, `${members}: knows its past`);
        near(recent.at(-8) ?? undefined, 40);
      }
      ensemble.append({ kind: "fragmentsMerged", left: 0, right: 32, lsn: 2, rightLsn: 2, changedLsn: 2, atMs: 0 });
      ensemble.live(14, () => ({ "0/shop": 80, "16/shop": 10 }));
      const [whole] = ensemble.member("f1").ask({ fragments: [0] }).series;
      near(whole?.steps[0]?.[median], 80);
      near(whole?.recent.at(-8) ?? undefined, 80);
    }
  });

  it("know declared demand before anybody asked, and trust it less when it does not come", () => {
    const ensemble = new Ensemble();
    // From the second minute on, for half a minute, every two minutes.
    ensemble.append({
      kind: "profilePut",
      profile: {
        name: "batch",
        group: "report",
        targets: [{ table: "users", positions: [] }],
        schedule: "*/2 * * * *",
        timeZone: "UTC",
        durationMs: 30_000,
        rates: { get: 100 },
        factor: 0,
        expiresMs: ensemble.wallMs + 86_400_000,
      },
    });
    ensemble.begin("f1");
    const nextWindow = (): void => {
      while (Math.floor(ensemble.wallMs / 1000) % 120 !== 100) ensemble.live(1, () => ({ "0/shop": 10 }));
    };
    const trustAndPeak = (): readonly [number, number] => {
      const series = ensemble.member("f1").ask({ group: "report" }).series;
      strictEqual(series.length, 2, "each fragment is declared");
      const peak = Math.max(...(series[0]?.steps ?? []).map((row) => row[median] ?? 0));
      return [series[0]?.profiles[0]?.trust ?? -1, peak];
    };
    nextWindow();
    const [fresh, foreseen] = trustAndPeak();
    strictEqual(fresh, 0.8);
    near(foreseen, 50);
    const trusts = [fresh];
    for (let broken = 0; broken < 3; broken++) {
      ensemble.live(20, () => ({ "0/shop": 10 }));
      nextWindow();
      trusts.push(trustAndPeak()[0]);
    }
    for (const [index, trust] of trusts.entries()) ok(index === 0 || trust < (trusts[index - 1] ?? 0), String(trusts));
    ok(trustAndPeak()[1] < 5, "nobody believes it any more");
  });

  it("answer a question that makes no sense with a fault", () => {
    const ensemble = new Ensemble().begin("f1");
    strictEqual(ensemble.member("f1").ask({ horizon: "soon" as "short" }).fault?.code, "UNDECODABLE");
    strictEqual(ensemble.member("f1").ask({ fragments: [999] }).total.series, 0);
  });
});

describe("who forecasts a series", () => {
  it("is one of those alive, the same for all, and a leaver's series alone move", () => {
    const ids = fc.uniqueArray(fc.constantFrom("f1", "f2", "f3", "f4", "f5"), { minLength: 2 });
    const keys = Array.from({ length: 60 }, (_, index) => `${index * 16}/group${index % 7}`);
    fc.assert(
      fc.property(ids, (alive) => {
        const seenBy = alive.map((self) => {
          const members = createMembers(self, testHash);
          for (const id of alive) members.hear({ id, incarnation: "1", leaving: false }, 0);
          members.changed(0);
          return members;
        });
        const ownersOf = (key: string): string[] => alive.filter((_, index) => seenBy[index]?.owns(key));
        const before = keys.map(ownersOf);
        for (const owners of before) strictEqual(owners.length, 1);
        const [leaver] = alive;
        for (const members of seenBy.slice(1)) {
          members.hear({ id: leaver ?? "", incarnation: "1", leaving: true }, 1);
          ok(members.changed(1));
        }
        keys.forEach((key, index) => {
          if (before[index]?.[0] === leaver) return;
          deepStrictEqual(
            alive.slice(1).filter((_, member) => seenBy[member + 1]?.owns(key)),
            before[index],
          );
        });
      }),
    );
  });

  it("is nobody who has been silent for a while", () => {
    const members = createMembers("f1", testHash);
    members.hear({ id: "f2", incarnation: "1", leaving: false }, 0);
    ok(members.changed(0));
    strictEqual(members.changed(3000), false);
    ok(members.changed(4000));
    deepStrictEqual(members.ids(), ["f1"]);
  });
});
