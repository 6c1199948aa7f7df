// Migration. Owns how a data folder of an earlier format becomes one of this: step by step, each from one format to the next.
// MG1 a newer format, or an older one without a way from it, is refused before anything is touched.
// MG2 the format in `foreshard.json` grows after a step's work is done, in one rename: a crash leaves the folder at a whole format, and the next start goes on there.
// MG3 so a step may be done again over what it did before: it must end at the same folder.

import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { writePrivate } from "../engine/credentials.js";

export type FolderContent = Readonly<Record<string, unknown>>;

/** One step: from `from` to `from + 1`. */
export interface Migration {
  readonly from: number;
  /** What it does, for people: "log groups get names". */
  readonly what: string;
  /** Changes the folder `path`, and gives what its `foreshard.json` is to hold, `format` aside. May throw: then the folder stays at `from`. */
  run(path: string, content: FolderContent): Promise<FolderContent>;
}

export interface Journey {
  readonly path: string;
  /** The `foreshard.json` of `path`, and what it holds as JSON. */
  readonly file: string;
  readonly content: unknown;
  /** The format to arrive at. */
  readonly format: number;
  readonly migrations: readonly Migration[];
}

const versioned = z.looseObject({ format: z.int() });

/** What the file holds at the format wished for. DATA_DIR when there is no way there. What names no format is given back as it is, for its reader to judge. */
export async function migrate({ path, file, content, format, migrations }: Journey): Promise<Result<unknown>> {
  const found = versioned.safeParse(content);
  if (!found.success || found.data.format === format) return ok(content);
  const steps = wayFrom(found.data.format, format, migrations);
  if (steps === undefined) return otherFormat(path, found.data.format, format);
  let held: FolderContent = found.data;
  for (const step of steps) {
    try {
      held = { ...(await step.run(path, held)), format: step.from + 1 };
      await writePrivate(file, `${JSON.stringify(held, null, 2)}\n`);
    } catch (error) {
      return notDone(path, step, error);
    }
  }
  return ok(held);
}

/** Undefined: none, or not all of them are known. */
function wayFrom(from: number, to: number, migrations: readonly Migration[]): readonly Migration[] | undefined {
  if (from > to) return undefined;
  const steps: Migration[] = [];
  for (let at = from; at < to; at++) {
    const step = migrations.find((known) => known.from === at);
    if (step === undefined) return undefined;
    steps.push(step);
  }
  return steps;
}

function otherFormat(path: string, format: number, reads: number): Result<never> {
  const advice = format > reads ? "use the newer foreshard that made it" : "use the older foreshard that made it";
  return fail(
    "DATA_DIR",
    `the data folder ${path} has format ${format}, this version reads format ${reads}: ${advice}, or name another folder with --data-dir`,
    { format },
  );
}

function notDone(path: string, { from, what }: Migration, error: unknown): Result<never> {
  const why = error instanceof Error ? error.message : String(error);
  return fail(
    "DATA_DIR",
    `the data folder ${path} stays at format ${from}, the step to ${from + 1} (${what}) failed: ${why}; mend that and start again`,
    { format: from },
  );
}
