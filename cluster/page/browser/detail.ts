// Detail. Owns the panel of one opened fragment: its copies, forecast against actual by client group, the moves it made, and a move as an order.

import type { FragmentDetail } from "../topics.js";
import { find, make, setText } from "./dom.js";
import { hasToken, send } from "./orders.js";
import { moveUnderWay, pastMove } from "./panels.js";
import { createPlot, type Plot } from "./plots.js";
import type { State } from "./state.js";

export interface Detail {
  open(id: number): void;
  close(): void;
  chosen(): number | undefined;
  /** Asks anew and draws. */
  refresh(): Promise<void>;
}

const groupsShown = 8;

export function createDetail(state: State, changed: () => void): Detail {
  const panel = find("detail");
  let id: number | undefined;
  let plots: Plot[] = [];
  let drawn = "";
  let opener: Element | null = null;

  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });

  function close(): void {
    if (id === undefined) return;
    id = undefined;
    drawn = "";
    panel.hidden = true;
    clear();
    if (opener instanceof HTMLElement) opener.focus();
    changed();
  }
  function clear(): void {
    for (const plot of plots) plot.destroy();
    plots = [];
    panel.replaceChildren();
  }

  async function refresh(): Promise<void> {
    const wanted = id;
    if (wanted === undefined) return;
    const answer = await fetch(`/fragment?id=${wanted}`).catch(() => undefined);
    if (id !== wanted) return;
    if (answer?.ok !== true) return show(wanted, undefined);
    const text = await answer.text();
    if (id !== wanted || text === drawn) return;
    drawn = text;
    const detail: FragmentDetail = JSON.parse(text);
    show(wanted, detail);
  }

  function show(wanted: number, detail: FragmentDetail | undefined): void {
    const scrolled = panel.scrollTop;
    const typing = document.activeElement instanceof HTMLSelectElement && panel.contains(document.activeElement);
    // Whoever is choosing where to move it must not lose the list.
    if (typing) return;
    const focused = panel.contains(document.activeElement);
    clear();
    const closer = make("button", { type: "button", class: "close", "aria-label": "close", click: close }, "✕");
    panel.append(
      make(
        "header",
        {},
        make("h2", {}, detail === undefined ? `fragment ${wanted}` : `${detail.table}/${wanted}`),
        closer,
      ),
    );
    if (detail === undefined)
      panel.append(
        make("p", { class: "muted" }, "this fragment is not there (any more), or the page's server does not answer"),
      );
    else fill(detail);
    if (focused || opener !== null) closer.focus({ preventScroll: true });
    panel.scrollTop = scrolled;
  }

  function fill(detail: FragmentDetail): void {
    const { from, to, epoch, replicas, series, moves } = detail;
    panel.append(
      make(
        "p",
        { class: "muted" },
        `keys from ${from === "" ? "the start" : from} to ${to === "" ? "the end" : to}, epoch ${epoch}`,
      ),
    );
    panel.append(
      make(
        "ul",
        {},
        ...replicas.map(({ node, primary, state: told, lsn, rows }) =>
          make(
            "li",
            {},
            `${node}${primary ? " (primary)" : ""}: ${told}${lsn === null ? "" : `, at record ${lsn}`}${rows === null ? "" : `, ${rows} rows`}`,
          ),
        ),
      ),
    );
    if (state.status?.orders === true && hasToken()) panel.append(moveForm(detail));
    panel.append(make("h3", {}, "Forecast against actual, by client group"));
    if (series.length === 0) panel.append(make("p", { class: "muted" }, "nobody has asked for it yet"));
    for (const one of series.slice(0, groupsShown * 2)) panel.append(seriesPart(one));
    panel.append(make("h3", {}, "Moves"));
    if (moves.length === 0) panel.append(make("p", { class: "muted" }, "it has not moved"));
    for (const move of moves.slice(0, 20))
      panel.append(move.outcome === null ? moveUnderWay(move, open) : pastMove(move, open));
  }

  function seriesPart(one: FragmentDetail["series"][number]): HTMLElement {
    const plotted = make("div", { class: "plot" });
    const models = one.models
      .slice(0, 3)
      .map(({ name, weight }) => `${name} ${weight}`)
      .join(", ");
    const profiles = one.profiles.map(({ name, trust }) => `${name} (trusted ${Math.round(trust * 100)} %)`).join(", ");
    const record =
      one.matured === 0
        ? "none came due"
        : `${one.matured} came due${one.ratio === null ? "" : `, loss ${one.ratio} of naive`}`;
    const words = `${record}; ${models}${profiles === "" ? "" : `; declared: ${profiles}`}`;
    const step = one.stepMs >= 60_000 ? `${one.stepMs / 60_000} min` : `${one.stepMs / 1000} s`;
    const part = make(
      "section",
      {},
      make("h4", {}, `${one.group} · steps of ${step}`),
      make("p", { class: "muted" }, words),
      plotted,
    );
    const plot = createPlot(plotted, 110);
    plots.push(plot);
    const first = one.atMs - one.recent.length * one.stepMs;
    // It has no width before it stands in the page.
    queueMicrotask(() =>
      plot.draw({
        was: one.recent.map((value, at) => [first + (at + 0.5) * one.stepMs, value] as const),
        expected: one,
        limit: undefined,
      }),
    );
    return part;
  }

  function moveForm({ table, id: fragment, replicas }: FragmentDetail): HTMLElement {
    const primary = replicas.find((replica) => replica.primary)?.node;
    const others = (state.shape?.nodes ?? []).filter(({ id: node, state: life }) => node !== primary && life === "up");
    const to = make(
      "select",
      { "aria-label": "move to" },
      ...others.map(({ id: node }) => make("option", { value: node }, node)),
    );
    const said = make("span", { class: "muted", role: "status" });
    const form = make("form", { class: "tools" }, "move it to ", to, make("button", { type: "submit" }, "move"), said);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void send({ order: "move", table, fragment, to: to.value }).then((answer) => {
        setText(said, answer);
        changed();
      });
    });
    return form;
  }

  function open(wanted: number): void {
    if (id === undefined) opener = document.activeElement;
    id = wanted;
    drawn = "";
    panel.hidden = false;
    void refresh().then(() => {
      opener = opener === document.body ? null : opener;
    });
    changed();
  }
  return { open, close, chosen: () => id, refresh };
}
