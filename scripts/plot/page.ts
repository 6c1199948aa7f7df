// Page. Owns pages with a table and charts as one HTML text that asks nothing of the network. CH2 any text is escaped.

import { chartStyle, escaped } from "./chart.js";

export interface PlotPage {
  readonly title: string;
  readonly setting: string;
  readonly heads: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
  /** SVG texts, as `chart` makes them. */
  readonly charts: readonly string[];
}

const style = `body{font:14px system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse}td,th{padding:.25em .8em;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}
${chartStyle}`;

/** The colours of the policies, the same on every page. */
export const policyColours: Readonly<Record<string, string>> = {
  static: "#777777",
  reactive: "#c2571a",
  shadow: "#8a5fb0",
  predictive: "#1a6fc2",
  oracle: "#2c8a3c",
};

export function plotPage({ title, setting, heads, rows, notes, charts }: PlotPage): string {
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  const table = `<table>${row(heads, "th")}${rows.map((cells) => row(cells, "td")).join("")}</table>`;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title><style>
${style}
</style></head><body><h1>${escaped(title)}</h1><p>${escaped(setting)}</p>${table}
${notes.map((text) => `<p>${escaped(text)}</p>`).join("")}
${charts.join("\n")}
</body></html>
`;
}
