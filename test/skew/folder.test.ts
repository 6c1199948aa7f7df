// The files of a data folder as version 0.1 wrote them (passwords made up) are opened as they stand, and none of them is written anew.

import assert from "node:assert/strict";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDataDir } from "../../cluster/boot/data-dir.js";
import { decodeOptions } from "../../cluster/boot/options.js";
import { loadCredentials, reservedUsers } from "../../cluster/engine/credentials.js";
import { openUserBook } from "../../cluster/engine/users.js";
import { Bench } from "../engine/support.js";
import { must } from "../results.js";

const kept = fileURLToPath(new URL("../../../test/fixtures/0.1/folder/", import.meta.url));
const files = ["foreshard.json", "credentials.json", "users.json"] as const;

describe("version skew of a data folder", () => {
  const bench = new Bench();
  after(() => bench.close());

  it("opens the folder of version 0.1, with its facts, passwords and users", async () => {
    const path = join(await bench.folder(), "data");
    await cp(kept, path, { recursive: true });
    const folder = must(await openDataDir(must(decodeOptions({ dataDir: path }))));
    assert.deepEqual(folder.facts, {
      format: 1,
      clusterId: "0123456789abcdef",
      createdMs: 1_772_323_200_000,
      natsServers: 1,
      logGroups: 4,
      controlPartitions: 1,
    });
    const credentials = must(await loadCredentials(path));
    for (const user of reservedUsers)
      assert.deepEqual(credentials[user], { user, pass: `made-up-password-of-${user}`, inboxPrefix: `_INBOX_${user}` });
    const users = must(await openUserBook(path, []));
    assert.deepEqual(users.list(), [
      {
        user: "report",
        role: "reader",
        tables: ["orders"],
        reads: [],
        limits: { maxConnections: 4 },
        pass: "made-up-password-of-report",
        seat: 0,
        sinceMs: 1_772_323_200_000,
      },
    ]);
    assert.equal(users.seats()[0]?.user, "report");
    await folder.release();
    for (const file of files)
      assert.equal(await readFile(join(path, file), "utf8"), await readFile(join(kept, file), "utf8"), file);
  });
});
