// Workloads. Owns the mixes of operations that are measured: YCSB A to F (Cooper et al., SoCC 2010, table 2) and gets and puts alone.

import type { Distribution } from "./keys.js";

export type Operation = "get" | "put" | "insert" | "scan" | "rows" | "readModifyWrite";

export interface Workload {
  readonly name: string;
  readonly says: string;
  /** Shares of the operations; they sum to 1. */
  readonly mix: Readonly<Partial<Record<Operation, number>>>;
  readonly distribution: Distribution;
}

export const scanRows = 100;
/** Rows of one `rows` operation. */
export const wideRows = 1000;

export const workloads: readonly Workload[] = [
  { name: "get", says: "gets, uniform", mix: { get: 1 }, distribution: "uniform" },
  { name: "put", says: "puts, uniform", mix: { put: 1 }, distribution: "uniform" },
  { name: "getz", says: "gets, zipfian", mix: { get: 1 }, distribution: "zipfian" },
  { name: "putz", says: "puts, zipfian", mix: { put: 1 }, distribution: "zipfian" },
  { name: "A", says: "YCSB A: half gets, half puts", mix: { get: 0.5, put: 0.5 }, distribution: "zipfian" },
  { name: "B", says: "YCSB B: 95 % gets, 5 % puts", mix: { get: 0.95, put: 0.05 }, distribution: "zipfian" },
  { name: "C", says: "YCSB C: gets", mix: { get: 1 }, distribution: "zipfian" },
  {
    name: "D",
    says: "YCSB D: 95 % gets of the latest, 5 % inserts",
    mix: { get: 0.95, insert: 0.05 },
    distribution: "latest",
  },
  {
    name: "E",
    says: `YCSB E: 95 % scans of ${scanRows} rows, 5 % inserts`,
    mix: { scan: 0.95, insert: 0.05 },
    distribution: "zipfian",
  },
  {
    name: "F",
    says: "YCSB F: half gets, half read-modify-writes",
    mix: { get: 0.5, readModifyWrite: 0.5 },
    distribution: "zipfian",
  },
  {
    name: "rows",
    says: `${wideRows} rows in key order: one scan here, a pipeline of gets on Redis`,
    mix: { rows: 1 },
    distribution: "uniform",
  },
];
