// CSV typing. Owns how the text of a CSV cell becomes a key part or a field of a document.
// T1 nothing is guessed that does not read back as the same text: 007 stays text, 7 becomes a number. T2 a cell that its named type does not fit is refused.

import type { KeyTypeName } from "../../cluster/client/index.js";
import { parseInstant } from "../../src/table/instant.js";
import type { KeyValue } from "../../src/table/table.js";
import { listArgument } from "./arguments.js";
import { UsageError } from "./failure.js";

export type CellType = "auto" | "string" | "number" | "boolean" | "date" | "json";
export type Cell = string | number | boolean | Date | object | null | undefined;

const cellTypes: readonly CellType[] = ["auto", "string", "number", "boolean", "date", "json"];

/** `value:number,when:date` */
export function typesArgument(text: string): ReadonlyMap<string, CellType> {
  const types = new Map<string, CellType>();
  for (const pair of listArgument(text)) {
    const at = pair.lastIndexOf(":");
    const type = cellTypes.find((known) => known === pair.slice(at + 1));
    if (at < 1 || type === undefined)
      throw new UsageError(
        `--types takes column:type with commas between them, type one of ${cellTypes.join(", ")}; not ${JSON.stringify(pair)}`,
      );
    types.set(pair.slice(0, at), type);
  }
  return types;
}

export type Typed = { readonly ok: true; readonly value: Cell } | { readonly ok: false; readonly why: string };

const typed = (value: Cell): Typed => ({ ok: true, value });
const misfit = (text: string, what: string): Typed => ({
  ok: false,
  why: `${JSON.stringify(text.slice(0, 60))} is no ${what}`,
});

/** An empty cell is an absent field, except where the column is text. */
const readers: { readonly [T in CellType]: (text: string) => Typed } = {
  auto: (text) => typed(text === "" ? undefined : isPlainNumber(text) ? Number(text) : text),
  string: typed,
  number: (text) => (text === "" ? typed(undefined) : isNumber(text) ? typed(Number(text)) : misfit(text, "number")),
  boolean(text) {
    if (text === "") return typed(undefined);
    if (text === "true" || text === "1") return typed(true);
    return text === "false" || text === "0" ? typed(false) : misfit(text, "boolean (true, false, 1 or 0)");
  },
  date(text) {
    if (text === "") return typed(undefined);
    const instant = parseInstant(text);
    return instant === undefined
      ? misfit(text, "ISO-8601 date with a zone, such as 2026-03-01T12:00:00Z")
      : typed(instant);
  },
  json(text) {
    if (text === "") return typed(undefined);
    try {
      const value: Cell = JSON.parse(text);
      return typed(value);
    } catch {
      return misfit(text, "JSON");
    }
  },
};

export function readCell(text: string, type: CellType): Typed {
  return readers[type](text);
}

export type KeyPart = { readonly ok: true; readonly value: KeyValue } | { readonly ok: false; readonly why: string };

/** A key column is read as the table's schema says. */
export function readKeyPart(text: string, type: KeyTypeName): KeyPart {
  if (type === "string" || type === "any") return { ok: true, value: text };
  if (type === "number")
    return isNumber(text)
      ? { ok: true, value: Number(text) }
      : { ok: false, why: `${JSON.stringify(text.slice(0, 60))} is no number` };
  if (type === "date") {
    const instant = parseInstant(text);
    return instant === undefined
      ? { ok: false, why: `${JSON.stringify(text.slice(0, 60))} is no ISO-8601 date with a zone` }
      : { ok: true, value: instant };
  }
  return { ok: false, why: `a CSV cell cannot hold a ${type}; import such keys from NDJSON` };
}

function isPlainNumber(text: string): boolean {
  return plain.test(text) && String(Number(text)) === text;
}

function isNumber(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}

const plain = /^-?\d+(\.\d+)?$/;
