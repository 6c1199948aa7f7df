// Output. Owns how a command writes: JSON lines or tables on stdout, notes on stderr, and a reader that goes away (EPIPE) as a calm end.

import { once } from "node:events";
import Table from "cli-table3";
import { toJson } from "../../src/query/json.js";
import { escaped, visible } from "./terminal.js";

/** A closed pipe is how `head` says that it has seen enough. */
export function endCalmlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      process.exit(error.code === "EPIPE" ? 0 : 1);
    });
  }
}

/** Writes, and waits while the reader is slow. */
export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, "drain");
}

export function jsonText(value: unknown): string {
  return escaped(JSON.stringify(toJson(value)));
}

export async function writeJson(value: unknown): Promise<void> {
  await write(`${jsonText(value)}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Columns under heads, without lines. */
export async function writeTable(heads: readonly string[], rows: readonly (readonly unknown[])[]): Promise<void> {
  const bare = {
    top: "",
    "top-mid": "",
    "top-left": "",
    "top-right": "",
    bottom: "",
    "bottom-mid": "",
    "bottom-left": "",
    "bottom-right": "",
    left: "",
    "left-mid": "",
    mid: "",
    "mid-mid": "",
    right: "",
    "right-mid": "",
    middle: "  ",
  };
  const table = new Table({
    head: [...heads],
    chars: bare,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  for (const row of rows) table.push(row.map((cell) => cellText(cell)));
  await write(`${table.toString()}\n`);
}

export function cellText(value: unknown): string {
  if (typeof value === "string") return visible(value);
  if (value === undefined || value === null) return "";
  if (typeof value === "number" && !Number.isInteger(value)) return String(Math.round(value * 1e6) / 1e6);
  return jsonText(value);
}
