import { match, ok, rejects, strictEqual } from "node:assert";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SmallDisk } from "../../scripts/live/small-disk.js";

describe("live: small disk", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "foreshard-test-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("is full when it was filled, and has room when it was freed", async function () {
    const disk = await SmallDisk.mount(folder, 4);
    if (typeof disk === "string") {
      process.stdout.write(`\n  skipped: ${disk}\n`);
      return this.skip();
    }
    try {
      ok((await disk.fill()) > 3 * 1024 * 1024);
      strictEqual(await disk.freeBytes(), 0);
      await rejects(writeFile(join(folder, "row"), Buffer.alloc(8_192)), /ENOSPC/);
      await disk.free();
      await writeFile(join(folder, "row"), Buffer.alloc(8_192));
    } finally {
      await disk.unmount();
    }
  });

  it("says why it cannot be mounted", async () => {
    const why = await SmallDisk.mount(join(folder, "nowhere"), 4);
    match(String(why), /^a tmpfs cannot be mounted here \(.+\)$/);
  });
});
