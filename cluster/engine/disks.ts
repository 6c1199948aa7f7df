// Disks. Owns which disks hold the stores of the servers, and how much each store may take of its own (FACTS R19).

import { mkdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { folderBytes } from "./folder.js";

const MiB = 1024 * 1024;
const leastFreeBytes = 256 * MiB;
const share = 0.8;

export interface StoreDisk {
  /** Of the server at the same place of the list. */
  readonly folder: string;
  /** Number of the device; servers with the same one share its room. */
  readonly device: number;
  readonly maxFileBytes: number;
}

export function serverFolder(dataDir: string, index: number): string {
  return join(dataDir, "nats", String(index));
}

/** Each store may hold its share of 80 % of its disk's free space and of what the stores there hold already. Folders are made where they are missing. */
export async function storeDisks(dataDir: string, servers: number): Promise<Result<readonly StoreDisk[]>> {
  const folders = Array.from({ length: servers }, (_, index) => serverFolder(dataDir, index));
  const devices: number[] = [];
  for (const folder of folders) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    devices.push((await stat(folder)).dev);
  }
  const found: StoreDisk[] = [];
  for (const [index, folder] of folders.entries()) {
    const device = devices[index] ?? 0;
    const sharing = folders.filter((_, other) => devices[other] === device);
    const { bavail, bsize } = await statfs(folder);
    const freeBytes = bavail * bsize;
    if (freeBytes < leastFreeBytes) return noRoom(dataDir, folder, freeBytes);
    let heldBytes = 0;
    for (const each of sharing) heldBytes += await folderBytes(each);
    found.push({ folder, device, maxFileBytes: Math.floor(((freeBytes + heldBytes) * share) / sharing.length) });
  }
  return ok(found);
}

function noRoom(dataDir: string, folder: string, freeBytes: number): Result<never> {
  return fail(
    "DATA_DIR",
    `the disk of ${folder} has ${Math.floor(freeBytes / MiB)} MiB free; at least ${leastFreeBytes / MiB} MiB are needed: make room, or name another folder than ${dataDir} with --data-dir`,
    { freeBytes },
  );
}
