// Fill. Owns the quick filling of a range table for a bench: batches of rows that lie in one fragment, several under way.

import type { Table } from "../../cluster/client/index.js";

const stepsPerBatch = 500;
const batchBytes = 256 * 1024;
const writers = 16;
const deadlineMs = 60_000;

export interface Filling<Doc extends object> {
  readonly rows: number;
  readonly fragments: number;
  keyOf(index: number): string;
  docOf(index: number): Doc;
  /** Of a row, roughly. */
  readonly rowBytes: number;
}

/** Where the fragments begin, and the end: they hold equally many rows. */
function startsOf({ rows, fragments }: Filling<object>): readonly number[] {
  return Array.from({ length: fragments + 1 }, (_, at) => Math.round((at * rows) / fragments));
}

export function splitsOf(filling: Filling<object>): [string][] {
  return startsOf(filling)
    .slice(1, -1)
    .map((at) => [filling.keyOf(at)]);
}

export async function fill<Doc extends object>(table: Table<Doc>, filling: Filling<Doc>): Promise<void> {
  const steps = Math.max(1, Math.min(stepsPerBatch, Math.floor(batchBytes / filling.rowBytes)));
  const starts = startsOf(filling);
  const batches = starts.slice(0, -1).flatMap((from, at) => {
    const to = starts[at + 1] ?? filling.rows;
    return Array.from({ length: Math.ceil((to - from) / steps) }, (_, n) => ({
      from: from + n * steps,
      to: Math.min(to, from + (n + 1) * steps),
    }));
  });
  // Batches of different fragments are under way together: one fragment takes one record at a time.
  batches.sort((a, b) => (a.from % (filling.rows / filling.fragments)) - (b.from % (filling.rows / filling.fragments)));
  let next = 0;
  const write = async (): Promise<void> => {
    for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
      const { from, to } = batch;
      const ops = Array.from({ length: to - from }, (_, n) => ({
        op: "put" as const,
        key: filling.keyOf(from + n),
        doc: filling.docOf(from + n),
      }));
      await table.batch(ops, { deadlineMs });
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
}
