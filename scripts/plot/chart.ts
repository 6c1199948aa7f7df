// Chart. Owns charts over time as SVG text, with nothing from outside: axes, lines, bands, marks, names. Never reads data from anywhere.
// CH1 what is drawn says no more than what is given: peaks survive thinning, gaps stay gaps. CH2 any text is escaped.

export interface Line {
  readonly name: string;
  readonly colour: string;
  /** Evenly over the x axis; NaN leaves a gap. */
  readonly values: ArrayLike<number>;
}

/** The area between two lines, such as a forecast's 5 % and 95 % quantiles. */
export interface Band {
  readonly name: string;
  readonly colour: string;
  readonly low: ArrayLike<number>;
  readonly high: ArrayLike<number>;
}

/** Moments, as ticks along the upper edge. */
export interface Marks {
  readonly name: string;
  readonly colour: string;
  /** Places on the x axis, from 0 (its left end) to 1. */
  readonly at: readonly number[];
}

export interface ChartWish {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
  readonly bands?: readonly Band[];
  readonly marks?: readonly Marks[];
  /** What stands below the left and the right end. */
  readonly from: string;
  readonly to: string;
  /** What stands below each value, where there are few: they are marked with dots then. */
  readonly steps?: readonly string[];
  /** A level to compare with. */
  readonly level?: { readonly name: string; readonly value: number };
  /** Values above are cut off; absent: everything is seen. */
  readonly top?: number;
}

const width = 960;
const height = 220;
const margin = { left: 64, right: 12, top: 34, bottom: 24 } as const;
const plotWidth = width - margin.left - margin.right;
const plotHeight = height - margin.top - margin.bottom;
const mostPoints = 900;
const mostMarks = 2000;
const nameWidth = 110;

/** What the charts of a page look like. */
export const chartStyle =
  "svg{width:100%;height:auto;font:11px system-ui,sans-serif}path{stroke-width:1.2}.grid{stroke:#e4e4e4}.level{stroke:#b00;stroke-dasharray:4 3}.title{font-weight:600}.band{stroke:none;opacity:.2}";

/** A chart as a file of its own, on a ground of its own, so that it can be read on a page of any colour. */
export function standing(svg: string): string {
  const style =
    "<style>text{font:11px sans-serif}path{stroke-width:1.2}.grid{stroke:#e4e4e4}.level{stroke:#b00;stroke-dasharray:4 3}.band{stroke:none;opacity:.25}</style>";
  return svg.replace(/>/, `>${style}<rect width="100%" height="100%" fill="#fff"/>`);
}

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

type Scale = (value: number) => number;

