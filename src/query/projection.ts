// Projection. Owns which fields of a document an answer carries. A path picks the field with all that it holds; absent fields stay absent.

import type { Bytes } from "../kernel/bytes.js";
import { pack } from "../protocol/codec.js";
import { decodeDocument } from "./document.js";
import type { Document, FieldPath, Value } from "./query.js";
import { isFields } from "./value.js";

/** Names to pick at one level; undefined below a name = all of it. */
export interface Projection {
  readonly picks: ReadonlyMap<string, Projection | undefined>;
}

interface Draft {
  readonly picks: Map<string, Draft | undefined>;
}

export function createProjection(fields: readonly FieldPath[]): Projection {
  const root: Draft = { picks: new Map() };
  for (const path of fields) addPath(root, path);
  return root;
}

/** A shorter path that is there already picks everything below it. */
function addPath(root: Draft, path: FieldPath): void {
  let draft = root;
  for (const [index, name] of path.entries()) {
    const known = draft.picks.get(name);
    if (draft.picks.has(name) && known === undefined) return;
    const next = index === path.length - 1 ? undefined : (known ?? { picks: new Map() });
    draft.picks.set(name, next);
    if (next === undefined) return;
    draft = next;
  }
}

export function project(projection: Projection, document: Document): Document {
  const picked: Record<string, Value> = {};
  for (const [name, below] of projection.picks) {
    if (!Object.hasOwn(document, name)) continue;
    const value = document[name];
    if (value === undefined) continue;
    if (below === undefined) picked[name] = value;
    else if (isFields(value)) picked[name] = project(below, value);
  }
  return picked;
}

/** For stored documents. */
export function projectBytes(projection: Projection, document: Bytes): Bytes {
  return pack(project(projection, decodeDocument(document)));
}
