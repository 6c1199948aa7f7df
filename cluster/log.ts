// Log. Owns the shape of a structured log line in the world: a level, an event name, plain fields; never secrets or documents.

import type { Level } from "../src/kernel/effect.js";

export type LogFields = Readonly<Record<string, unknown>>;
export type Log = (level: Level, event: string, fields?: LogFields) => void;

/** Says nothing. */
export const silentLog: Log = () => undefined;