export function chart(wish: ChartWish): string {
  const { title, unit, lines, bands = [], marks = [], from, to, steps = [], level, top: wished } = wish;
  const thinLines = lines.map((line) => ({ ...line, values: thinned(line.values, larger) }));
  const thinBands = bands.map((band) => ({
    ...band,
    low: thinned(band.low, smaller),
    high: thinned(band.high, larger),
  }));
  const all = [...thinLines.map(({ values }) => values), ...thinBands.map(({ high }) => high)];
  const top = wished ?? Math.max(1e-9, level?.value ?? 0, ...all.map(largestOf)) * 1.05;
  const y: Scale = (value) => margin.top + (1 - Math.min(1, value / top)) * plotHeight;
  const named = [...lines, ...bands, ...marks];
  const parts = [
    `<text x="${margin.left}" y="14" class="title">${escaped(title)} (${escaped(unit)})</text>`,
    ...[0, 0.5, 1].map((share) => gridLine(y(share * top), share * top)),
    ...thinBands.map(
      ({ low, high, colour }) => `<path class="band" fill="${escaped(colour)}" d="${area(low, high, y)}"/>`,
    ),
    ...thinLines.map(
      ({ values, colour }) => `<path d="${pathOf(values, y)}" stroke="${escaped(colour)}" fill="none"/>`,
    ),
    ...(steps.length === 0 ? [] : thinLines.map(({ values, colour }) => dots(values, colour, y))),
    ...steps.map((step, at) => stepName(step, at, steps.length)),
    ...marks.map((one, row) => ticks(one, row)),
    ...(level === undefined ? [] : [levelLine(level.name, y(level.value))]),
    `<text x="${margin.left}" y="${height - 6}">${escaped(from)}</text>`,
    `<text x="${width - margin.right}" y="${height - 6}" text-anchor="end">${escaped(to)}</text>`,
    ...named.map(({ name, colour }, at) => nameOf(name, colour, named.length - 1 - at)),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">${parts.join("")}</svg>`;
}

function nameOf(name: string, colour: string, fromRight: number): string {
  const x = width - margin.right - nameWidth * fromRight;
  return `<text x="${x}" y="14" text-anchor="end" fill="${escaped(colour)}">${escaped(name)}</text>`;
}

function gridLine(y: number, value: number): string {
  const at = y.toFixed(1);
  return `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}" class="grid"/><text x="${margin.left - 6}" y="${(y + 4).toFixed(1)}" text-anchor="end">${Number(value.toPrecision(3))}</text>`;
}

function levelLine(name: string, y: number): string {
  const at = y.toFixed(1);
  return `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}" class="level"/><text x="${margin.left + 4}" y="${(y - 3).toFixed(1)}">${escaped(name)}</text>`;
}

function dots(values: readonly number[], colour: string, y: Scale): string {
  return values
    .map((value, at) => {
      const [x, height] = [pointAt(at, values.length), y(value).toFixed(1)];
      return Number.isFinite(value) ? `<circle cx="${x}" cy="${height}" r="2.5" fill="${escaped(colour)}"/>` : "";
    })
    .join("");
}

function stepName(name: string, at: number, count: number): string {
  const anchor = at === 0 ? "start" : at === count - 1 ? "end" : "middle";
  return `<text x="${pointAt(at, count)}" y="${height - 6}" text-anchor="${anchor}">${escaped(name)}</text>`;
}

const tickLength = 6;
function ticks({ colour, at }: Marks, row: number): string {
  const y = margin.top - 12 + row * (tickLength + 1);
  const places = [...new Set(at.slice(0, mostMarks).map((share) => (margin.left + share * plotWidth).toFixed(1)))];
  return `<path stroke="${escaped(colour)}" d="${places.map((x) => `M${x} ${y}v${tickLength}`).join("")}"/>`;
}

const larger = (one: number, other: number): number => Math.max(one, other);
const smaller = (one: number, other: number): number => Math.min(one, other);

/** One value of each stretch. */
function thinned(values: ArrayLike<number>, pick: (one: number, other: number) => number): number[] {
  const stretch = Math.max(1, Math.ceil(values.length / mostPoints));
  const thin: number[] = [];
  for (let at = 0; at < values.length; at += stretch) {
    let picked = Number.NaN;
    for (let one = at; one < Math.min(values.length, at + stretch); one++) {
      const value = values[one] ?? Number.NaN;
      if (Number.isFinite(value)) picked = Number.isNaN(picked) ? value : pick(picked, value);
    }
    thin.push(picked);
  }
  return thin;
}

function largestOf(values: readonly number[]): number {
  return values.reduce((most, value) => (value > most ? value : most), 0);
}

function pathOf(values: readonly number[], y: Scale): string {
  let isDown = false;
  return values
    .map((value, at) => {
      if (!Number.isFinite(value)) {
        isDown = false;
        return "";
      }
      const word = `${isDown ? "L" : "M"}${pointAt(at, values.length)} ${y(value).toFixed(1)}`;
      isDown = true;
      return word;
    })
    .join("");
}

/** One closed path for each stretch without a gap. */
function area(low: readonly number[], high: readonly number[], y: Scale): string {
  const parts: string[] = [];
  let first = 0;
  for (let at = 0; at <= high.length; at++) {
    if (at < high.length && Number.isFinite(high[at]) && Number.isFinite(low[at])) continue;
    if (at > first) parts.push(stretchOf(low, high, first, at, y));
    first = at + 1;
  }
  return parts.join("");
}

function stretchOf(low: readonly number[], high: readonly number[], from: number, end: number, y: Scale): string {
  const point = (values: readonly number[], at: number): string =>
    `${pointAt(at, high.length)} ${y(values[at] ?? 0).toFixed(1)}`;
  const places = Array.from({ length: end - from }, (_, at) => from + at);
  const there = places.map((at) => point(high, at));
  const back = places.reverse().map((at) => point(low, at));
  return `M${[...there, ...back].join("L")}Z`;
}

function pointAt(at: number, count: number): string {
  return (margin.left + (at * plotWidth) / Math.max(1, count - 1)).toFixed(1);
}
