import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { coveredShare, overlapOf, type Profile, rateOf, windowsOf } from "../../src/forecast/profile.js";
import { decodeProfile } from "../../src/forecast/profile-form.js";
import { addPromise, createTrials, firstTrust, judgePromise, keptPart, relive } from "../../src/forecast/promise.js";
import { quantileCount } from "../../src/forecast/quantiles.js";
import type { TableDef } from "../../src/table/table.js";
import { testHash } from "../hash.js";

const orders: TableDef = { id: 1, name: "orders", partitioning: "hash", key: { partition: "string" }, replicas: 3 };
const nowMs = Date.parse("2026-03-01T12:00:00Z");
const good = {
  name: "nightly",
  group: "office",
  tables: ["orders"],
  schedule: "0 2 * * *",
  timeZone: "Europe/Oslo",
  duration: "30m",
  rates: { scan: 20, get: 200 },
  expires: "2027-01-01",
};

function decode(more: object = {}) {
  return decodeProfile({ ...good, ...more }, (name) => (name === "orders" ? orders : undefined), testHash, nowMs);
}

function profile(more: object = {}): Profile {
  const decoded = decode(more);
  ok(decoded.ok, decoded.ok ? "" : decoded.fault.message);
  return decoded.value;
}

describe("profiles as people write them", () => {
  it("mean windows of time, in their own time zone, summer time too", () => {
    const starts = (from: string, to: string) =>
      windowsOf(profile(), Date.parse(from), Date.parse(to)).map(({ fromMs }) => new Date(fromMs).toISOString());
    deepStrictEqual(starts("2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z"), [
      "2026-03-02T01:00:00.000Z",
      "2026-03-03T01:00:00.000Z",
    ]);
    // A window that is under way counts; so does the change to summer time.
    deepStrictEqual(starts("2026-03-02T01:20:00Z", "2026-03-02T01:21:00Z"), ["2026-03-02T01:00:00.000Z"]);
    deepStrictEqual(starts("2026-04-02T00:00:00Z", "2026-04-02T12:00:00Z"), ["2026-04-02T00:00:00.000Z"]);
    deepStrictEqual(starts("2026-12-31T23:00:00Z", "2027-01-03T00:00:00Z"), []);
    strictEqual(rateOf(profile()), 220);
    strictEqual(profile({ tables: [{ table: "orders", keys: ["a", "b"] }] }).targets[0]?.positions.length, 2);
    strictEqual(profile({ group: "*", rates: undefined, factor: 3 }).factor, 3);
  });

  it("name partition keys alone where rows have a sort key too: the rows under one begin there", () => {
    const tables = { tables: [{ table: "orders", keys: ["acme", ["acme"], ["acme", "s1"]] }] };
    const sorted: TableDef = { ...orders, key: { partition: "string", sort: "string" } };
    const decoded = decodeProfile({ ...good, ...tables }, () => sorted, testHash, nowMs);
    ok(decoded.ok, decoded.ok ? "" : decoded.fault.message);
    const [alone, boxed, whole] = (decoded.value.targets[0]?.positions ?? []).map((key) => Buffer.from(key));
    ok(alone !== undefined && boxed !== undefined && whole !== undefined);
    deepStrictEqual(alone, boxed);
    deepStrictEqual(whole.subarray(0, alone.length), alone);
  });

  it("know which share of a slot they cover", () => {
    const windows = [{ fromMs: 1000, toMs: 2000 }];
    strictEqual(coveredShare(windows, 0, 1000), 0);
    strictEqual(coveredShare(windows, 500, 1500), 0.5);
    strictEqual(coveredShare(windows, 1200, 1400), 1);
  });

  const wrong: readonly (readonly [object, string, RegExp])[] = [
    [{ schedule: "61 2 * * *" }, "BAD_PROFILE", /five cron fields.*61/],
    [{ schedule: "at night" }, "BAD_PROFILE", /five cron fields/],
    [{ schedule: "0 0 31 2 *" }, "BAD_PROFILE", /never comes before/],
    [{ timeZone: "Mars/Base" }, "BAD_PROFILE", /such as Europe\/Oslo or UTC, not "Mars\/Base"/],
    [{ tables: ["nowhere"] }, "UNKNOWN_TABLE", /names "nowhere"/],
    [{ tables: [] }, "BAD_PROFILE", /at least one table/],
    [{ tables: [{ table: "orders", keys: [7] }] }, "BAD_KEY", /a key of table orders/],
    [{ rates: { get: -5 } }, "BAD_PROFILE", /rates must not be negative/],
    [{ rates: { fetch: 5 } }, "BAD_PROFILE", /no operation "fetch".*get, put/],
    [{ rates: {} }, "BAD_PROFILE", /queries per second by operation/],
    [{ rates: { get: "many" } }, "BAD_PROFILE", /queries per second by operation/],
    [{ duration: "26h" }, "BAD_PROFILE", /begins again at .* while the run before still lasts/],
    [{ duration: "soon" }, "BAD_PROFILE", /such as "30m" or "2h"/],
    [{ expires: "2020-01-01" }, "BAD_PROFILE", /which is over/],
    [{ expires: "never" }, "BAD_PROFILE", /such as "2027-01-01"/],
    [{ name: "a b" }, "BAD_PROFILE", /name must be a letter/],
    [{ group: "*" }, "BAD_PROFILE", /calendar event/],
    [{ factor: 2 }, "BAD_PROFILE", /whose group is "\*"/],
    [{ shedule: "x" }, "BAD_PROFILE", /no field shedule; its fields are name, group/],
  ];
  for (const [more, code, words] of wrong) {
    it(`say what would be right for ${JSON.stringify(more)}`, () => {
      const decoded = decode(more);
      ok(!decoded.ok, "it was let in");
      strictEqual(decoded.fault.code, code);
      match(decoded.fault.message, words);
    });
  }

  it("are no profile when they are no object", () => {
    for (const body of [null, 7, "x", [], undefined])
      strictEqual(decodeProfile(body, () => orders, testHash, nowMs).ok, false);
  });

  it("overlap with another of the same group and table, and with no other", () => {
    const other = (more: object) => profile({ name: "other", schedule: "15 2 * * *", ...more });
    ok(overlapOf(profile(), other({}), nowMs) !== undefined);
    strictEqual(overlapOf(profile(), other({ schedule: "30 4 * * *" }), nowMs), undefined);
    strictEqual(overlapOf(profile(), other({ group: "shop" }), nowMs), undefined);
  });
});

