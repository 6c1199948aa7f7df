// Chart. Owns tests of charts as SVG text: peaks, gaps, bands, and texts that would be markup.

import assert from "node:assert/strict";
import { chart, standing } from "../../scripts/plot/chart.js";
import { plotPage } from "../../scripts/plot/page.js";

const plain = { title: "load", unit: "qps", from: "begin", to: "end" };

function yOf(svg: string): number[] {
  const path = svg.match(/<path d="([^"]*)"/)?.[1] ?? "";
  return [...path.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y));
}

describe("charts", () => {
  it("show a peak of one value among many", () => {
    const values = new Float64Array(90_000).fill(1);
    values[12_345] = 50;
    const heights = yOf(chart({ ...plain, lines: [{ name: "all", colour: "#000", values }] }));
    assert.ok(heights.length > 100 && heights.length <= 900, `${heights.length} points`);
    assert.ok(Math.min(...heights) < 50, "the peak reaches the top");
  });

  it("leave gaps where nothing is known", () => {
    const svg = chart({ ...plain, lines: [{ name: "all", colour: "#000", values: [1, 2, Number.NaN, 3, 4] }] });
    assert.equal(svg.match(/<path d="([^"]*)"/)?.[1]?.split("M").length, 3, "two strokes");
  });

  it("name each of a few steps and mark its value, and stand alone on a ground of their own", () => {
    const steps = ["16", "1,000", "<4,000>"];
    const svg = standing(
      chart({
        ...plain,
        from: "",
        to: "",
        steps,
        lines: [{ name: "all", colour: "#000", values: [3, Number.NaN, 1] }],
      }),
    );
    assert.equal(svg.split("<circle").length - 1, 2, "a dot for each value that is known");
    for (const name of ["16", "1,000", "&#60;4,000&#62;"]) assert.ok(svg.includes(`>${name}</text>`), name);
    assert.match(svg, /^<svg [^>]*><style>.*<rect width="100%"/);
  });

  it("draw a band as closed stretches, and marks once each", () => {
    const low = [1, 1, Number.NaN, 1, 1];
    const high = [2, 2, 2, 2, 2];
    const svg = chart({
      ...plain,
      lines: [],
      bands: [{ name: "90 %", colour: "#00f", low, high }],
      marks: [{ name: "moves", colour: "#0a0", at: [0.25, 0.25, 0.5] }],
    });
    assert.equal(svg.split("Z").length - 1, 2, "two stretches");
    assert.equal(svg.split(`v6`).length - 1, 2, "two marks");
  });

  it("let no text be markup", () => {
    const nasty = `<script>alert("x")</script>`;
    const svg = chart({ ...plain, title: nasty, lines: [{ name: nasty, colour: nasty, values: [1] }] });
    const page = plotPage({
      title: nasty,
      setting: nasty,
      heads: [nasty],
      rows: [[nasty]],
      notes: [nasty],
      charts: [svg],
    });
    assert.ok(!page.includes("<script>") && page.includes("&#60;script&#62;"));
  });
});
