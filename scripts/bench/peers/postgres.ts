// PostgreSQL. Owns a PostgreSQL 15 of the operating system's packages for one bench: in a temporary folder, on a free port, asked through its own `psql`.
// It refuses to run as root: then it runs as the user `postgres`, whom the package makes.

import { execFile, spawn } from "node:child_process";
import { access, chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../../../cluster/engine/ports.js";
import { until } from "../../../cluster/engine/until.js";
import type { Farewell } from "../../live/farewell.js";

const run = promisify(execFile);
const programs = "/usr/lib/postgresql/15/bin";
const readyMs = 30_000;

export interface Postgres {
  /** Runs statements in one session; what they print, unaligned. */
  ask(sql: string): Promise<string>;
}

/** Undefined: it can be started; else what is missing. */
export function postgresMissing(): Promise<string | undefined> {
  return access(join(programs, "postgres")).then(
    () => undefined,
    () => "PostgreSQL 15 is not installed: the operating system's package postgresql-15 brings it",
  );
}

export async function startPostgres(farewell: Farewell): Promise<Postgres> {
  const who = process.getuid?.() === 0 ? await idsOf("postgres") : {};
  const folder = await mkdtemp(join(tmpdir(), "foreshard-postgres-"));
  farewell.later(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  if (who.uid !== undefined && who.gid !== undefined) await chown(folder, who.uid, who.gid);
  const data = join(folder, "data");
  await run(join(programs, "initdb"), ["-D", data, "-U", "bench", "--auth=trust", "-E", "UTF8", "--no-locale"], {
    ...who,
    cwd: folder,
  });
  const [port = 0] = await freePorts(1);
  const child = spawn(
    join(programs, "postgres"),
    ["-D", data, "-p", String(port), "-k", folder, "-c", "listen_addresses=", "-c", "shared_buffers=512MB"],
    { ...who, cwd: folder, stdio: "ignore" },
  );
  farewell.later(async () => {
    if (child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    await ended;
  });
  const ask = async (sql: string): Promise<string> => {
    const words = ["-X", "-q", "-A", "-t", "-h", folder, "-p", String(port), "-U", "bench", "-d", "postgres"];
    const { stdout } = await run(join(programs, "psql"), [...words, "-v", "ON_ERROR_STOP=1", "-c", sql], {
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  };
  const isUp = await until(
    () =>
      ask("select 1").then(
        () => true,
        () => false,
      ),
    readyMs,
    100,
  );
  if (!isUp) throw new Error(`PostgreSQL did not answer within ${readyMs / 1000} s`);
  return { ask };
}

async function idsOf(user: string): Promise<{ readonly uid?: number; readonly gid?: number }> {
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (flag) => Number((await run("id", [flag, user])).stdout)),
  );
  return uid === undefined || gid === undefined ? {} : { uid, gid };
}
