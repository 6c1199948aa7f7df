// Top screen. Owns the lines of `foreshard top`: pure, cut to the width of the terminal, coloured only when asked to.

import type { HotAnswer, MoveInfo, NodeInfo, PartitionInfo } from "../../cluster/client/index.js";
import { visible } from "./terminal.js";

export interface TopFigures {
  readonly atMs: number;
  readonly nodes: readonly NodeInfo[];
  readonly partitions: readonly PartitionInfo[];
  readonly hot: HotAnswer;
  readonly moves: readonly MoveInfo[];
}

export interface Canvas {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
}

/** A bar needs a line of this width. */
const barColumns = 64;

export function screenOf(figures: TopFigures, canvas: Canvas): string[] {
  const { nodes, hot, moves } = figures;
  const lines = [heading(figures), "", ...nodeLines(figures, canvas), ""];
  if (moves.length > 0) lines.push(...moveLines(moves), "");
  const room = Math.max(3, canvas.rows - lines.length - 2);
  lines.push(bold("FRAGMENT            PRIMARY       PER SECOND  HOTTEST KEYS", canvas));
  lines.push(...fragmentLines(hot, room));
  if (hot.fragments.length === 0) lines.push("  nobody asks anything");
  if (hot.silent.length > 0) lines.push(paint(`no answer from ${hot.silent.join(", ")}`, red, canvas));
  const down = nodes.filter(({ state }) => state === "down");
  if (down.length > 0)
    lines.push(paint(`down: ${down.map(({ id }) => id).join(", ")} (see foreshard doctor)`, red, canvas));
  return lines.slice(0, canvas.rows).map((line) => cut(line, canvas.columns));
}

function heading({ atMs, nodes, partitions, hot }: TopFigures): string {
  const total = hot.fragments.reduce((sum, { perSecond }) => sum + perSecond, 0);
  const leaders = partitions.map(({ leader, term }) => `${leader === "" ? "no leader" : leader} (term ${term})`);
  const time = new Date(atMs).toISOString().slice(11, 19);
  return `${time} UTC  ${nodes.length} nodes  ${short(total)} per second  led by ${leaders.join(", ")}`;
}

function nodeLines({ nodes, hot }: TopFigures, canvas: Canvas): string[] {
  const rates = new Map<string, number>();
  for (const { primary, perSecond } of hot.fragments) rates.set(primary, (rates.get(primary) ?? 0) + perSecond);
  const most = Math.max(1, ...rates.values());
  const lines = nodes.map((node) => {
    const { id, zone, state, draining, primaries, replicas } = node;
    const rate = rates.get(id) ?? 0;
    const bar = canvas.columns >= barColumns ? `  ${"█".repeat(Math.round((rate / most) * 20))}` : "";
    const life = draining ? "drains" : state;
    const line = `${id.padEnd(8)} ${life.padEnd(7)} ${short(rate).padStart(10)}  ${String(primaries).padStart(5)} of ${String(replicas).padEnd(5)} ${zone}${bar}`;
    return state === "up" ? line : paint(line, red, canvas);
  });
  return [bold("NODE     STATE   PER SECOND  LEADS of HOLDS ZONE", canvas), ...lines];
}

function moveLines(moves: readonly MoveInfo[]): string[] {
  return moves.slice(0, 5).map(({ move, table, fragment, from, to, phase, progress }) => {
    const share =
      progress === undefined || progress.totalBytes === 0
        ? ""
        : ` ${Math.min(100, Math.round((progress.bytes / progress.totalBytes) * 100))} %`;
    return `move ${move}  ${table}/${fragment}  ${from} → ${to}  ${phase}${share}`;
  });
}

function fragmentLines({ fragments }: HotAnswer, room: number): string[] {
  return fragments.slice(0, room).map(({ table, fragment, primary, perSecond, keys }) => {
    const hottest = keys.slice(0, 3).map(({ key, share }) => `${keyWords(key)} ${Math.round(share * 100)} %`);
    const name = `${table}/${fragment}`;
    return `${name.padEnd(19)} ${primary.padEnd(12)} ${short(perSecond).padStart(11)}  ${hottest.join("  ")}`;
  });
}

/** Control characters in a key must not reach the terminal. */
function keyWords(key: unknown): string {
  const text =
    typeof key === "string"
      ? key
      : JSON.stringify(key, (_, value) => (typeof value === "bigint" ? String(value) : value));
  return visible(text ?? "");
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

const red = 31;
const escapeChar = "\u001b";

function paint(text: string, code: number, { colour }: Canvas): string {
  return colour ? `${escapeChar}[${code}m${text}${escapeChar}[0m` : text;
}

function bold(text: string, canvas: Canvas): string {
  return paint(text, 1, canvas);
}

/** Colours take no room; a line that is cut ends its colour. */
function cut(line: string, columns: number): string {
  if (!line.startsWith(escapeChar)) return line.slice(0, columns).trimEnd();
  const from = line.indexOf("m") + 1;
  const to = line.lastIndexOf(escapeChar);
  return line.slice(0, from) + line.slice(from, to).slice(0, columns).trimEnd() + line.slice(to);
}
