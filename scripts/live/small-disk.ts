// Small disk. Owns a disk of a trial's own: a tmpfs of a given size on a folder, which can be filled up and freed again. Mounting takes root.
// D1 what was mounted is unmounted at the end, even while something still holds a file on it.

import { execFile } from "node:child_process";
import { open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const MiB = 1024 * 1024;
const ballastName = "ballast";

export class SmallDisk {
  private constructor(readonly folder: string) {}

  /** Mounts it on an empty folder; or says why it cannot be. */
  static async mount(folder: string, sizeMiB: number): Promise<SmallDisk | string> {
    try {
      await run("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m,mode=0700`, "tmpfs", folder]);
      return new SmallDisk(folder);
    } catch (error) {
      const [why = ""] = String(error instanceof Error && "stderr" in error ? error.stderr : error).split("\n");
      return `a tmpfs cannot be mounted here (${why.trim()})`;
    }
  }

  /** Writes until nothing fits any more. Returns how much that was. */
  async fill(): Promise<number> {
    const file = await open(join(this.folder, ballastName), "w");
    let bytes = 0;
    try {
      // Ever smaller pieces, so that the last page goes too.
      for (let piece = 16 * MiB; piece >= 4_096; piece /= 16) {
        const chunk = Buffer.alloc(piece);
        for (let isFull = false; !isFull; ) {
          const { bytesWritten } = await file.write(chunk).catch(() => ({ bytesWritten: 0 }));
          bytes += bytesWritten;
          isFull = bytesWritten < piece;
        }
      }
    } finally {
      await file.close();
    }
    return bytes;
  }

  async free(): Promise<void> {
    await rm(join(this.folder, ballastName), { force: true });
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder);
    return bavail * bsize;
  }

  async unmount(): Promise<void> {
    await run("umount", [this.folder]).catch(() => run("umount", ["-l", this.folder]));
  }
}
