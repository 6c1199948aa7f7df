// Change feeds: what was shown is held against what was written.

import assert from "node:assert/strict";
import { limits } from "../../src/config/limits.js";
import { checkFeeds, type Feed, type FeedChange } from "../../src/verify/feed.js";
import { type Entry, passed } from "../../src/verify/history.js";

function wrote(id: number, key: string, version: number, text: string | undefined): Entry {
  const step = {
    key,
    act: text === undefined ? "delete" : "put",
    fields: text === undefined ? {} : { a: text },
  } as const;
  return {
    client: 1,
    id,
    input: { op: "write", steps: [step], requestId: `w${id}` },
    ending: "ok",
    output: { op: "versions", versions: [version] },
    invokeNs: id * 100,
    returnNs: id * 100 + 50,
    tries: 1,
  };
}

function change(key: string, version: number, text: string | undefined): FeedChange {
  return { key, version, fields: text === undefined ? undefined : { a: text } };
}

function feedOf(...changes: FeedChange[]): Feed {
  return { table: "t", fromNs: 0, toNs: 10_000, changes };
}

const record = limits.recordWrites;
const history = [
  wrote(1, "t/a/1", record, "x"),
  wrote(2, "t/a/2", 2 * record, "y"),
  wrote(3, "t/a/1", 3 * record, undefined),
];
const whole = [change("t/a/1", record, "x"), change("t/a/2", 2 * record, "y"), change("t/a/1", 3 * record, undefined)];

describe("change feeds", () => {
  it("passes a feed that shows every change once and in order", () => {
    const verdict = checkFeeds(history, [feedOf(...whole)], 1);
    assert.equal(verdict.judged, 3);
    assert.ok(passed(verdict), verdict.violations.join("\n"));
  });

  it("judges nothing when nothing was shown", () => assert.ok(!passed(checkFeeds([], [feedOf()], 1))));

  it("sees a gap, a repetition, a wrong order, and wrong contents", () => {
    const [first, second, third] = whole as [FeedChange, FeedChange, FeedChange];
    const bad = {
      gap: [first, third],
      repetition: [first, second, second, third],
      order: [second, first, third],
      contents: [first, change("t/a/2", 2 * record, "z"), third],
      resurrection: [first, second, change("t/a/1", 3 * record, "x")],
    };
    for (const [what, changes] of Object.entries(bad))
      assert.ok(checkFeeds(history, [feedOf(...changes)]).violations.length > 0, `${what} was not seen`);
  });

  it("asks only for the last change of a row in one record, and for writes within the feed's time", () => {
    const twice = [wrote(1, "t/a/1", record, "x"), wrote(2, "t/a/1", record + 1, "y")];
    assert.ok(passed(checkFeeds(twice, [feedOf(change("t/a/1", record + 1, "y"))])));
    const early = { ...feedOf(...whole.slice(1)), fromNs: 120 };
    assert.ok(passed(checkFeeds(history, [early])));
    const ended = { ...feedOf(...whole.slice(0, 2)), toNs: 300 };
    assert.ok(passed(checkFeeds(history, [ended])));
    const torn = { ...feedOf(...whole.slice(2)), toNs: 0 };
    assert.ok(checkFeeds(history, [torn]).violations.length > 0, "a later change obliges");
  });
});
