// Plots. Owns the drawing of what was and what is expected: a line, the 90 % band with its middle, and a limit where one is known.
// PL1 the plotting library is a third of the page's program and its first strokes cost more than all the rest: it is run when the first picture stands.

import { make } from "./dom.js";

/** The plotting library is a script of its own; what of it is used here. */
declare class uPlot {
  constructor(options: object, data: Table, into: HTMLElement);
  setData(data: Table): void;
  setSize(size: { readonly width: number; readonly height: number }): void;
  destroy(): void;
}
type Column = (number | null)[];
type Table = [number[], ...Column[]];

export interface Expected {
  readonly atMs: number;
  readonly stepMs: number;
  readonly low: readonly number[];
  readonly middle: readonly number[];
  readonly high: readonly number[];
}

export interface PlotInput {
  readonly was: readonly (readonly [atMs: number, value: number | null])[];
  readonly expected: Expected | undefined;
  readonly limit: number | undefined;
}

export interface Plot {
  draw(input: PlotInput): void;
  resize(): void;
  destroy(): void;
}

/** Plots that were asked to draw before the library was there. */
const waiting = new Set<() => void>();
let library: "not asked for" | "on its way" | "here" = "not asked for";
const againMs = 2_000;

/** The first picture has been drawn: once it is painted, which the second frame from here shows, the library is fetched, and what waited for it is drawn. */
export function awaitPicture(): void {
  if (library !== "not asked for") return;
  library = "on its way";
  requestAnimationFrame(() => requestAnimationFrame(fetchLibrary));
}

/** A server that was away is asked again. */
function fetchLibrary(): void {
  const script = make("script", { src: "/uplot.js" });
  script.addEventListener("load", () => {
    library = "here";
    for (const draw of waiting) draw();
    waiting.clear();
  });
  script.addEventListener("error", () => {
    script.remove();
    setTimeout(fetchLibrary, againMs);
  });
  document.head.append(script);
}

export function createPlot(into: HTMLElement, height: number): Plot {
  let plot: uPlot | undefined;
  let last: PlotInput | undefined;
  let drawnWith = "";

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name: string): string => style.getPropertyValue(name).trim();
    return {
      line: of("--line"),
      band: of("--band"),
      middle: of("--middle"),
      limit: of("--limit"),
      ink: of("--muted"),
      grid: of("--grid"),
    };
  }
  function begin(table: Table): void {
    const { line, band, middle, limit, ink, grid } = colours();
    plot?.destroy();
    into.replaceChildren();
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    plot = new uPlot(
      {
        width: Math.max(160, into.clientWidth),
        height,
        legend: { show: false },
        cursor: { show: false },
        padding: [6, 6, 0, 0],
        scales: { y: { range: (_: unknown, _low: number, high: number) => [0, Math.max(1, high * 1.1)] } },
        axes: [
          { ...axis, size: 22, space: 60, values: times },
          { ...axis, size: 44, space: 24, values: shortNumbers },
        ],
        series: [
          {},
          { stroke: line, width: 1.5, points: { show: false } },
          { stroke: "transparent", width: 0, points: { show: false } },
          { stroke: "transparent", width: 0, points: { show: false } },
          { stroke: middle, width: 1.5, dash: [4, 3], points: { show: false } },
          { stroke: limit, width: 1, dash: [2, 3], points: { show: false } },
        ],
        bands: [{ series: [3, 2], fill: band }],
      },
      table,
      into,
    );
  }

  function show(): void {
    if (last === undefined) return;
    const table = tableOf(last);
    const look = JSON.stringify(colours());
    if (plot === undefined || look !== drawnWith) {
      drawnWith = look;
      begin(table);
    } else plot.setData(table);
  }

  return {
    draw(input) {
      last = input;
      if (library === "here") show();
      else waiting.add(show);
    },
    resize() {
      if (plot !== undefined && last !== undefined) plot.setSize({ width: Math.max(160, into.clientWidth), height });
    },
    destroy() {
      waiting.delete(show);
      plot?.destroy();
    },
  };
}

/** Times in seconds, then: was, low, high, middle, limit. */
function tableOf({ was, expected, limit }: PlotInput): Table {
  const pastTimes = was.map(([atMs]) => atMs / 1000);
  const steps =
    expected === undefined
      ? []
      : expected.middle.map((_, step) => (expected.atMs + (step + 0.5) * expected.stepMs) / 1000);
  // Steps that have begun before the newest value still belong to the future's band: they are drawn over it.
  const times = [...new Set([...pastTimes, ...steps])].sort((a, b) => a - b);
  const valueAt = new Map(was.map(([atMs, value]) => [atMs / 1000, value]));
  const stepAt = new Map(steps.map((time, step) => [time, step]));
  const column = (of: readonly number[] | undefined): Column =>
    times.map((time) => {
      const step = stepAt.get(time);
      return step === undefined ? null : (of?.[step] ?? null);
    });
  return [
    times,
    times.map((time) => valueAt.get(time) ?? null),
    spanned(column(expected?.low)),
    spanned(column(expected?.high)),
    spanned(column(expected?.middle)),
    times.map(() => limit ?? null),
  ];
}

/** Between two known values the line goes on: rows that belong to the other series are no gaps. */
function spanned(column: Column): Column {
  const known = column.flatMap((value, at) => (value === null ? [] : [at]));
  return column.map((value, at) => {
    if (value !== null) return value;
    const before = known.findLast((index) => index < at);
    const after = known.find((index) => index > at);
    if (before === undefined || after === undefined) return null;
    const [low, high] = [column[before] ?? 0, column[after] ?? 0];
    return low + ((high - low) * (at - before)) / (after - before);
  });
}

function times(_plot: unknown, splits: readonly number[]): string[] {
  return splits.map((seconds) => {
    const at = new Date(seconds * 1000);
    return `${at.getHours()}:${String(at.getMinutes()).padStart(2, "0")}${at.getSeconds() === 0 ? "" : `:${String(at.getSeconds()).padStart(2, "0")}`}`;
  });
}

function shortNumbers(_plot: unknown, splits: readonly number[]): string[] {
  return splits.map((value) => (value >= 10_000 ? `${value / 1000}k` : String(Math.round(value * 10) / 10)));
}