describe("promises", () => {
  const row = fc
    .array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: quantileCount, maxLength: quantileCount })
    .map((steps) => {
      let sum = 0;
      return Float64Array.from(steps, (step) => {
        sum += step;
        return sum;
      });
    });

  it("shift a row without crossing or going below zero", () => {
    fc.assert(
      fc.property(
        row,
        fc.double({ min: -500, max: 500, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (before, promised, trust) => {
          const after = before.slice();
          addPromise(after, 0, promised, trust);
          for (let q = 0; q < quantileCount; q++) {
            ok((after[q] ?? 0) >= (q === 0 ? 0 : (after[q - 1] ?? 0)), `${after}`);
            if (promised > 0) ok((after[q] ?? 0) >= (before[q] ?? 0));
          }
        },
      ),
    );
  });

  it("count in full for the upper quantiles at once, for the lower ones when they are trusted", () => {
    const shifted = (trust: number) => {
      const rows = new Float64Array(quantileCount).fill(10);
      addPromise(rows, 0, 100, trust);
      return rows;
    };
    const fresh = shifted(firstTrust);
    strictEqual(fresh[0], 10);
    ok((fresh[3] ?? 0) > 90 && (fresh[7] ?? 0) > 110, `${fresh}`);
    const doubted = shifted(0.2);
    strictEqual(doubted[3], 10);
    ok((doubted[6] ?? 0) > 90, `${doubted}`);
    deepStrictEqual(
      [...shifted(0)],
      Array.from({ length: quantileCount }, () => 10),
    );
  });

  it("are trusted less each time they are broken, never out of bounds, and more again when kept", () => {
    const amount = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), amount, amount, (trust, promised, extra) => {
        const next = judgePromise(trust, promised, extra);
        ok(next >= 0 && next <= 1);
      }),
    );
    let trust = firstTrust;
    for (let broken = 0; broken < 6; broken++) {
      const next = judgePromise(trust, 100, 0);
      ok(next < trust);
      trust = next;
    }
    ok(trust < 0.05, String(trust));
    const kept = judgePromise(trust, 100, 95);
    ok(kept > trust && kept - trust < 0.3, `${trust} then ${kept}`);
    // Three times what was promised is broken too.
    ok(judgePromise(firstTrust, 100, 300) < firstTrust);
  });

  it("take no more from what a series learns than came of them", () => {
    strictEqual(keptPart(130, 30, 100), 100);
    strictEqual(keptPart(80, 30, 100), 50);
    strictEqual(keptPart(20, 30, 100), 0);
    strictEqual(keptPart(500, 30, 100), 100);
    strictEqual(keptPart(10, 30, -15), -15);
  });

  it("are judged and taken out of a past that is lived through again", () => {
    const promised = (slot: number) => (slot % 20 >= 15 ? [{ name: "p", rate: 100 }] : []);
    const values = Array.from({ length: 200 }, (_, slot) => (slot % 20 >= 15 ? 130 : 30));
    const honest = relive(0, values, promised);
    ok(honest.values.every((value) => Math.abs(value - 30) < 1e-3));
    ok((honest.trust.get("p") ?? 0) > 0.95);
    const flat = relive(
      0,
      values.map(() => 30),
      promised,
    );
    ok(flat.values.every((value) => value === 30));
    ok((flat.trust.get("p") ?? 1) < 0.01);
    deepStrictEqual(createTrials().see([], 5, 5), 0);
  });
});
