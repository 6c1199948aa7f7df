// Lines. Owns the decoders of what the cluster tells of moves, incidents and profiles; fields that a newer version adds are passed over.

import { z } from "zod";

const count = z.number();

export const moveLine = z.object({
  move: count,
  table: z.string(),
  fragment: count,
  strategy: z.string(),
  from: z.string(),
  to: z.string(),
  role: z.boolean(),
  cause: z.string(),
  by: z.string(),
  why: z.string(),
  phase: z.string(),
  phases: z.array(z.object({ phase: z.string(), atMs: count, note: z.string() })),
  startedMs: count,
  deadlineMs: count,
  waitsFor: z.string(),
  progress: z
    .object({
      rows: count,
      bytes: count,
      totalRows: count,
      totalBytes: count,
      lagLsn: count,
      bytesPerSecond: count,
    })
    .nullish(),
  outcome: z.string().nullish(),
  endedMs: count.nullish(),
  end: z.string().nullish(),
});
export type MoveLine = z.output<typeof moveLine>;

export const incidentLine = z.object({
  atMs: count,
  node: z.string(),
  what: z.string(),
  outcome: z.string(),
  fragments: z.array(count),
  note: z.string(),
});
export type IncidentLine = z.output<typeof incidentLine>;

export const profileLine = z.object({
  name: z.string(),
  group: z.string(),
  schedule: z.string(),
  timeZone: z.string(),
  durationMs: count,
  nextMs: count.nullish(),
});
export type ProfileLine = z.output<typeof profileLine>;
