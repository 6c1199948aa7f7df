// Body. Owns the two forms of a message's body, msgpack and JSON, and which one a request asked for.
// JSON is for hands: dates leave as ISO text, bytes as {"$bytes": base64}, whole numbers beyond 2^53 as text.

import type { MsgHdrs } from "nats";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { pack, unpack } from "../../src/protocol/codec.js";

export type Form = "msgpack" | "json";

export const contentType = "Content-Type";
export const jsonType = "application/json";
const msgpackTypes: readonly string[] = ["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"];

/** The form that the headers name; msgpack when they name none; undefined for one that nobody speaks here. */
export function formOf(headers: MsgHdrs | undefined): Form | undefined {
  const named = headers?.get(contentType).split(";")[0]?.trim().toLowerCase() ?? "";
  if (named === "" || msgpackTypes.includes(named)) return "msgpack";
  return named === jsonType ? "json" : undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
const text = new TextEncoder();

/** An empty body is an empty object. */
export function decodeBody(bytes: Uint8Array, form: Form): Result<unknown> {
  if (bytes.byteLength === 0) return ok({});
  return form === "msgpack" ? unpack(bytes) : parse(bytes);
}

export function encodeBody(body: unknown, form: Form): Uint8Array {
  return form === "msgpack" ? pack(body) : text.encode(JSON.stringify(forJson(body)));
}

function parse(bytes: Uint8Array): Result<unknown> {
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes));
    return ok(value);
  } catch (error) {
    return fail("UNDECODABLE", `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function forJson(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(forJson);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, forJson(part)]));
}
