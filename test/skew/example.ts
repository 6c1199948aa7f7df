// Example. Owns what an example of a message or a stored thing is: a value, its bytes, and what becomes of it when a later version says more.

import { strictEqual } from "node:assert/strict";
import type { Bytes } from "../../src/kernel/bytes.js";
import type { Result } from "../../src/kernel/fault.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { must } from "../results.js";

/** A place in the decoded message: names of fields, and indexes. */
export type Place = readonly (string | number)[];

/** One thing more, in the map or list at `at`: what a later version may add. */
export interface Growth {
  readonly at: Place;
  readonly is: "ignored" | "refused";
}

export interface Example {
  readonly name: string;
  readonly meaning: string;
  readonly value: unknown;
  encode(): Bytes;
  decode(bytes: Bytes): Result<unknown>;
  readonly grows: readonly Growth[];
}

/** `grown` has one field or element more at `at`. */
export function grow(bytes: Bytes, at: Place): Bytes {
  const value = must(unpack(bytes));
  let place: unknown = value;
  for (const step of at) place = new Map(Object.entries(place as object)).get(String(step));
  if (Array.isArray(place)) place.push("later");
  else {
    strictEqual(typeof place, "object", `there is nothing at ${at.join(".")}`);
    Object.assign(place as object, { ofALaterVersion: 1 });
  }
  return pack(value);
}

/** Like `Object.entries`, with the type of its values. */
export function entriesOf<K extends string, V>(record: Readonly<Record<K, V>>): readonly (readonly [K, V])[] {
  return Object.entries<V>(record) as [K, V][];
}

export const ignoredOnTop: readonly Growth[] = [{ at: [], is: "ignored" }];
