// Host spec. Owns what a host is told when it starts: plain data, so that it crosses threads and processes as it is.

import type { VerifyPace } from "../../actors/node/state.js";
import type { Timing } from "../../src/config/limits.js";
import type { CopyBounds } from "../../src/fragment/pace.js";
import type { Level } from "../../src/kernel/effect.js";
import type { ClientGroups } from "../../src/load/group.js";
import type { Ceiling } from "../../src/load/power.js";
import type { NatsAddress } from "../world/nats-address.js";

export type Role = "node" | "router" | "control" | "forecaster";

export interface HostSpec {
  readonly role: Role;
  /** Of the package, as `1.2.3`: the micro service shows it. */
  readonly version: string;
  /** Unique among the hosts of the cluster; a checked name. */
  readonly id: string;
  /** Drawn anew at each start of the host. */
  readonly incarnation: string;
  readonly zone: string;
  /** Share of the ring, 1 = normal. */
  readonly weight: number;
  readonly nats: NatsAddress;
  /** This host's own folder: its store and its log file. */
  readonly dataDir: string;
  readonly partitions: number;
  readonly logGroups: number;
  /** Copies of a stream that has to be made again. */
  readonly streamReplicas: number;
  /** Copies of a new table's fragments where whoever makes it does not say; 0: as many as fit, at most 3. */
  readonly tableReplicas?: number;
  readonly maxLogBytes?: number;
  /** Time between two load samples of a node; absent: none are taken. */
  readonly sampleIntervalMs?: number;
  /** How long load samples are kept. */
  readonly loadHistoryDays?: number;
  /** Between which bounds copies of fragments to a node go; absent: the defaults. */
  readonly copyBounds?: CopyBounds;
  /** How fast copies are compared all the time; absent: the default. */
  readonly verify?: VerifyPace;
  /** How much a node may be asked of; absent: as much as it can bear. */
  readonly ceiling?: Ceiling;
  /** Requests per second that one user may ask of a router; absent: no limit. */
  readonly userPerSecond?: number;
  /** Client group by user; a user that is not here is a group of its own. */
  readonly clientGroups?: ClientGroups;
  /** Ledger entries between two snapshots. */
  readonly snapshotEvery: number;
  /** Bytes of each log stream that are kept although every replica has them. */
  readonly logRetainBytes: number;
  readonly timing: Timing;
  /** Where traces are sent by OTLP over HTTP; absent: nowhere. */
  readonly traces?: string;
  /** How long a stop that leaves the cluster in order may take. */
  readonly leaveLimitMs: number;
  readonly logLevel: Level;
  /** Log to a file of the folder, not to stderr. */
  readonly logToFile: boolean;
}
