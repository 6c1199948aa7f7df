// Exec page. Owns the writing of a reply that holds the rows of one scan: rows pass from the store into the message with one copy.
// X4 the bytes are those that `pack` makes of `encodeExecReply`: whoever reads knows of one form only.

import type { Bytes } from "../kernel/bytes.js";
import { Encoded, pack } from "./codec.js";
import type { ExecReply, OpResult, ScanRow } from "./exec.js";
import { encodeExecReply, opCode } from "./exec-codec.js";

type Scanned = Extract<OpResult, { op: "scan" }>;

/** A reply as the world sends it. Scans travel alone: their rows are written here, everything else by the library. */
export function replyBody(reply: ExecReply): unknown {
  const [part] = reply.results;
  const result = part?.[0];
  const isScan = reply.results.length === 1 && part?.length === 1 && result?.op === "scan";
  return isScan ? new Encoded(packPage(reply.viewSeq, result)) : encodeExecReply(reply);
}

/** `[viewSeq, [[[2, [[position, version, document], …], next]]]]` */
function packPage(viewSeq: readonly number[], { rows, next }: Scanned): Bytes {
  const head = pack(viewSeq);
  const end = pack(next ?? null);
  const writer = new Writer(
    rows.reduce((sum, row) => sum + mostBytesOf(row), head.length + end.length + mostFrameBytes),
  );
  writer.array(2);
  writer.raw(head);
  writer.array(1);
  writer.array(1);
  writer.array(3);
  writer.count(opCode.scan);
  writer.array(rows.length);
  for (const { position, version, document } of rows) {
    writer.array(3);
    writer.bytes(position);
    writer.count(version);
    writer.bytes(document);
  }
  writer.raw(end);
  return writer.written();
}

const mostFrameBytes = 16;
/** Heads of an array and of two byte strings, and a number. */
const mostRowFrameBytes = 1 + 5 + 5 + 9;

function mostBytesOf({ position, document }: ScanRow): number {
  return mostRowFrameBytes + position.length + document.length;
}

/** Msgpack specification: github.com/msgpack/msgpack/blob/master/spec.md; lengths and numbers in the shortest form. */
class Writer {
  private readonly into: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(mostBytes: number) {
    this.into = new Uint8Array(mostBytes);
    this.view = new DataView(this.into.buffer);
  }

  array(length: number): void {
    if (length < 16) this.into[this.at++] = 0x90 | length;
    else if (length < 0x10000) this.head16(0xdc, length);
    else this.head32(0xdd, length);
  }

  bytes(bytes: Bytes): void {
    if (bytes.length < 0x100) this.head8(0xc4, bytes.length);
    else if (bytes.length < 0x10000) this.head16(0xc5, bytes.length);
    else this.head32(0xc6, bytes.length);
    this.raw(bytes);
  }

  /** A whole number from 0 on. */
  count(value: number): void {
    if (value < 0x80) this.into[this.at++] = value;
    else if (value < 0x100) this.head8(0xcc, value);
    else if (value < 0x10000) this.head16(0xcd, value);
    else if (value < 0x100000000) this.head32(0xce, value);
    else {
      this.into[this.at] = 0xcb;
      this.view.setFloat64(this.at + 1, value);
      this.at += 9;
    }
  }

  raw(bytes: Bytes): void {
    this.into.set(bytes, this.at);
    this.at += bytes.length;
  }

  written(): Bytes {
    return this.into.subarray(0, this.at);
  }

  private head8(type: number, value: number): void {
    this.into[this.at] = type;
    this.into[this.at + 1] = value;
    this.at += 2;
  }
  private head16(type: number, value: number): void {
    this.into[this.at] = type;
    this.view.setUint16(this.at + 1, value);
    this.at += 3;
  }
  private head32(type: number, value: number): void {
    this.into[this.at] = type;
    this.view.setUint32(this.at + 1, value);
    this.at += 5;
  }
}
