// Tables. Owns the tables that trials load: few rows that everybody writes, in both kinds of partitioning, and one of receipts.

import { z } from "zod";
import type { WorkloadTable } from "../../src/verify/workload.js";
import type { Door } from "./door.js";
import { receiptKey } from "./receipts.js";

export const workTables: readonly WorkloadTable[] = [
  { name: "events", partitioning: "hash", partitions: 16, sorts: 4 },
  { name: "ordered", partitioning: "range", partitions: 16, sorts: 4 },
  { name: "plain", partitioning: "hash", partitions: 48, sorts: 0 },
];
export const receiptTable = "receipts";

const created = z.object({ table: z.string() });
/** Long enough that a try is never repeated while the first is still being carried out. */
const deadlineMs = 30_000;

/** About `fragments` fragments in each table. */
export async function createTables(door: Door, fragments: number): Promise<void> {
  for (const table of workTables) await door.cluster("createTable", wishOf(table, fragments), created, 60_000);
  const receipts = { name: receiptTable, partitioning: "hash", key: receiptKey, fragments, deadlineMs };
  await door.cluster("createTable", receipts, created, 60_000);
}

function wishOf({ name, partitioning, partitions, sorts }: WorkloadTable, fragments: number): object {
  const partition = partitioning === "hash" ? "string" : "number";
  const key = sorts === 0 ? { partition } : { partition, sort: "number" };
  if (partitioning === "hash") return { name, partitioning, key, fragments, deadlineMs };
  const step = partitions / fragments;
  const splitAt = Array.from({ length: fragments - 1 }, (_, at) => [Math.round((at + 1) * step)]);
  return { name, partitioning, key, splitAt, deadlineMs };
}
