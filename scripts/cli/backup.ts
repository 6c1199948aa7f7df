// Backup commands. Owns `foreshard backup` and `foreshard restore`: what they are told, and what they tell.

import { constants, setPriority } from "node:os";
import type { Command } from "commander";
import { checkBackup, type Restored, restoreBackup } from "../backup/restore.js";
import { takeBackup } from "../backup/take.js";
import { gather, listArgument } from "./arguments.js";
import { UsageError } from "./failure.js";
import { write, writeJson, writeTable } from "./output.js";
import { type Progress, startProgress } from "./progress.js";
import { type CommonOptions, positive, withClient, withCommonButDeadline } from "./session.js";
import { common } from "./tables.js";

const MiB = 1024 * 1024;
const defaultRate = 8;

interface BackupFlags extends CommonOptions {
  readonly out: string;
  readonly tables?: string;
  readonly incremental?: boolean;
  readonly since?: string;
  readonly rate?: number;
}
interface RestoreFlags extends CommonOptions {
  readonly from: string;
  readonly tables?: string;
  readonly as?: readonly string[];
  readonly check?: boolean;
  readonly rate?: number;
}

export function addBackupCommands(program: Command): void {
  withCommonButDeadline(program.command("backup"))
    .description("write all tables, at one cut, into a new folder, while they are served")
    .requiredOption("--out <folder>", "a new or empty folder")
    .option("--tables <names>", "with commas between them (default: all)")
    .option("--incremental", "only what changed after the backup named with --since")
    .option("--since <folder>", "the backup to go on from, which must be kept beside this one")
    .option("--rate <MiB>", `MiB per second that may be read (default: ${defaultRate})`, positive("--rate"))
    .action(async (flags: BackupFlags, command: Command) => backup({ ...flags, ...common(command) }));
  withCommonButDeadline(program.command("restore"))
    .description(
      "put the tables of a backup, and of those before it, into a cluster where they are not, and compare digests",
    )
    .requiredOption("--from <folder>", "the backup, full or incremental")
    .option("--tables <names>", "with commas between them (default: all)")
    .option("--as <old=new>", "restore a table under another name; may be said again", gather)
    .option(
      "--rate <MiB>",
      "MiB per second that may be written, and read to compare (default: no limit)",
      positive("--rate"),
    )
    .option("--check", "only read and check the files; needs no cluster")
    .action(async (flags: RestoreFlags, command: Command) => restore({ ...flags, ...common(command) }));
}

async function backup(flags: BackupFlags): Promise<void> {
  if ((flags.incremental === true) !== (flags.since !== undefined))
    throw new UsageError("--incremental and --since FOLDER go together: the folder of the backup to go on from");
  const tables = flags.tables === undefined ? undefined : listArgument(flags.tables);
  const startedMs = performance.now();
  const manifest = await shown(flags, (told) =>
    withClient(flags, (client) =>
      takeBackup(client, {
        folder: flags.out,
        tables,
        since: flags.since,
        rateBytes: (flags.rate ?? defaultRate) * MiB,
        told,
      }),
    ),
  );
  const seconds = Math.round(performance.now() - startedMs) / 1000;
  const lines = manifest.tables.map(({ name, full, rows, files, digest }) => ({
    table: name,
    kind: full ? "full" : "incremental",
    rows,
    records: files.reduce((sum, file) => sum + file.records, 0),
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    digest,
  }));
  const { fromMs, toMs } = manifest.cut;
  if (flags.json === true)
    return writeJson({ id: manifest.id, folder: flags.out, seconds, cutMs: toMs - fromMs, tables: lines });
  await writeTable(
    ["TABLE", "KIND", "ROWS", "RECORDS WRITTEN", "BYTES", "DIGEST"],
    lines.map((line) => Object.values(line)),
  );
  await write(
    `complete in ${seconds.toFixed(1)} s; cut at ${new Date(fromMs).toISOString()}, within ${toMs - fromMs} ms\n`,
  );
}

async function restore(flags: RestoreFlags): Promise<void> {
  const tables = flags.tables === undefined ? undefined : listArgument(flags.tables);
  const names = new Map((flags.as ?? []).map(renaming));
  const rateBytes = flags.rate === undefined ? undefined : flags.rate * MiB;
  const done =
    flags.check === true
      ? await checkBackup(flags.from, tables)
      : await shown(flags, (told) =>
          withClient(flags, (client) => restoreBackup(client, { folder: flags.from, tables, names, rateBytes, told })),
        );
  await tell(flags, done);
}

async function tell({ json, check }: RestoreFlags, done: readonly Restored[]): Promise<void> {
  if (json === true) return writeJson({ checked: check === true, tables: done });
  await writeTable(
    ["TABLE", check === true ? "CHECKED AS" : "RESTORED AS", "ROWS", "DIGEST (SAME)"],
    done.map((line) => Object.values(line)),
  );
}

function renaming(text: string): readonly [string, string] {
  const [from, to, ...more] = text.split("=");
  if (from === undefined || to === undefined || to === "" || more.length > 0)
    throw new UsageError(`--as is OLD=NEW, such as users=users2, not ${JSON.stringify(text)}`);
  return [from, to];
}

/** Whoever is served on this machine goes before this process. */
function stepBack(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
  } catch {
    // Where that is not allowed it runs like any other.
  }
}

/** A bar of rows on a terminal while the work goes on. */
async function shown<T>({ json }: CommonOptions, work: (told: (rows: number) => void) => Promise<T>): Promise<T> {
  stepBack();
  const bar: Progress = startProgress(json !== true, undefined);
  let rows = 0;
  try {
    return await work((more) => {
      rows += more;
      bar.update(0, rows);
    });
  } finally {
    bar.end();
  }
}
