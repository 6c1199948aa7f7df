// The checkers, on histories made by hand: each accepts what may be and rejects what may not.

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Entry, passed, type Verdict } from "../../src/verify/history.js";
import { checkLinearizable } from "../../src/verify/linearizable.js";
import { checkAppliedOnce, checkBatches, checkScans, checkStaleReads } from "../../src/verify/reads.js";
import { act, at, count, get, put, row, scan, writeSteps } from "./histories.js";

type Checker = (history: readonly Entry[]) => Verdict;

function good(checker: Checker, name: string, ...history: Entry[]): void {
  it(`accepts ${name}`, () => {
    const verdict = checker(history);
    assert.deepEqual(verdict.violations, []);
    assert.ok(verdict.judged > 0, "it judged nothing");
  });
}

function bad(checker: Checker, name: string, ...history: Entry[]): void {
  it(`rejects ${name}`, () => assert.notDeepEqual(checker(history).violations, []));
}

describe("linearizability per key", () => {
  const check: Checker = (history) => checkLinearizable(history);

  good(
    check,
    "a read of nothing, then of what was written",
    get(at(0, 1), "k", undefined),
    put(at(2, 3), "k", "x", 5),
    get(at(4, 5), "k", row(5, "x")),
  );
  bad(
    check,
    "a read of nothing after an acknowledged write",
    put(at(0, 1), "k", "x", 5),
    get(at(2, 3), "k", undefined),
  );
  bad(
    check,
    "an old value after the new one was acknowledged",
    put(at(0, 1), "k", "x", 5),
    put(at(2, 3), "k", "y", 6),
    get(at(4, 5), "k", row(5, "x")),
  );
  good(
    check,
    "either value while the write is under way",
    put(at(0, 1), "k", "x", 5),
    put(at(2, 9), "k", "y", 6),
    get(at(3, 4), "k", row(5, "x")),
    get(at(5, 6), "k", row(6, "y")),
  );
  bad(
    check,
    "new and then old again while the write is under way",
    put(at(0, 1), "k", "x", 5),
    put(at(2, 9), "k", "y", 6),
    get(at(3, 4), "k", row(6, "y")),
    get(at(5, 6), "k", row(5, "x")),
  );
  good(check, "an unknown write that happened", put(at(0, 1), "k", "x", "unknown"), get(at(2, 3), "k", row(7, "x")));
  good(
    check,
    "an unknown write that happened much later",
    put(at(0, 1), "k", "x", "unknown"),
    get(at(2, 3), "k", undefined),
    get(at(4, 5), "k", row(7, "x")),
  );
  good(
    check,
    "an unknown write that never happened",
    put(at(0, 1), "k", "x", "unknown"),
    get(at(2, 3), "k", undefined),
  );
  good(
    check,
    "an update of what an unknown write made that nobody saw",
    get(at(0, 1), "k", undefined),
    put(at(2, 3), "k", "x", "unknown"),
    act(at(4, 5), "update", "k", { a: "y" }, 7),
  );
  bad(
    check,
    "an update where there never was a row",
    get(at(0, 1), "k", undefined),
    act(at(4, 5), "update", "k", { a: "y" }, 7),
  );
  bad(
    check,
    "an unknown write that happened and then had not",
    put(at(0, 1), "k", "x", "unknown"),
    get(at(2, 3), "k", row(7, "x")),
    get(at(4, 5), "k", undefined),
  );
  bad(
    check,
    "a refused write that was seen",
    put(at(0, 1), "k", "x", "OVERLOADED"),
    put(at(2, 3), "k", "y", 4),
    get(at(4, 5), "k", row(9, "x")),
  );
  bad(check, "a version other than the one acknowledged", put(at(0, 1), "k", "x", 5), get(at(2, 3), "k", row(6, "x")));
  bad(check, "versions that do not grow", put(at(0, 1), "k", "x", 5), put(at(2, 3), "k", "y", 4));
  good(
    check,
    "a merge patch over a put",
    put(at(0, 1), "k", "x", 5),
    act(at(2, 3), "update", "k", { b: "z" }, 6),
    get(at(4, 5), "k", row(6, "x", "z")),
  );
  bad(
    check,
    "a merge patch that lost the other field",
    put(at(0, 1), "k", "x", 5),
    act(at(2, 3), "update", "k", { b: "z" }, 6),
    get(at(4, 5), "k", { version: 6, fields: { b: "z" } }),
  );
  bad(
    check,
    "a lost update",
    put(at(0, 1), "k", "x", 5),
    act(at(2, 3), "update", "k", { a: "y" }, 6),
    act(at(2, 3), "update", "k", { b: "z" }, 7),
    get(at(4, 5), "k", row(7, "x", "z")),
  );
  good(
    check,
    "an insert refused because there is a row",
    put(at(0, 1), "k", "x", 5),
    act(at(2, 3), "insert", "k", { a: "y", b: "y" }, "EXISTS"),
  );
  bad(check, "an insert refused where there is none", act(at(0, 1), "insert", "k", { a: "y", b: "y" }, "EXISTS"));
  bad(
    check,
    "two inserts that both succeeded",
    act(at(0, 1), "insert", "k", { a: "x", b: "x" }, 4),
    act(at(2, 3), "insert", "k", { a: "y", b: "y" }, 5),
  );
  good(check, "a condition that holds", put(at(0, 1), "k", "x", 5), put(at(2, 3), "k", "y", 6, { ifVersion: 5 }));
  bad(
    check,
    "a condition that did not hold and was met",
    put(at(0, 1), "k", "x", 5),
    put(at(2, 3), "k", "y", 6),
    put(at(4, 5), "k", "z", 7, { ifVersion: 5 }),
  );
  bad(
    check,
    "a conflict where there is none",
    put(at(0, 1), "k", "x", 5),
    put(at(2, 3), "k", "y", "CONFLICT", { ifVersion: 5 }),
  );
  good(
    check,
    "a delete",
    put(at(0, 1), "k", "x", 5),
    act(at(2, 3), "delete", "k", {}, 6),
    get(at(4, 5), "k", undefined),
  );
  bad(
    check,
    "a delete that came back",
    put(at(0, 1), "k", "x", 5),
    act(at(2, 3), "delete", "k", {}, 6),
    get(at(4, 5), "k", row(5, "x")),
  );
  bad(
    check,
    "half of an unknown batch",
    unknownBatch(),
    get(at(2, 3), "k", row(5, "x")),
    get(at(4, 5), "l", undefined),
    get(at(6, 7), "l", undefined),
    put(at(8, 9), "l", "z", 2),
  );
  good(
    check,
    "all of an unknown batch",
    unknownBatch(),
    get(at(2, 3), "k", row(5, "x")),
    get(at(4, 5), "l", row(6, "y")),
  );

  function unknownBatch(): Entry {
    const steps = [
      { key: "k", act: "put" as const, fields: { a: "x", b: "x" } },
      { key: "l", act: "insert" as const, fields: { a: "y", b: "y" } },
    ];
    return writeSteps(at(0, 1), steps, "unknown");
  }

  it("takes a list that it cannot decide for a violation", () => {
    const history = Array.from({ length: 12 }, (_, i) => put(at(0, 100), "k", `t${i}`, i + 1));
    const verdict = checkLinearizable(history, { budget: 3 });
    assert.match(verdict.violations.join(), /could not be decided/);
  });

  it("is no pass with too little to judge", () => {
    assert.equal(passed(checkLinearizable([put(at(0, 1), "k", "x", 5)], { needed: 2 })), false);
  });

  it("lets a refused write happen later only when copies of requests may be late", () => {
    const history = [
      act(at(0, 1), "update", "k", { a: "x" }, "NOT_FOUND"),
      put(at(2, 3), "k", "y", 4),
      get(at(4, 5), "k", row(6, "x", "y")),
    ];
    assert.notDeepEqual(checkLinearizable(history).violations, []);
    assert.deepEqual(checkLinearizable(history, { lateTries: true }).violations, []);
  });

  /** Makes a history of a register that behaves: each operation takes effect at a moment within its time. */
  function behaved(
    draws: readonly { at: number; before: number; after: number; what: number; lost: boolean }[],
  ): Entry[] {
    let version = 0;
    let held: ReturnType<typeof row> | undefined;
    return [...draws]
      .sort((a, b) => a.at - b.at)
      .map(({ at: moment, before, after, what, lost }, index) => {
        const when = at(moment - before, moment + after);
        if (what === 0) return get(when, "k", held);
        version++;
        if (what === 1) {
          held = undefined;
          return act(when, "delete", "k", {}, lost ? "unknown" : version);
        }
        held = row(version, `t${index}`);
        return put(when, "k", `t${index}`, lost ? "unknown" : version);
      });
  }
  const draw = fc.record({
    at: fc.integer({ min: 1000, max: 3000 }),
    before: fc.integer({ min: 0, max: 300 }),
    after: fc.integer({ min: 0, max: 300 }),
    what: fc.integer({ min: 0, max: 3 }),
    lost: fc.boolean(),
  });
  const draws = fc.uniqueArray(draw, { minLength: 1, maxLength: 60, selector: ({ at: moment }) => moment });

  it("accepts every history of a register that behaves", () => {
    fc.assert(
      fc.property(draws, (made) => assert.deepEqual(checkLinearizable(behaved(made)).violations, [])),
      { numRuns: 300 },
    );
  });

  it("rejects every such history in which a later read sees an older row", () => {
    fc.assert(
      fc.property(draws, (made) => {
        const history = behaved(made.map((one) => ({ ...one, lost: false })));
        const first = put(at(1, 2), "k", "first", 0.5);
        const last = get(at(9000, 9001), "k", row(0.5, "first"));
        fc.pre(history.some(({ input }) => input.op === "write"));
        assert.notDeepEqual(checkLinearizable([first, ...history, last]).violations, []);
      }),
      { numRuns: 200 },
    );
  });
});

