import assert from "node:assert/strict";
import { passed } from "../../src/verify/history.js";
import { entryLine, historyOf } from "../../src/verify/history-file.js";
import { checkLinearizable } from "../../src/verify/linearizable.js";
import { checkScans } from "../../src/verify/reads.js";
import { faultOf, unwrap } from "../engine/support.js";
import { act, at, count, get, put, row, scan, writeSteps } from "./histories.js";

const history = [
  get(at(0, 1), "t/k", undefined),
  put(at(2, 3), "t/k", "x", 5, { ifVersion: 0 }),
  act(at(3, 4), "update", "t/k", { a: 'ü\n"' }, 6),
  put(at(3, 9), "t/k", "lost?", "unknown"),
  put(at(3, 4), "t/k", "z", "CONFLICT", { ifVersion: 3 }),
  writeSteps(
    at(5, 6),
    [
      { key: "t/l/1", act: "put", fields: { a: "1", b: "1" } },
      { key: "t/l/2", act: "delete", fields: {} },
    ],
    [9, 10],
  ),
  get(at(10, 11), "t/k", { version: 6, fields: { a: 'ü\n"', b: "x" } }, { level: "bounded", maxStaleMs: 50 }),
  scan(at(12, 13), ["t/l/1", "t/l/2"], [["t/l/1", row(9, "1")]]),
  count(at(12, 13), ["t/l/1", "t/l/2"], 1),
];
const text = history.map(entryLine).join("\n");

describe("history file", () => {
  it("reads as the history that was written, and is judged like it", () => {
    const read = unwrap(historyOf(`${text}\n`));
    assert.deepEqual(read, history);
    for (const check of [checkLinearizable, checkScans]) {
      assert.deepEqual(check(read), check(history));
      assert.ok(passed(check(read)));
    }
  });

  it("that was tampered with is judged red", () => {
    const stale = unwrap(historyOf(text.replace('"version":6', '"version":5').replace('"bounded"', '"strong"')));
    assert.notDeepEqual(stale, history);
    assert.equal(passed(checkLinearizable(stale)), false);
  });

  const lines = text.split("\n");
  for (const [name, line, words] of [
    ["that is no JSON", "{", /line 2 is no entry/],
    ["without its times", lines[0]?.replace(/"invokeNs":[^,]*,/, ""), /line 2 .*invokeNs/],
    ["with an unknown ending", lines[0]?.replace('"ending":"ok"', '"ending":"fine"'), /line 2 .*ending/],
    ["of an unknown operation", lines[0]?.replaceAll('"op":"get"', '"op":"peek"'), /line 2 .*input/],
  ] as const)
    it(`refuses a line ${name}, by its number`, () => {
      const refused = faultOf(historyOf(`${lines[1]}\n${line}\n`));
      assert.equal(refused.code, "UNDECODABLE");
      assert.match(refused.message, words);
    });
});
