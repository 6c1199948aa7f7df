// Peer. Owns what every measured system has to offer: how its servers are started, and how a caller process reaches it.
// The servers run apart from the callers; a caller process is told the address and makes its own connection.

import type { Farewell } from "../../live/farewell.js";
import type { ProcessLine } from "../../live/processes.js";
import type { Operation } from "../ycsb/workloads.js";

/** What a caller process needs to know to reach a system; travels as JSON. */
export type PeerAddress =
  /** `raw`: without the client library, through a router of the cluster. */
  | { readonly kind: "foreshard"; readonly url: string; readonly table: string; readonly raw?: true }
  | { readonly kind: "redis"; readonly port: number }
  | { readonly kind: "jetstream"; readonly url: string }
  | { readonly kind: "echo"; readonly url: string };

export interface RunningPeer {
  readonly address: PeerAddress;
  /** Its server processes as they are now. */
  family(): Promise<readonly ProcessLine[]>;
  stop(): Promise<unknown>;
}

export interface Peer {
  readonly name: string;
  readonly says: string;
  readonly offers: readonly Operation[];
  /** Undefined: it can be started; else what is missing. */
  missing(): Promise<string | undefined>;
  start(farewell: Farewell): Promise<RunningPeer>;
}

/** One connection of a caller process. Values are ASCII text of one length. */
export interface Caller {
  get(key: string): Promise<string | undefined>;
  put(key: string, value: string): Promise<unknown>;
  insert(key: string, value: string): Promise<unknown>;
  /** Rows from `key` on, in order; returns how many came. */
  scan(key: string, rows: number): Promise<number>;
  /** The rows of these keys, which are all there is between the first and the last; returns how many came. */
  rows(keys: readonly string[]): Promise<number>;
  close(): Promise<unknown>;
}

export const everything: readonly Operation[] = ["get", "put", "insert", "scan", "rows", "readModifyWrite"];
