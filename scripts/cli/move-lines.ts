// Move lines. Owns how one move reads on a terminal: its share done, amounts, time left, and who wanted it.

import type { MoveInfo } from "../../cluster/client/index.js";
import { UsageError } from "./failure.js";

/** `users/16`: a table and a fragment's number, as `foreshard fragments` shows it. */
export function fragmentArgument(text: string): { readonly table: string; readonly fragment: number } {
  const parts = /^([^/]+)\/(\d+)$/.exec(text);
  const [, table, number] = parts ?? [];
  if (table !== undefined && number !== undefined) return { table, fragment: Number(number) };
  throw new UsageError(
    `${JSON.stringify(text)} names no fragment; write TABLE/NUMBER, such as users/16, with a number from: foreshard fragments`,
  );
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `90s`, `5m`, `1h`, `250ms`. */
export function durationArgument(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unit = units[parts?.[2] ?? ""];
  if (unit === undefined) throw new UsageError(`${JSON.stringify(text)} is no time; write such as 30s, 5m or 1h`);
  return Number(parts?.[1]) * unit;
}

export function moveArgument(text: string): number {
  const move = Number(text);
  if (Number.isSafeInteger(move) && move > 0) return move;
  throw new UsageError(`${JSON.stringify(text)} is no move; write its number, from: foreshard moves`);
}

export const moveHeads = [
  "MOVE",
  "FRAGMENT",
  "FROM",
  "TO",
  "STRATEGY",
  "PHASE",
  "DONE",
  "ROWS",
  "BYTES",
  "LAG",
  "SPEED",
  "LEFT",
  "BY",
  "WHY",
];

export function moveCells(move: MoveInfo): readonly string[] {
  const { progress } = move;
  const share = shareDone(move);
  return [
    String(move.move),
    `${move.table}/${move.fragment}`,
    move.from,
    move.role ? `${move.to} (primary)` : move.to,
    move.strategy,
    move.waitsFor === "" ? move.phase : `${move.phase}: ${move.waitsFor}`,
    share === undefined ? "" : `${Math.floor(share * 100)} %`,
    progress === undefined ? "" : `${progress.rows} of ${progress.totalRows}`,
    progress === undefined ? "" : `${bytesText(progress.bytes)} of ${bytesText(progress.totalBytes)}`,
    progress === undefined ? "" : `${progress.lagLsn}`,
    progress === undefined ? "" : `${bytesText(progress.bytesPerSecond)}/s`,
    timeLeft(move),
    move.by === "" ? move.cause : `${move.by} (${move.cause})`,
    move.why,
  ];
}

export const pastHeads = ["MOVE", "FRAGMENT", "FROM", "TO", "STRATEGY", "ENDED", "OUTCOME", "TOOK", "BY", "WHY", "END"];

export function pastCells(move: MoveInfo): readonly string[] {
  return [
    String(move.move),
    `${move.table}/${move.fragment}`,
    move.from,
    move.role ? `${move.to} (primary)` : move.to,
    move.strategy,
    new Date(move.endedMs ?? 0).toISOString(),
    move.outcome ?? "",
    timeText(Math.max(0, (move.endedMs ?? 0) - move.startedMs)),
    move.by === "" ? move.cause : `${move.by} (${move.cause})`,
    move.why,
    move.end ?? "",
  ];
}

/** Of the copy; undefined while nothing is copied. */
export function shareDone({ progress }: MoveInfo): number | undefined {
  if (progress === undefined) return undefined;
  return progress.totalBytes === 0 ? 1 : Math.min(1, progress.bytes / progress.totalBytes);
}

export function timeLeft({ progress }: MoveInfo): string {
  if (progress === undefined || progress.bytesPerSecond <= 0) return "";
  return timeText((Math.max(0, progress.totalBytes - progress.bytes) / progress.bytesPerSecond) * 1000);
}

export function timeText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MiB` : `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
}