describe("retried writes", () => {
  good(
    (history) => ({ ...checkAppliedOnce(history), judged: 1 }),
    "one version per content",
    put(at(0, 1), "k", "x", 5),
    get(at(2, 3), "k", row(5, "x")),
    get(at(4, 5), "k", row(5, "x")),
  );
  bad(
    checkAppliedOnce,
    "one content under two versions",
    put(at(0, 1), "k", "x", "unknown"),
    get(at(2, 3), "k", row(5, "x")),
    get(at(4, 5), "k", row(8, "x")),
  );
  bad(
    checkAppliedOnce,
    "one version with two contents",
    put(at(0, 1), "k", "x", 5),
    put(at(0, 1), "k", "y", 6),
    get(at(2, 3), "k", row(5, "x")),
    get(at(4, 5), "k", row(5, "y")),
  );
  bad(checkAppliedOnce, "a text that nobody wrote", get(at(2, 3), "k", row(5, "ghost")));
});

describe("reads with a bound", () => {
  const check: Checker = (history) => checkStaleReads(history);
  const bounded = { level: "bounded", maxStaleMs: 100 } as const;
  good(
    check,
    "a row within the bound",
    put(at(0, 1), "k", "x", 5),
    put(at(2, 3), "k", "y", 6),
    get(at(50, 60), "k", row(5, "x"), bounded),
  );
  bad(
    check,
    "a row beyond the bound",
    put(at(0, 1), "k", "x", 5),
    put(at(2, 3), "k", "y", 6),
    get(at(150, 160), "k", row(5, "x"), bounded),
  );
  bad(check, "nothing, beyond the bound", put(at(0, 1), "k", "x", 5), get(at(150, 160), "k", undefined, bounded));
  good(
    check,
    "nothing, where a delete of unknown end may have been",
    put(at(0, 1), "k", "x", 5),
    act(at(2, 3), "delete", "k", {}, "unknown"),
    get(at(150, 160), "k", undefined, bounded),
  );
  good(
    check,
    "any row of old at level any",
    put(at(0, 1), "k", "x", 5),
    put(at(2, 3), "k", "y", 6),
    get(at(9000, 9001), "k", row(5, "x"), { level: "any" }),
  );
  bad(check, "a row of the future", get(at(0, 1), "k", row(5, "x"), { level: "any" }), put(at(2, 3), "k", "x", 5));
});

