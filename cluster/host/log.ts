// Host log. Owns where the log lines of a host go: JSON lines, to stderr or to a file.

import pino from "pino";
import type { Level } from "../../src/kernel/effect.js";
import type { Log } from "../log.js";

export interface LogSpec {
  readonly level: Level;
  /** Absent: stderr. */
  readonly file?: string;
}

export function openLog(spec: LogSpec, common: Readonly<Record<string, string>>): Log {
  const destination =
    spec.file === undefined
      ? pino.destination({ fd: 2, sync: true })
      : pino.destination({ dest: spec.file, mkdir: true, sync: true, append: true });
  const logger = pino({ level: spec.level, base: common, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return (level, event, fields) => logger[level]({ event, ...fields });
}
