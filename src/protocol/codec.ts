// Codec. Owns the msgpack settings of everything that travels or is stored (FACTS, msgpackr 2.1.3: no records, no shared structures, copies of buffers).
// What comes out of `unpack` is unknown: a decoder checks it before anything trusts it.

import { type Options, Packr, Unpackr } from "msgpackr";
import type { Bytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";

// `int64AsType: "auto"` (a number where it is exact, else a bigint) is documented and missing from the package's types.
const settings = {
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: "auto",
  copyBuffers: true,
  variableMapSize: true,
} as unknown as Options;
const packr = new Packr(settings);
const unpackr = new Unpackr(settings);
const viewer = new Unpackr({ ...settings, copyBuffers: false });

/** Encoded bytes; a private copy that nothing else writes to. */
export function pack(value: unknown): Bytes {
  const packed = packr.pack(value);
  return packed.byteLength === packed.buffer.byteLength ? packed : new Uint8Array(packed);
}

/** The same without the copy, for a message that leaves at once: a view into a larger block, which stays as long as the view does. The packer never writes there again. */
export function packMessage(value: unknown): Bytes {
  return packr.pack(value);
}

export function unpack(bytes: Bytes): Result<unknown> {
  return unpackBy(unpackr, bytes);
}

/** Byte strings in the result are views of `bytes`: for messages that nobody writes to again. Batches of documents are decoded without copying one of them. */
export function unpackInPlace(bytes: Bytes): Result<unknown> {
  return unpackBy(viewer, bytes);
}

function unpackBy(decoder: Unpackr, bytes: Bytes): Result<unknown> {
  try {
    return ok(decoder.unpack(bytes));
  } catch (error) {
    if (error instanceof RangeError)
      return fail("UNDECODABLE", "the body is not msgpack: it ends too early, or nests too many levels deep");
    return fail("UNDECODABLE", `the body is not msgpack: ${error instanceof Error ? error.message : String(error)}`);
  }
}
