// Panels. Owns the smaller parts of the page: nodes with their plots, moves, plan, events, the forecasters' record, and the state of the whole.

import type { MoveRow, Shape } from "../topics.js";
import { bar, find, make, setText } from "./dom.js";
import { planOf } from "./plan.js";
import { createPlot, type Plot } from "./plots.js";
import { nodeColour } from "./ring.js";
import type { State } from "./state.js";
import { ago, clock, percent, rate, size } from "./words.js";

interface Card {
  readonly frame: HTMLElement;
  readonly title: HTMLElement;
  readonly words: HTMLElement;
  readonly plot: Plot;
}

export interface Panels {
  draw(): void;
  resize(): void;
}

export function createPanels(state: State, choose: (id: number) => void): Panels {
  const cards = new Map<string, Card>();
  const drawn = new Map<string, string>();
  let horizon: "short" | "long" = "long";
  const chooser = find("horizon");
  chooser.addEventListener("change", () => {
    horizon = chooser instanceof HTMLSelectElement && chooser.value === "short" ? "short" : "long";
    draw();
  });

  function cardOf(id: string, index: number): Card {
    const known = cards.get(id);
    if (known !== undefined) return known;
    const title = make("h3");
    const words = make("p", { class: "muted" });
    const plotted = make("div", { class: "plot" });
    const swatch = make("span", { class: "swatch" });
    swatch.style.background = nodeColour(index);
    const frame = make("article", { class: "card" }, make("header", {}, swatch, title), words, plotted);
    find("nodes").append(frame);
    const card = { frame, title, words, plot: createPlot(plotted, 120) };
    cards.set(id, card);
    return card;
  }

  function drawNodes(shape: Shape): void {
    const known = new Set(shape.nodes.map(({ id }) => id));
    for (const [id, { frame, plot }] of cards) {
      if (known.has(id)) continue;
      plot.destroy();
      frame.remove();
      cards.delete(id);
    }
    shape.nodes.forEach(({ id, zone, state: life, draining }, index) => {
      const { frame, title, words, plot } = cardOf(id, index);
      const load = state.nodeLoad.get(id);
      const [, perSecond, cpuShare, loopDelayMs, capacity] = load ?? [0, 0, 0, 0, 0];
      const band = state.outlook?.[horizon][id];
      frame.classList.toggle("down", life === "down");
      setText(title, `${id} · ${zone}${life === "down" ? " · down" : draining ? " · draining" : ""}`);
      const risk = band?.risk === null || band === undefined ? "" : `, risk of overload ${percent(band.risk)}`;
      const room = capacity > 0 ? `, carries about ${rate(capacity)}/s` : "";
      setText(
        words,
        load === undefined
          ? "no sample yet"
          : `${rate(perSecond)}/s, ${percent(cpuShare)} of a core, loop ${loopDelayMs.toFixed(0)} ms late${room}${risk}`,
      );
      plot.draw({
        was: (state.past.get(id) ?? []).map(([atMs, value]) => [atMs, value] as const),
        expected: band,
        limit: capacity > 0 && capacity < 4 * Math.max(perSecond, ...(band?.high ?? [0])) ? capacity : undefined,
      });
    });
  }

  /** Draws a list anew only when what it shows has changed. */
  function list(id: string, of: unknown, draw: () => readonly Node[], empty: string): void {
    const key = JSON.stringify(of);
    if (drawn.get(id) === key) return;
    drawn.set(id, key);
    const nodes = draw();
    find(id).replaceChildren(...(nodes.length === 0 ? [make("p", { class: "muted" }, empty)] : nodes));
  }

  function draw(): void {
    drawState(state);
    if (state.shape !== undefined) drawNodes(state.shape);
    const { moves, events, outlook, plan } = state;
    if (moves !== undefined) {
      list(
        "moves",
        moves.underWay,
        () => moves.underWay.map((move) => moveUnderWay(move, choose)),
        "no move is under way",
      );
      list("past-moves", moves.past, () => moves.past.slice(0, 12).map((move) => pastMove(move, choose)), "none yet");
    }
    if (events !== undefined) list("events", events, () => events.events.map(eventLine), "nothing has happened yet");
    if (outlook !== undefined)
      list("record", [outlook.records, outlook.forecasters], () => [recordTable(state), ...forecasterLines(state)], "");
    if (plan !== undefined)
      list("plan", plan, () => planOf(plan.plan, choose), "no plan: nothing moves because of a forecast");
  }
  return {
    draw,
    resize() {
      for (const { plot } of cards.values()) plot.resize();
    },
  };
}

