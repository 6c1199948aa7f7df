// Path. Owns dotted field paths: `address.city` is field `city` of the object in field `address`. Arrays are not entered.

import { limits } from "../config/limits.js";
import type { Document, FieldPath, Value } from "./query.js";
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
export function valueAt(document: Document, path: FieldPath): Value | undefined {
  let fields = document;
  let value: Value | undefined;
  for (let at = 0; at < path.length; at++) {
    // A document has fields; what stands in it may have none.
    if (at > 0) {
      if (!isFields(value)) return undefined;
      fields = value;
    }
    const name = path[at] ?? "";
    value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (value === undefined) return undefined;
  }
  return value;
}
