import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { accessToExisting, addressOfUrl } from "../../cluster/engine/access.js";
import type { Engine } from "../../cluster/engine/nats-server.js";
import { Bench, faultOf, unwrap } from "./support.js";

describe("engine: an existing NATS cluster", () => {
  const bench = new Bench();
  let engine: Engine;
  let server = "";
  before(async () => {
    engine = await bench.engine();
    server = `nats://${engine.coreServers[0]}`;
  });
  after(() => bench.close());

  async function file(content: string): Promise<string> {
    const path = join(await bench.folder(), "creds");
    await writeFile(path, content);
    return path;
  }

  it("is joined with users of a JSON file, one for the actors and one for clients", async () => {
    const { core, client } = engine.credentials;
    const access = unwrap(await accessToExisting(server, await file(JSON.stringify({ ...core, client }))));
    strictEqual(access.natsUrl, engine.clientUrl);
    deepStrictEqual(new Set(Object.values(access.inner).map(({ user }) => user)), new Set([core.user]));
    strictEqual(access.client.inboxPrefix, client.inboxPrefix);
    strictEqual(access.copies, 1);
    deepStrictEqual(access.servers(), []);
    ok(!(await access.restartServer(0)).ok);
  });

  it("is refused with a reason", async () => {
    const { client } = engine.credentials;
    const cases: readonly (readonly [string, string | undefined, string, RegExp])[] = [
      ["http://127.0.0.1", undefined, "CONFIG", /no NATS address/],
      ["nats://127.0.0.1:1", undefined, "ENGINE", /could be reached/],
      [server, undefined, "ENGINE", /Authorization/i],
      [server, "/nowhere/creds", "CONFIG", /cannot be read/],
      [server, await file("{}"), "CONFIG", /neither/],
      [engine.clientUrl, undefined, "ENGINE", /JetStream/],
      [server, await file(JSON.stringify(client)), "ENGINE", /JetStream/],
    ];
    for (const [url, creds, code, words] of cases) {
      const refused = faultOf(await accessToExisting(url, creds));
      strictEqual(refused.code, code, `${url} ${creds}`);
      match(refused.message, words);
    }
  });

  it("has its address read from any form a person writes", () => {
    const read = (text: string) => unwrap(addressOfUrl(text));
    deepStrictEqual(read("localhost"), { servers: ["localhost:4222"], inboxPrefix: "_INBOX" });
    deepStrictEqual(read("nats://a:b%40c@h:1, nats://h2:2"), {
      servers: ["h:1", "h2:2"],
      inboxPrefix: "_INBOX",
      user: "a",
      pass: "b@c",
    });
    for (const text of ["", ",", "nats://", "ftp://x", "h:port"]) ok(!addressOfUrl(text).ok, text);
  });
});
