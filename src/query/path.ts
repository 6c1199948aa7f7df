// Path. Owns dotted field paths: `address.city` is field `city` of the object in field `address`. Arrays are not entered.

import { limits } from "../config/limits.js";
import type { FieldPath, Value } from "./query.js";
import { fieldNameMistake, isFields } from "./value.js";

/** The path that `text` spells, or a sentence that says what is wrong with it. */
export function parsePath(text: string): { readonly path: FieldPath } | { readonly mistake: string } {
  const path = text.split(".", limits.documentDepth + 1);
  if (path.length > limits.documentDepth) return { mistake: `has more than ${limits.documentDepth} parts` };
  for (const name of path) {
    if (name === "")
      return { mistake: 'has an empty part; write names with single dots between them, like "address.city"' };
    const mistake = fieldNameMistake(name);
    if (mistake !== undefined) return { mistake: `${mistake} (${JSON.stringify(name.slice(0, 80))})` };
  }
  return { path };
}

export function pathText(path: FieldPath): string {
  return path.join(".");
}

/** What stands at `path`, or undefined when nothing does. Never looks beyond own fields. */
export function valueAt(document: Value, path: FieldPath): Value | undefined {
  let value: Value = document;
  for (const name of path) {
    if (!isFields(value) || !Object.hasOwn(value, name)) return undefined;
    const next: Value | undefined = value[name];
    if (next === undefined) return undefined;
    value = next;
  }
  return value;
}
