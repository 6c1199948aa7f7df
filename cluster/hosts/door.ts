// Door. Owns the contract through which the supervisor reaches one host, wherever it runs.

import type { Result } from "../../src/kernel/fault.js";

/** What a host is given and gives, as plain data. */
export type HostSpecData = object;
export type HostStats = Readonly<Record<string, unknown>>;

/** What a module that runs hosts exports. */
export interface HostModule {
  startHost(spec: HostSpecData): Promise<Result<RunningHost>>;
}

export interface RunningHost {
  /** Ends it in order. `leaving`: first have its primaries moved away. */
  stop(leaving: boolean): Promise<void>;
  /** Ends it without order: nothing is said, nothing that waits is written. */
  crash(): Promise<void>;
  stats(): HostStats;
  /** Settles when the host failed and has closed everything, with the reason; whoever runs it starts it anew. */
  readonly failed: Promise<string>;
}

/** The same as seen from outside; calls never hang. */
export interface HostDoor {
  /** Of the process it runs in. */
  readonly pid: number;
  /** Settles when the thread or process is gone, with the reason. */
  readonly ended: Promise<string>;
  start(spec: HostSpecData, limitMs: number): Promise<Result<void>>;
  stats(limitMs: number): Promise<Result<HostStats>>;
  /** In order, then by force when `limitMs` pass; resolves when it is gone. */
  stop(leaving: boolean, limitMs: number): Promise<void>;
  /** At once and without order, as a crash would. */
  kill(): void;
}

/** Opens a door to a fresh thread or process that runs the hosts of `moduleUrl`. */
export type OpenDoor = (name: string, moduleUrl: string) => HostDoor;
