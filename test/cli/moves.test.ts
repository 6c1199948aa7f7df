// How moves are named and shown on the command line.

import assert from "node:assert/strict";
import type { MoveInfo } from "../../cluster/client/index.js";
import { UsageError } from "../../scripts/cli/failure.js";
import {
  bytesText,
  durationArgument,
  fragmentArgument,
  moveArgument,
  moveCells,
  moveHeads,
  pastCells,
  pastHeads,
  timeText,
} from "../../scripts/cli/move-lines.js";

const move: MoveInfo = {
  move: 3,
  table: "users",
  fragment: 16,
  strategy: "log-shipping",
  from: "n1",
  to: "n4",
  role: true,
  cause: "operator",
  by: "ann",
  why: "n1 is hot",
  phase: "copying",
  phases: [{ phase: "copying", atMs: 1000, note: "" }],
  startedMs: 1000,
  deadlineMs: 0,
  waitsFor: "n4 to be filled",
  progress: {
    rows: 500,
    bytes: 1024 * 1024,
    totalRows: 1000,
    totalBytes: 4 * 1024 * 1024,
    lagLsn: 7,
    bytesPerSecond: 1024 * 1024,
  },
};

describe("command line: moves", () => {
  it("reads fragments, times and moves, and says what would be right", () => {
    assert.deepEqual(fragmentArgument("users/16"), { table: "users", fragment: 16 });
    for (const wrong of ["users", "users/", "/3", "users/x", "a/b/3", "users/-1"])
      assert.throws(() => fragmentArgument(wrong), UsageError, wrong);
    assert.deepEqual(["250ms", "30s", "1.5m", "2h"].map(durationArgument), [250, 30_000, 90_000, 7_200_000]);
    for (const wrong of ["30", "s", "-1s", "1 day"]) assert.throws(() => durationArgument(wrong), UsageError, wrong);
    assert.equal(moveArgument("7"), 7);
    for (const wrong of ["0", "x", "1.5", ""]) assert.throws(() => moveArgument(wrong), UsageError, wrong);
  });

  it("shows amounts, speed and the time that is left", () => {
    const cells = moveCells(move);
    assert.equal(cells.length, moveHeads.length);
    const shown = Object.fromEntries(moveHeads.map((head, at) => [head, cells[at]]));
    assert.equal(shown.DONE, "25 %");
    assert.equal(shown.BYTES, "1.0 MiB of 4.0 MiB");
    assert.equal(shown.LEFT, "3 s");
    assert.equal(shown.PHASE, "copying: n4 to be filled");
    assert.equal(shown.BY, "ann (operator)");
    const { progress: _progress, ...bare } = move;
    assert.equal(moveCells(bare).length, moveHeads.length);
  });

  it("shows how a past move ended", () => {
    const cells = pastCells({ ...move, outcome: "rolledBack", endedMs: 3500, end: "by ann" });
    assert.equal(cells.length, pastHeads.length);
    assert.deepEqual(cells.slice(6, 8), ["rolledBack", "3 s"]);
  });

  it("writes amounts and times with fitting units", () => {
    assert.deepEqual([10, 2048, 3 * 1024 ** 2, 2 * 1024 ** 3].map(bytesText), [
      "10 B",
      "2.0 KiB",
      "3.0 MiB",
      "2.00 GiB",
    ]);
    assert.deepEqual([20, 5000, 600_000].map(timeText), ["20 ms", "5 s", "10 min"]);
  });
});
