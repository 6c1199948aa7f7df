// Farewell. Owns what a trial has to undo at its end, however it ends: processes, folders, connections. Last opened, first closed.
// F1 each is undone once. F2 Ctrl-C and SIGTERM undo everything, then the trial ends with the signal's exit code; so does a reader that goes away (`| head`).

export type Undo = () => Promise<unknown> | unknown;

export interface Farewell {
  /** Returns how to undo it now, ahead of the end. */
  later(undo: Undo): Undo;
  all(): Promise<void>;
}

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGPIPE: 141 } as const;

export function createFarewell(): Farewell {
  let undos: Undo[] = [];
  let ending: Promise<void> | undefined;

  async function undoAll(): Promise<void> {
    for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) await attempt(undo);
  }
  return {
    later(undo) {
      undos.push(undo);
      return async () => {
        if (!undos.includes(undo)) return;
        undos = undos.filter((other) => other !== undo);
        await undo();
      };
    },
    all() {
      ending ??= undoAll();
      return ending;
    },
  };
}

/** Runs a trial to its end, undoes everything, and gives the process its exit code. */
export async function runTrial(trial: (farewell: Farewell) => Promise<boolean>): Promise<void> {
  const farewell = createFarewell();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      process.stderr.write(`\n${name}: cleaning up\n`);
      void farewell.all().then(() => process.exit(exitCodes[name]));
    });
  }
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", () => void farewell.all().then(() => process.exit(exitCodes.SIGPIPE)));
  let passed = false;
  try {
    passed = await trial(farewell);
  } catch (error) {
    process.stderr.write(
      `the trial could not be carried out: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  } finally {
    await farewell.all();
  }
  process.exit(passed ? 0 : 1);
}

async function attempt(undo: Undo): Promise<void> {
  try {
    await undo();
  } catch (error) {
    process.stderr.write(`clean-up: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
