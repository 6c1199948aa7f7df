// Cast. Owns who plays in a simulated world: how each kind of host makes its actors. The real cast is in `actors.ts`; tests of the world bring toys.

import type { Timing } from "../../src/config/limits.js";
import type { CopyBounds } from "../../src/fragment/pace.js";
import type { Store } from "../../src/fragment/store.js";
import type { Actor } from "../../src/kernel/machine.js";
import type { Jobs, StoreJobs } from "./compute.js";

export interface Shape {
  readonly nodes: number;
  readonly routers: number;
  readonly control: number;
  readonly partitions: number;
  readonly logGroups: number;
  readonly timing: Timing;
  /** Small, so that a copy takes many chunks and is often interrupted. */
  readonly copyBounds: CopyBounds;
  readonly snapshotEvery: number;
  readonly logRetainBytes: number;
  /** Small, so that the trimmer works in short runs. */
  readonly logTailKept: number;
  /** Small, so that bursts of a test are too much. */
  readonly routerRequests: number;
  /** The ceiling of each node, queries per second; undefined: none. */
  readonly ceilingQps: number | undefined;
}

export interface NodeRole {
  readonly id: string;
  readonly zone: string;
  readonly incarnation: string;
  readonly storeId: string;
  readonly bootCount: number;
  readonly store: Store;
}

export interface LeaderRole {
  readonly member: string;
  readonly partition: number;
  readonly incarnation: string;
}

export interface Cast {
  node(role: NodeRole, shape: Shape): Actor;
  router(id: string, shape: Shape): Actor;
  leader(role: LeaderRole, shape: Shape): Actor;
  readonly jobs: Jobs;
  readonly storeJobs?: StoreJobs;
}
