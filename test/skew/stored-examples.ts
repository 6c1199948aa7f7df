// Stored examples. Owns one of everything that nodes keep: log records of every kind, rows, bookkeeping, request windows, a redo record; and cursors, which clients keep.

import { Layer } from "../../cluster/world/overlay.js";
import { packRedo, unpackRedo } from "../../cluster/world/store-identity.js";
import { chunkWriter, readChunk, rowsRoom, windowRoom } from "../../src/fragment/chunk.js";
import { readRow, rowKey, rowValue, windowKey } from "../../src/fragment/layout.js";
import { decodeRecord, encodeRecord, type FragmentRecord, type RecordKind } from "../../src/fragment/record.js";
import { bookkeeping, type Replica, readBookkeeping } from "../../src/fragment/replica.js";
import { decodeWindowEntry, encodeWindowEntry } from "../../src/fragment/window.js";
import type { Bytes } from "../../src/kernel/bytes.js";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { decodeScanCursor, decodeWatchCursor, encodeScanCursor, encodeWatchCursor } from "../../src/query/cursor.js";
import { testHash } from "../hash.js";
import { type Example, entriesOf, ignoredOnTop } from "./example.js";
import { aHash, bytes } from "./parts.js";

const position = bytes(1, 0x61);
const document = bytes(0x81, 0xa1, 0x61, 1);
const marks = {
  split: { kind: "split", child: 32, at: bytes(0x40) },
  absorb: { kind: "absorb", right: 48, rightLsn: 12, rightHash: aHash, after: 70 },
} as const;
const written = {
  requests: [{ requestId: "r-1", first: 0, count: 2 }],
  changes: [
    { position, document },
    { position: bytes(1, 0x62), document: undefined },
  ],
};
const nothing = { requests: [], changes: [] };
const contents: Readonly<Record<RecordKind, Pick<FragmentRecord, "requests" | "changes" | "mark">>> = {
  data: written,
  epoch: nothing,
  checkpoint: nothing,
  rebase: nothing,
  verify: nothing,
  split: { ...nothing, mark: marks.split },
  seal: nothing,
  absorb: { ...nothing, mark: marks.absorb },
};

function logExample([kind, content]: readonly [RecordKind, (typeof contents)[RecordKind]]): Example {
  const record = {
    ...{ kind, fragment: 16, epoch: 4, lsn: 80, stampMs: 1_772_323_200_000, writer: "n1/i-1", previousHash: aHash },
    ...{ rowsDelta: content.changes.length === 0 ? 0 : -1, bytesDelta: content.changes.length === 0 ? 0 : -12 },
    ...content,
  };
  const encoded = encodeRecord(record, testHash);
  return {
    ...{ name: `log.${kind}`, meaning: "a record of a fragment's log", value: { ...record, hash: encoded.hash } },
    ...{ encode: () => encoded.bytes, decode: (given: Bytes) => decodeRecord(given, testHash), grows: [] },
  };
}

const past = {
  cut: { child: 32, at: bytes(0x80), lsn: 70, hash: aHash },
  joined: { right: 48, lsn: 80, rightLsn: 12, changedLsn: 10 },
};
const replica: Replica = {
  ...{ fragment: 16, shelf: 9, range: { from: bytes(), to: bytes(0x80) }, lsn: 90, seq: 120, epoch: 4, hash: aHash },
  ...{ copying: true, wholeLsn: 95, stampMs: 1000, rows: 5, bytes: 100, baseLsn: 60, changedLsn: 88, sealed: false },
  missing: [{ from: bytes(1), to: undefined }],
  place: {
    ...{ cursor: bytes(7), lsn: 80, seq: 100, epoch: 4, hash: aHash, stampMs: 900, rows: 4, bytes: 90 },
    ...{ changedLsn: 78, sealed: false, ...past },
  },
  ...past,
};

const windowEntry = { stampMs: 1000, requests: [{ requestId: "r-1", first: 0, count: 2, lsn: 12 }] };

function chunk(): Bytes {
  const writer = chunkWriter(16);
  writer.add(rowsRoom, position, rowValue(65536, document));
  writer.add(windowRoom, bytes(0, 0, 0, 0, 0, 0, 0, 90), bytes(1));
  return writer.block();
}

function redo(): Layer {
  const layer = new Layer();
  layer.clears.push({ from: "a", to: "b" });
  layer.add(
    [
      { key: bytes(0x63), value: bytes(1) },
      { key: bytes(0x64), value: undefined },
    ],
    [],
  );
  return layer;
}

const place = { viewSeq: 40, marks: [{ fragment: 16, lsn: 90, seq: 120 }] };

export const storedExamples: readonly Example[] = [
  ...entriesOf(contents).map(logExample),
  stored("store.row", "the value of a row", { version: 65536, document }, () => rowValue(65536, document), readRow),
  stored(
    "store.rowKey",
    "the key of a row",
    rowKey(9, position),
    () => rowKey(9, position),
    (given) => given,
  ),
  stored(
    "store.windowKey",
    "the key of a request window's entry",
    windowKey(16, 90),
    () => windowKey(16, 90),
    (given) => given,
  ),
  {
    ...stored(
      "store.bookkeeping",
      "what one copy has applied",
      replica,
      () => bookkeeping(replica).value ?? bytes(),
      (given) => readBookkeeping(16, given),
    ),
    grows: [...ignoredOnTop, { at: ["place"], is: "ignored" }],
  },
  {
    ...stored(
      "store.window",
      "an entry of the request window",
      windowEntry,
      () => encodeWindowEntry(windowEntry.stampMs, windowEntry.requests),
      decodeWindowEntry,
    ),
    grows: [
      { at: [], is: "ignored" },
      { at: [1, 0], is: "ignored" },
    ],
  },
  stored("store.redo", "what a crash must not leave half done", redo(), () => packRedo(redo()), unpackRedo),
  {
    ...{ name: "peer.chunk", meaning: "the block of a chunk of a copy", grows: [], encode: chunk, decode: readChunk },
    value: [
      { key: bytes(rowsRoom, ...position), value: rowValue(65536, document) },
      { key: bytes(windowRoom, 0, 0, 0, 0, 0, 0, 0, 90), value: bytes(1) },
    ],
  },
  cursor("cursor.scan", bytes(1, 0x62), encodeScanCursor(aHash, bytes(1, 0x62), testHash), decodeScanCursor),
  cursor("cursor.watch", place, encodeWatchCursor(aHash, place, testHash), decodeWatchCursor),
];

function stored(
  name: string,
  meaning: string,
  value: unknown,
  encode: () => Bytes,
  read: (given: Bytes) => unknown,
): Example {
  return {
    ...{ name, meaning, value, encode, grows: [] },
    decode(given) {
      const found = read(given);
      return found === undefined ? fail("UNDECODABLE", "damaged") : ok(found);
    },
  };
}

function cursor(
  name: string,
  value: unknown,
  text: string,
  decode: (fingerprint: Bytes, given: unknown, hash: typeof testHash) => Result<unknown>,
): Example {
  return {
    ...{ name, meaning: "text that a client keeps, to go on there", value, grows: [] },
    encode: () => new TextEncoder().encode(text),
    decode: (given) => decode(aHash, new TextDecoder().decode(given), testHash),
  };
}
