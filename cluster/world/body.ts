// Body. Owns the two forms of a message's body, msgpack and JSON, and which one a request asked for.
// JSON is for hands: how dates and bytes stand in it is in `src/query/json.ts`; whole numbers beyond 2^53 leave as text.

import { Match, type MsgHdrs } from "nats";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { packMessage, unpackInPlace } from "../../src/protocol/codec.js";
import { fromJson, toJson } from "../../src/query/json.js";

export type Form = "msgpack" | "json";

export const contentType = "Content-Type";
export const jsonType = "application/json";
const msgpackTypes: readonly string[] = ["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"];

/** The form that the headers name; msgpack when they name none; undefined for one that nobody speaks here. */
export function formOf(headers: MsgHdrs | undefined): Form | undefined {
  const named = headers?.get(contentType, Match.IgnoreCase).split(";")[0]?.trim().toLowerCase() ?? "";
  if (named === "" || msgpackTypes.includes(named)) return "msgpack";
  return named === jsonType ? "json" : undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
const text = new TextEncoder();

/** An empty body is an empty object. */
export function decodeBody(bytes: Uint8Array, form: Form): Result<unknown> {
  if (bytes.byteLength === 0) return ok({});
  if (form === "json") return parse(bytes);
  const unpacked = unpackInPlace(bytes);
  return unpacked.ok || !looksLikeJson(bytes) ? unpacked : jsonUnnamed;
}

/** For a message that leaves at once. */
export function encodeBody(body: unknown, form: Form): Uint8Array {
  return form === "msgpack" ? packMessage(body) : text.encode(JSON.stringify(toJson(body), bigAsText));
}

function parse(bytes: Uint8Array): Result<unknown> {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    return fail("UNDECODABLE", `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return fromJson(value);
}

const jsonUnnamed = fail(
  "UNDECODABLE",
  `the body is not msgpack, which is expected without a content type; it looks like JSON: send it with the header ${contentType}: ${jsonType}`,
);

/** Begins as an object or array does. */
function looksLikeJson(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7b || bytes[0] === 0x5b;
}

/** What JSON has no form for, as `toJson` leaves it. */
function bigAsText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
