// Fragments. Owns the table of fragments: sorted, filtered, in pages; rows are made once and filled anew, only where a cell changed.

import { find, make, setAttribute, setText } from "./dom.js";
import type { State } from "./state.js";
import { rate, size } from "./words.js";

interface Line {
  readonly id: number;
  readonly table: string;
  readonly from: string;
  readonly primary: string;
  readonly holders: string;
  readonly serving: boolean;
  readonly now: number;
  readonly peak: number;
  readonly rows: number;
  readonly bytes: number;
  readonly lag: number;
}
type Column = keyof Line;

const columns: readonly {
  readonly key: Column;
  readonly head: string;
  readonly right?: true;
  readonly text: (line: Line) => string;
}[] = [
  { key: "id", head: "fragment", right: true, text: ({ id }) => String(id) },
  { key: "table", head: "table", text: ({ table }) => table },
  { key: "from", head: "from key", text: ({ from }) => (from === "" ? "(start)" : from) },
  { key: "primary", head: "primary", text: ({ primary }) => primary },
  { key: "holders", head: "copies", text: ({ holders }) => holders },
  { key: "now", head: "now/s", right: true, text: ({ now }) => rate(now) },
  { key: "peak", head: "next peak/s", right: true, text: ({ peak }) => (peak < 0 ? "–" : rate(peak)) },
  { key: "rows", head: "rows", right: true, text: ({ rows }) => (rows < 0 ? "–" : String(rows)) },
  { key: "bytes", head: "size", right: true, text: ({ bytes }) => (bytes < 0 ? "–" : size(bytes)) },
  {
    key: "lag",
    head: "lag",
    right: true,
    text: ({ lag, serving }) => (serving ? (lag < 0 ? "–" : String(lag)) : "closed"),
  },
];
const pageRows = 50;

export interface FragmentTable {
  draw(): void;
}

export function createFragmentTable(
  state: State,
  chosen: () => number | undefined,
  choose: (id: number) => void,
): FragmentTable {
  const filter = make("input", {
    type: "search",
    placeholder: "filter: table, node, number, key, closed",
    "aria-label": "filter fragments",
    input: () => show(0),
  });
  const count = make("span", { class: "muted", role: "status" });
  const previous = make("button", { type: "button", click: () => show(page - 1) }, "‹ before");
  const next = make("button", { type: "button", click: () => show(page + 1) }, "next ›");
  const body = make("tbody");
  const rows: HTMLTableRowElement[] = [];
  const heads = new Map<Column, HTMLTableCellElement>();
  let sortBy: Column = "now";
  let rising = false;
  let page = 0;

  const headRow = make("tr");
  for (const { key, head, right } of columns) {
    const cell = make("th", { scope: "col", class: right === true ? "right" : "" });
    cell.append(make("button", { type: "button", click: () => sort(key) }, head));
    heads.set(key, cell);
    headRow.append(cell);
  }
  find("fragments").append(
    make("div", { class: "tools" }, filter, count, previous, next),
    make("div", { class: "scroll" }, make("table", {}, make("thead", {}, headRow), body)),
  );

  function sort(key: Column): void {
    rising =
      sortBy === key
        ? !rising
        : key === "id" || key === "table" || key === "from" || key === "primary" || key === "holders";
    sortBy = key;
    show(0);
  }
  function show(wanted: number): void {
    page = wanted;
    draw();
  }

  function draw(): void {
    const words = filter.value
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    const lines = linesOf(state).filter((line) => words.every((word) => matches(line, word)));
    lines.sort((a, b) => compare(a[sortBy], b[sortBy]) * (rising ? 1 : -1) || a.id - b.id);
    const pages = Math.max(1, Math.ceil(lines.length / pageRows));
    page = Math.min(Math.max(0, page), pages - 1);
    previous.disabled = page === 0;
    next.disabled = page === pages - 1;
    setText(
      count,
      `${lines.length} of ${state.shape?.fragments.length ?? 0}${pages > 1 ? `, page ${page + 1} of ${pages}` : ""}`,
    );
    for (const [key, cell] of heads)
      setAttribute(cell, "aria-sort", key === sortBy ? (rising ? "ascending" : "descending") : "none");
    fill(lines.slice(page * pageRows, (page + 1) * pageRows));
  }

  function fill(lines: readonly Line[]): void {
    while (rows.length > lines.length) rows.pop()?.remove();
    lines.forEach((line, at) => {
      const row = rows[at] ?? addRow();
      row.dataset.id = String(line.id);
      row.classList.toggle("chosen", line.id === chosen());
      row.classList.toggle("closed", !line.serving);
      columns.forEach(({ text }, index) => {
        const cell = row.cells[index];
        if (cell !== undefined) setText(index === 0 ? (cell.firstElementChild ?? cell) : cell, text(line));
      });
    });
  }

  function addRow(): HTMLTableRowElement {
    const row = make("tr");
    columns.forEach(({ right }, index) => {
      const cell = make("td", { class: right === true ? "right" : "" });
      if (index === 0) cell.append(make("button", { type: "button", class: "link" }));
      row.append(cell);
    });
    row.addEventListener("click", () => choose(Number(row.dataset.id)));
    rows.push(row);
    body.append(row);
    return row;
  }
  return { draw };
}

function linesOf({ shape, rates, sizes, outlook }: State): Line[] {
  if (shape === undefined) return [];
  const node = (index: number): string => shape.nodes[index]?.id ?? "?";
  return shape.fragments.map(([id, table, from, primary, holders, serving]) => {
    const sized = sizes.get(id);
    const [rows, bytes, lag] = Array.isArray(sized) ? sized : [-1, -1, -1];
    return {
      id,
      table: shape.tables[table]?.name ?? "?",
      from,
      primary: node(primary),
      holders: holders.map(node).join(" "),
      serving: serving === 1,
      now: rates.get(id) ?? 0,
      peak: outlook?.peaks[id] ?? -1,
      rows,
      bytes,
      lag,
    };
  });
}

function matches(line: Line, word: string): boolean {
  if (word === "closed") return !line.serving;
  return [line.table, line.primary, line.holders, line.from, String(line.id)].some((text) =>
    text.toLowerCase().includes(word),
  );
}

function compare(a: string | number | boolean, b: string | number | boolean): number {
  return typeof a === "string" && typeof b === "string"
    ? a.localeCompare(b, "en", { numeric: true })
    : Number(a) - Number(b);
}
