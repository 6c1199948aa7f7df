// Store identity. Owns the store's own keys (first byte 0x01): its format, its id, how often it was opened, and the redo record of a large clear.

import type { Bytes } from "../../src/kernel/bytes.js";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { type KeyRange, keyBytes, keyText, Layer } from "./overlay.js";

export const bookkeeping = {
  format: ownKey("format"),
  storeId: ownKey("store-id"),
  bootCount: ownKey("boot-count"),
  redo: ownKey("redo"),
} as const;

/** Grows when the layout of a store changes so that older code must not read it. */
export const storeFormat = 2;

export interface Identity {
  readonly storeId: string;
  readonly bootCount: number;
  /** What to write so that this boot is counted. */
  readonly entries: readonly (readonly [Buffer, Buffer])[];
}

export function readIdentity(
  read: (key: Buffer) => Bytes | undefined,
  dir: string,
  drawId: () => string,
): Result<Identity> {
  const format = textOf(read(bookkeeping.format));
  if (format !== undefined && format !== String(storeFormat)) {
    return fail(
      "DATA_DIR",
      `the store in ${dir} has format ${format}, this version reads format ${storeFormat}; use the version that wrote it`,
    );
  }
  const storeId = textOf(read(bookkeeping.storeId)) ?? drawId();
  const bootCount = Number(textOf(read(bookkeeping.bootCount)) ?? "0") + 1;
  return ok({
    storeId,
    bootCount,
    entries: [
      [bookkeeping.format, Buffer.from(String(storeFormat))],
      [bookkeeping.storeId, Buffer.from(storeId)],
      [bookkeeping.bootCount, Buffer.from(String(bootCount))],
    ],
  });
}

/** The redo record: the clears and writes of one layer, as `[[from, to]…], [[key, value or null]…]`. */
export function packRedo(layer: Layer): Buffer {
  const clears = layer.clears.map(({ from, to }: KeyRange) => [keyBytes(from), keyBytes(to)]);
  const writes = [...layer.writes.values()].map(({ key, value }) => [key, value ?? null]);
  return Buffer.from(pack([clears, writes]));
}

/** Throws on a record that `packRedo` did not write: the store is damaged. */
export function unpackRedo(bytes: Bytes): Layer {
  const unpacked = unpack(bytes);
  if (!unpacked.ok) throw new Error("the redo record of the store is damaged");
  const [clears, writes] = listOf(unpacked.value);
  const layer = new Layer();
  for (const clear of listOf(clears)) {
    const [from, to] = listOf(clear);
    layer.clears.push({ from: keyText(bytesOf(from)), to: keyText(bytesOf(to)) });
  }
  layer.add(
    listOf(writes).map((write) => {
      const [key, value] = listOf(write);
      return { key: bytesOf(key), value: value === null ? undefined : bytesOf(value) };
    }),
    [],
  );
  return layer;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error("the redo record of the store is damaged");
  return value;
}

function bytesOf(value: unknown): Bytes {
  if (!(value instanceof Uint8Array)) throw new Error("the redo record of the store is damaged");
  return value;
}

function ownKey(name: string): Buffer {
  return Buffer.from(`\u0001${name}`, "latin1");
}

function textOf(bytes: Bytes | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}