describe("scans and counts", () => {
  const check: Checker = (history) => checkScans(history);
  const keys = ["k1", "k2", "k3"];
  const three = (): Entry[] => keys.map((key, i) => put(at(i, i + 0.5), key, `x${i}`, i + 1));
  const rows = keys.map((key, i) => [key, row(i + 1, `x${i}`)] as const);
  good(check, "all rows in order", ...three(), scan(at(10, 20), keys, rows));
  bad(check, "a row that is missing", ...three(), scan(at(10, 20), keys, rows.slice(0, 2)));
  bad(check, "a row twice", ...three(), scan(at(10, 20), keys, [...rows, ...rows.slice(2)]));
  bad(check, "rows out of order", ...three(), scan(at(10, 20), keys, [...rows].reverse()));
  bad(check, "a row outside of the range", ...three(), scan(at(10, 20), keys.slice(0, 2), rows));
  bad(check, "a row that was replaced before", ...three(), put(at(5, 6), "k3", "z", 9), scan(at(10, 20), keys, rows));
  good(
    check,
    "a row that is replaced meanwhile",
    ...three(),
    put(at(5, 15), "k3", "z", 9),
    scan(at(10, 20), keys, rows),
  );
  good(
    check,
    "a row that is deleted meanwhile",
    ...three(),
    act(at(5, 15), "delete", "k3", {}, 9),
    scan(at(10, 20), keys, rows.slice(0, 2)),
  );
  good(check, "the right count", ...three(), count(at(10, 20), keys, 3));
  bad(check, "a count of too few", ...three(), count(at(10, 20), keys, 2));
  bad(check, "a count of too many", ...three(), act(at(5, 6), "delete", "k3", {}, 9), count(at(10, 20), keys, 3));
  good(
    check,
    "a count beside a delete under way",
    ...three(),
    act(at(5, 15), "delete", "k3", {}, 9),
    count(at(10, 20), keys, 2),
  );
});

describe("batches", () => {
  const steps = ["k", "l"].map((key) => ({ key, act: "put" as const, fields: { a: key, b: key } }));
  good((history) => checkBatches(history), "versions of one record", writeSteps(at(0, 1), steps, [4096, 4097]));
  bad((history) => checkBatches(history), "versions of two records", writeSteps(at(0, 1), steps, [4096, 8192]));
});
