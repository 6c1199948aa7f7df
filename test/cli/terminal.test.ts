import { doesNotMatch, equal, ok } from "node:assert/strict";
import { cellText, jsonText } from "../../scripts/cli/output.js";
import { escaped, hasColour, visible, windowOf } from "../../scripts/cli/terminal.js";
import { screenOf, type TopFigures } from "../../scripts/cli/top-screen.js";

const steering = "evil\u001b[2J\u009b31m\u007f\r\n";
const control = /\p{Cc}/u;
const figures: TopFigures = {
  atMs: 0,
  nodes: [
    { id: "n1", zone: "z", weight: 1, state: "down", draining: false, primaries: 1, replicas: 2 },
    { id: "n2", zone: "z", weight: 1, state: "up", draining: false, primaries: 1, replicas: 2 },
  ],
  partitions: [{ partition: 0, term: 1, leader: "c1", seq: 9 }],
  hot: {
    fragments: [
      { table: "users", fragment: 16, primary: "n2", perSecond: 5, keys: [{ key: steering, perSecond: 5, share: 1 }] },
    ],
    silent: [],
  },
  moves: [],
};

describe("a terminal", () => {
  it("is never steered by what users wrote", () => {
    equal(visible(steering), "evil·[2J·31m···");
    doesNotMatch(cellText(steering), control);
    doesNotMatch(jsonText({ steering }), control);
    equal(JSON.parse(jsonText({ steering })).steering, steering, "in JSON it is still what it was");
    equal(escaped('"å"'), '"å"');
    for (const line of screenOf(figures, { columns: 120, rows: 40, colour: false })) doesNotMatch(line, control);
  });

  it("may be narrow, low, or not know its size", () => {
    for (const columns of [1, 5, 12, 19, 80]) {
      const lines = screenOf(figures, { columns, rows: 6, colour: false });
      ok(lines.length > 0 && lines.length <= 6);
      for (const line of lines) ok([...line].length <= columns, `${columns}: ${line}`);
    }
    equal(windowOf({ columns: 0, rows: 0 }).columns, 80);
    equal(windowOf({}).rows, 24);
    equal(windowOf({ columns: 12, rows: 5 }).columns, 12);
  });

  it("has colours only where they are wished for", () => {
    const bold = "\u001b[1m";
    const canvas = { columns: 80, rows: 40 };
    ok(screenOf(figures, { ...canvas, colour: true }).some((line) => line.startsWith(bold)));
    ok(!screenOf(figures, { ...canvas, colour: false }).some((line) => control.test(line)));
    const [kept, tty] = [process.env.NO_COLOR, process.stdout.isTTY];
    process.stdout.isTTY = true;
    try {
      process.env.NO_COLOR = "1";
      equal(hasColour(), false);
      process.env.NO_COLOR = "";
      process.stdout.isTTY = false;
      equal(hasColour(), false);
    } finally {
      process.stdout.isTTY = tty;
      if (kept === undefined) delete process.env.NO_COLOR;
      else process.env.NO_COLOR = kept;
    }
  });
});
