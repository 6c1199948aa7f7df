// LMDB file. Owns the look at a data file before LMDB maps it: a map that reaches beyond a truncated file would kill the process on the first read.
// Source: LMDB's mdb.c (MDB_meta): two meta pages open the file; the newer one says the page size and the last page in use.

import { closeSync, existsSync, openSync, readSync, statSync, truncateSync } from "node:fs";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { damageWords } from "./damage.js";

const magic = 0xbeefc0de;
const metaBytes = 256;
/** Pages that a transaction took at the end of the file and gave back are counted by LMDB and never written: a whole file may be this much shorter. */
const looseTailPages = 64;
const smallestPage = 512;
const largestPage = 65_536;

interface Meta {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: bigint;
}

/** Says whether LMDB may open `path`, and fills up a loose tail. A file that is not there, or empty, is fine: it is made. */
export function checkLmdbFile(path: string): Result<"new" | "whole"> {
  if (!existsSync(path)) return ok("new");
  const sizeBytes = statSync(path).size;
  if (sizeBytes === 0) return ok("new");
  const first = readMeta(path, 0);
  const second = first === undefined ? undefined : readMeta(path, first.pageBytes);
  if (first === undefined || second === undefined || first.pageBytes !== second.pageBytes)
    return damaged(path, "it does not begin like an LMDB file");
  const newer = first.transaction > second.transaction ? first : second;
  const wantedBytes = (newer.lastPage + 1) * newer.pageBytes;
  if (sizeBytes < wantedBytes - looseTailPages * newer.pageBytes)
    return damaged(path, `it holds ${sizeBytes} bytes and should hold ${wantedBytes}`);
  if (sizeBytes < wantedBytes) truncateSync(path, wantedBytes);
  return ok("whole");
}

function damaged(path: string, why: string): Result<never> {
  return fail("DATA_DIR", damageWords(path, why));
}

function readMeta(path: string, at: number): Meta | undefined {
  const page = Buffer.alloc(metaBytes);
  const file = openSync(path, "r");
  try {
    if (readSync(file, page, 0, page.length, at) < page.length) return undefined;
  } finally {
    closeSync(file);
  }
  return decodeMeta(page);
}

/** The header before the magic number differs between versions of LMDB (16 or 24 bytes); what follows does not. */
function decodeMeta(page: Buffer): Meta | undefined {
  const start = [16, 24].find((offset) => page.readUInt32LE(offset) === magic);
  if (start === undefined) return undefined;
  const mapBytesAt = start + 16;
  const databasesAt = mapBytesAt + 8;
  const pageBytes = page.readUInt32LE(databasesAt);
  const afterDatabases = databasesAt + 2 * 48;
  if (pageBytes < smallestPage || pageBytes > largestPage || (pageBytes & (pageBytes - 1)) !== 0) return undefined;
  return {
    pageBytes,
    lastPage: Number(page.readBigUInt64LE(afterDatabases)),
    transaction: page.readBigUInt64LE(afterDatabases + 8),
  };
}
