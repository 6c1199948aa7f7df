import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { execFile } from "node:child_process";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findBinary } from "../../cluster/engine/binary.js";
import { drawCredentials } from "../../cluster/engine/credentials.js";
import { type MachinesWish, machineFiles, machinesIn } from "../../cluster/engine/machines.js";
import { faultOf, unwrap } from "./support.js";

const run = promisify(execFile);
const program = fileURLToPath(new URL("../../scripts/foreshard.js", import.meta.url));
const three = "east=10.0.0.1,west=10.0.0.2,north=nats-north";

function wishOf(folder: string): MachinesWish {
  return {
    ...{ machines: unwrap(machinesIn(three)), port: 4222, routePort: 6222, monitorPort: 8222 },
    ...{ folder, durability: "always", maxFileBytes: 2 ** 30 },
  };
}

describe("several machines", () => {
  it("refuses what is no machine, names twice, and numbers of which no half is the larger", () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      ["east", /"east=" is no machine: write name=address/],
      ["e st=10.0.0.1,b=1,c=2", /no machine/],
      ["a=1.1.1.1;rm,b=2,c=3", /no machine/],
      ["a=10.0.0.1,a=10.0.0.2,b=10.0.0.3", /two machines have one name/],
      ["a=10.0.0.1,b=10.0.0.2", /2 machines are named: choose 3, 5, 7 or 9/],
      ["a=1,b=2,c=3,d=4", /4 machines/],
    ];
    for (const [text, why] of wrong) match(faultOf(machinesIn(text)).message, why);
  });

  it("each server knows the others, and all know the same users; what holds a password is private", () => {
    const files = new Map(
      machineFiles(wishOf("/var/lib/foreshard"), drawCredentials()).map((file) => [file.path, file]),
    );
    strictEqual(files.size, 12);
    const conf = (name: string) => JSON.parse(files.get(`${name}/nats.conf`)?.text ?? "");
    const [east, north] = [conf("east"), conf("north")];
    deepStrictEqual(
      east.cluster.routes.map((route: string) => route.slice(route.indexOf("@") + 1)),
      ["10.0.0.2:6222", "nats-north:6222"],
    );
    deepStrictEqual(
      [east.listen, north.listen, north.client_advertise],
      ["10.0.0.1:4222", "0.0.0.0:4222", "nats-north:4222"],
    );
    deepStrictEqual(east.accounts, north.accounts);
    strictEqual(east.http, "127.0.0.1:8222");
    for (const { path, text, isPrivate } of files.values()) strictEqual(isPrivate, text.includes("pass"), path);
    const unit = files.get("west/foreshard.service")?.text ?? "";
    match(
      unit,
      /--nats nats:\/\/10\.0\.0\.2:4222,nats:\/\/10\.0\.0\.1:4222,nats:\/\/nats-north:4222 --creds \/var\/lib\/foreshard\/creds\.json --machine west /,
    );
  });

  it("the command writes them once, and a real nats-server takes every configuration", async function () {
    this.timeout(30_000);
    const folder = await mkdtemp(join(tmpdir(), "foreshard-machines-"));
    try {
      const out = join(folder, "machines");
      const words = ["machines", "--servers", three, "--out", out, "--folder", join(folder, "place")];
      await run(process.execPath, [program, ...words]);
      strictEqual((await stat(join(out, "east", "creds.json"))).mode & 0o777, 0o600);
      const binary = unwrap(await findBinary(undefined));
      for (const name of ["east", "west", "north"]) await run(binary.path, ["-t", "-c", join(out, name, "nats.conf")]);
      await writeFile(join(out, "kept"), "");
      await run(process.execPath, [program, ...words]).then(
        () => ok(false, "the passwords in use were overwritten"),
        ({ stderr }) => match(String(stderr), /exists, or cannot be made/),
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
