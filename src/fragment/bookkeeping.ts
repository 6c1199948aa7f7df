// Bookkeeping's bytes. Owns the quick way to what is stored of a replica with every record: what a record does not change is packed once and kept.
// B1 the bytes are those that packing all of it at once would give.

import { type Bytes, joinBytes } from "../kernel/bytes.js";
import { pack } from "../protocol/codec.js";
import { mapHead, putNumber } from "../protocol/packing.js";
import { bookkeepingKey } from "./layout.js";
import type { Replica } from "./replica.js";

/** Fields that nearly every record changes. */
type Changing = "lsn" | "seq" | "epoch" | "hash" | "stampMs" | "rows" | "bytes" | "changedLsn";
/** A field of the record's form: its name alone where a record changes it, else with its value. */
export type Field = Changing | readonly [name: string, value: unknown];

interface Form {
  readonly key: Bytes;
  /** What was packed besides what changes. */
  readonly watched: readonly unknown[];
  /** Bytes that stay, each before something that changes. */
  readonly parts: readonly { readonly bytes: Bytes; readonly before: Changing | undefined }[];
  /** With the longest numbers. */
  readonly most: number;
}

const hashBytes = 8;
/** More than any number takes. */
const packedHashBytes = 2 + hashBytes;
const forms = new WeakMap<Replica, Form>();

/** `fields` is asked anew only when one of `watched` is not what it was. */
export function bookkeepingBytes(
  replica: Replica,
  watched: readonly unknown[],
  fields: () => readonly Field[],
): { readonly key: Bytes; readonly value: Bytes } {
  let form = forms.get(replica);
  if (form === undefined || !sameItems(form.watched, watched)) {
    form = formOf(replica, watched, fields());
    forms.set(replica, form);
  }
  const bytes = new Uint8Array(form.most);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of form.parts) {
    bytes.set(part.bytes, at);
    at += part.bytes.length;
    if (part.before === "hash") at = putHash(bytes, at, replica.hash);
    else if (part.before !== undefined) at = putNumber(bytes, view, at, replica[part.before]);
  }
  return { key: form.key, value: bytes.subarray(0, at) };
}

function formOf(replica: Replica, watched: readonly unknown[], fields: readonly Field[]): Form {
  const parts: { bytes: Bytes; before: Changing | undefined }[] = [];
  let bytes = mapHead(fields.length);
  for (const field of fields) {
    if (typeof field !== "string") {
      bytes = joinBytes(bytes, pack(field[0]), pack(field[1]));
      continue;
    }
    parts.push({ bytes: joinBytes(bytes, pack(field)), before: field });
    bytes = new Uint8Array(0);
  }
  parts.push({ bytes, before: undefined });
  const most = parts.reduce((sum, part) => sum + part.bytes.length + packedHashBytes, 0);
  return { key: bookkeepingKey(replica.fragment), watched, parts, most };
}

function putHash(bytes: Bytes, at: number, hash: Bytes): number {
  bytes[at] = 0xc4;
  bytes[at + 1] = hashBytes;
  bytes.set(hash, at + 2);
  return at + packedHashBytes;
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