function drawState({ status, shape }: State): void {
  if (status === undefined) return;
  const trouble = find("trouble");
  trouble.classList.toggle("bad", status.trouble !== "");
  setText(trouble, status.trouble === "" ? "serves" : status.trouble);
  const leaders = (shape?.leaders ?? []).map(
    ({ partition, leader, term }) => `${partition}: ${leader === "" ? "none" : leader} (term ${term})`,
  );
  setText(
    find("facts"),
    `foreshard ${status.version} · a sample every ${status.sampleMs / 1000} s · leader ${leaders.join(", ")}`,
  );
}

function fragmentButton({ table, fragment }: MoveRow, choose: (id: number) => void): HTMLElement {
  return make("button", { type: "button", class: "link", click: () => choose(fragment) }, `${table}/${fragment}`);
}

export function moveUnderWay(move: MoveRow, choose: (id: number) => void): HTMLElement {
  const { from, to, strategy, phase, waitsFor, progress, why, cause, startedMs } = move;
  const item = make("div", { class: "item" });
  item.append(`move ${move.move}: `, fragmentButton(move, choose), ` from ${from} to ${to} `);
  item.append(make("span", { class: "tag" }, strategy), make("span", { class: "tag" }, phase));
  if (progress !== null && progress.totalBytes > 0) {
    const share = progress.bytes / progress.totalBytes;
    item.append(bar(share, `${percent(share)} of ${size(progress.totalBytes)}, ${size(progress.bytesPerSecond)}/s`));
    item.append(` ${percent(share)} of ${size(progress.totalBytes)}, ${size(progress.bytesPerSecond)}/s`);
  }
  const reason = why === "" ? cause : why;
  item.append(
    make(
      "p",
      { class: "muted" },
      `since ${clock(startedMs)}; ${waitsFor === "" ? phase : `waits for ${waitsFor}`}; because: ${reason}`,
    ),
  );
  return item;
}

export function pastMove(move: MoveRow, choose: (id: number) => void): HTMLElement {
  const { from, to, outcome, end, startedMs, endedMs, why, cause } = move;
  const item = make("div", { class: "item" });
  const lasted = endedMs === null ? "" : `, ${ago(endedMs - startedMs)}`;
  item.append(
    `${clock(startedMs)} `,
    fragmentButton(move, choose),
    ` ${from} → ${to} `,
    make("span", { class: `tag ${outcome ?? ""}` }, outcome ?? "?"),
  );
  item.append(
    make(
      "span",
      { class: "muted" },
      `${lasted} · ${why === "" ? cause : why}${end === null || end === "" ? "" : ` · ${end}`}`,
    ),
  );
  return item;
}

function eventLine({
  atMs,
  kind,
  text,
}: {
  readonly atMs: number;
  readonly kind: string;
  readonly text: string;
}): HTMLElement {
  const time = make(
    "time",
    { datetime: new Date(atMs).toISOString(), title: new Date(atMs).toISOString() },
    clock(atMs),
  );
  return make("div", { class: "item" }, time, " ", make("span", { class: `tag ${kind}` }, kind), ` ${text}`);
}

function recordTable({ outlook }: State): HTMLElement {
  const heads = [
    "table",
    "horizon",
    "series",
    "came due",
    "in the 90 % band",
    "below the 95 %",
    "loss / naive",
    "drifting",
  ];
  const rows = (outlook?.records ?? []).map(({ table, horizon, series, matured, inside, below95, ratio, drifting }) =>
    make(
      "tr",
      {},
      ...[
        table,
        horizon,
        series,
        matured,
        percent(inside),
        percent(below95),
        ratio === null ? "–" : ratio.toFixed(2),
        drifting,
      ].map((value, at) => make("td", { class: at > 1 ? "right" : "" }, String(value))),
    ),
  );
  if (rows.length === 0)
    return make("p", { class: "muted" }, "no forecast yet: nobody asked, or the first samples are still to come");
  const head = make(
    "tr",
    {},
    ...heads.map((text, at) => make("th", { scope: "col", class: at > 1 ? "right" : "" }, text)),
  );
  return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
}

function forecasterLines({ outlook }: State): HTMLElement[] {
  return (outlook?.forecasters ?? []).map(({ id, series, rebuilding, fitsWaiting, fitsFailed }) =>
    make(
      "p",
      { class: "muted" },
      `forecaster ${id}: ${series} series, ${rebuilding} being rebuilt, ${fitsWaiting} fits waiting, ${fitsFailed} failed`,
    ),
  );
}
