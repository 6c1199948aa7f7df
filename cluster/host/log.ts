// Host log. Owns where the log lines of a host go: JSON lines, to stderr or to a file.
// H1 a line that cannot be written (a full disk) ends nobody: it waits, and beyond `waitingBytes` lines are dropped.

import pino from "pino";
import type { Level } from "../../src/kernel/effect.js";
import type { Log } from "../log.js";

export interface LogSpec {
  readonly level: Level;
  /** Absent: stderr. */
  readonly file?: string;
}

const waitingBytes = 1024 * 1024;

export function openLog(spec: LogSpec, common: Readonly<Record<string, string>>): Log {
  const destination =
    spec.file === undefined
      ? pino.destination({ fd: 2, sync: true, maxLength: waitingBytes })
      : pino.destination({ dest: spec.file, mkdir: true, sync: true, append: true, maxLength: waitingBytes });
  destination.on("error", () => undefined);
  const logger = pino({ level: spec.level, base: common, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return (level, event, fields) => logger[level]({ event, ...fields });
}
