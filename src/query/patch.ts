// Patch. Owns JSON merge patch (RFC 7386) on documents: null removes a field, an object merges, anything else replaces.
// Dates, bytes and arrays are whole values. The result is checked when it is encoded, not here.

import type { Document, Value } from "./query.js";
import { isFields } from "./value.js";

export function mergePatch(target: Document, patch: Document): Document {
  return merge(target, patch);
}

function merge(
  target: Value | undefined,
  patch: { readonly [field: string]: Value },
): { readonly [field: string]: Value } {
  const merged: Record<string, Value> = isFields(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = isFields(value) ? merge(fieldOf(merged, name), value) : value;
  }
  return merged;
}

function fieldOf(fields: Record<string, Value>, name: string): Value | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}
