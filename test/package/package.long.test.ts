import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Project, root } from "./project.js";

const typed = `
import { connect, type Client, type EmbeddedCluster, FaultError, type Row, startCluster } from "foreshard";
interface User { readonly name: string }
export async function ask(): Promise<string> {
  const cluster: EmbeddedCluster = await startCluster({ nodes: 3, users: [{ user: "a", pass: "12345678", publish: [] }] });
  const db: Client = await connect({ servers: cluster.url });
  const row: Row<User> | null = await db.table<User>("users").get(["ann", 1], { level: "bounded", maxStaleMs: 50 });
  try { await db.table<User>("users").put("a", { name: "b" }); } catch (error) {
    if (error instanceof FaultError && error.code === "OVERLOADED") return error.retry;
  }
  // @ts-expect-error a document must have the type of its table
  await db.table<User>("users").put("a", { nam: "b" });
  // @ts-expect-error there is no such option
  await startCluster({ nodez: 3 });
  await cluster[Symbol.asyncDispose]();
  return row?.doc.name ?? db.cluster.constructor.name;
}
`;

const common = `
const { connect, FaultError, startCluster } = require("foreshard");
const { execFileSync } = require("node:child_process");
async function main() {
  const cluster = await startCluster({ onNotice: console.error });
  const db = await connect(cluster.url);
  await db.admin.createTable({ name: "users", fragments: 2 });
  await db.table("users").put("ada", { born: 1815 });
  const env = { ...process.env, FORESHARD_URL: cluster.url };
  process.stdout.write(execFileSync(process.execPath, ["node_modules/foreshard/dist/scripts/foreshard.js", "get", "users", "ada"], { env }));
  const other = await startCluster({ dataDir: cluster.dataDir }).catch((error) => error);
  console.log(other instanceof FaultError, other.code);
  await db.close();
  await cluster.stop();
}
main();
`;

describe("package", function () {
  this.timeout(90_000);
  let project: Project;
  before(async () => {
    project = await Project.make();
  });
  after(() => project?.remove());

  it("says its licence and version, and runs nothing when it is installed", async () => {
    const { license, version, scripts } = await project.manifest();
    assert.equal(license, "Apache-2.0");
    assert.match(await readFile(join(project.installed, "LICENSE"), "utf8"), /Apache License\s+Version 2\.0/);
    assert.match(version, /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/);
    assert.match(
      await readFile(join(project.installed, "CHANGELOG.md"), "utf8"),
      /^## \[Unreleased\]|^## \[\d+\.\d+\.\d+\]/m,
    );
    for (const name of ["preinstall", "install", "postinstall", "prepare"]) assert.ok(!(name in scripts), name);
  });

  it("says what to install where traces are wanted and OpenTelemetry's packages are not there", async () => {
    const start = ["node_modules/foreshard/dist/scripts/start.js", "--traces", "http://127.0.0.1:4318"];
    await assert.rejects(project.run(process.execPath, start), /CONFIG: traces needs .* npm install @opentelemetry\//);
  });

  it("holds what it needs and nothing of the workshop", async () => {
    const names = await readdir(project.installed, { recursive: true });
    assert.ok(names.length > 300, "files to judge");
    const strangers = names.filter((name) =>
      /(^|\/)(test|bench|chaos|live|check)(\/|\.)|\.map$|(?<!\.d)\.ts$/.test(name),
    );
    assert.deepEqual(strangers, []);
  });

  it("runs the README's example from ES modules", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    const [, example] = /^```js\n(\/\/ orders\.test\.mjs\n[\s\S]*?)^```$/m.exec(readme) ?? [];
    assert.ok(example !== undefined, "the README shows an embedded cluster");
    await project.write("orders.test.mjs", example);
    assert.match(await project.run(process.execPath, ["--test", "orders.test.mjs"]), /^# pass 1$/m);
  });

  it("is required from CommonJS", async () => {
    await project.write("common.cjs", common);
    const said = await project.run(process.execPath, ["common.cjs"]);
    assert.match(said, /^ada\t\d+\t\{"born":1815\}\ntrue ALREADY_RUNNING$/m);
    assert.doesNotMatch(said, /Warning/);
  });

  it("brings its types, for both kinds of modules", async () => {
    await project.write("typed.mts", typed);
    await project.write("typed.cts", typed);
    const strict = ["--strict", "--noEmit", "--exactOptionalPropertyTypes", "--skipLibCheck", "false"];
    const how = [...strict, "--target", "es2022", "--module", "nodenext", "--types", "node", "typed.mts", "typed.cts"];
    await project.run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), ...how]);
  });
});
