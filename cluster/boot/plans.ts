// Plans. Owns which hosts a cluster consists of: their names, zones, folders, and what each is told when it starts.

import { join } from "node:path";
import { defaultPace } from "../../actors/node/verify.js";
import { defaultTiming } from "../../src/config/limits.js";
import { defaultCopyBounds } from "../../src/fragment/pace.js";
import type { HostSpec, Role } from "../host/spec.js";
import type { HostPlan } from "../hosts/supervisor.js";
import type { NatsAddress } from "../world/nats-address.js";
import type { DataDir } from "./data-dir.js";
import type { StartOptions } from "./options.js";

const MiB = 1024 * 1024;
const defaultZone = "zone1";
const initials = { node: "n", router: "r", control: "c", forecaster: "f" } as const satisfies Record<Role, string>;
const folders = {
  node: "nodes",
  router: "routers",
  control: "control",
  forecaster: "forecasters",
} as const satisfies Record<Role, string>;

export interface Ground {
  readonly dataDir: DataDir;
  /** Who a host of each role is on NATS. */
  readonly inner: Readonly<Record<Role, NatsAddress>>;
  readonly copies: number;
  readonly version: string;
}

export function plansOf(options: StartOptions, ground: Ground): HostPlan[] {
  const { control, nodes: node, routers: router, forecasters: forecaster } = options;
  const counts = { control, node, router, forecaster } as const;
  const roles: readonly Role[] = ["control", "node", "router", "forecaster"];
  return roles.flatMap((role) =>
    Array.from({ length: counts[role] }, (_, index): HostPlan => {
      const id = `${options.machine === undefined ? "" : `${options.machine}-`}${initials[role]}${index + 1}`;
      const ceiling = role === "node" ? ceilingOf(options, index) : {};
      const zone = options.zones[index % Math.max(1, options.zones.length)] ?? options.machine ?? defaultZone;
      return { id, role, spec: (incarnation) => specOf(options, ground, { role, id, zone, incarnation, ...ceiling }) };
    }),
  );
}

export function folderOf(dataDir: string, role: Role, id: string): string {
  return join(dataDir, folders[role], id);
}

function clientGroupsOf({ users }: StartOptions): Record<string, string> {
  return Object.fromEntries(users.flatMap(({ user, group }) => (group === undefined ? [] : [[user, group]])));
}

/** One ceiling for all nodes, or one for each. */
function ceilingOf({ capacity }: StartOptions, index: number): Pick<HostSpec, "ceiling"> {
  const ceiling = capacity.length === 1 ? capacity[0] : capacity[index];
  return ceiling === undefined ? {} : { ceiling };
}

type Named = Pick<HostSpec, "role" | "id" | "zone" | "incarnation" | "ceiling">;

function specOf(options: StartOptions, { dataDir, inner, copies, version }: Ground, named: Named): HostSpec {
  return {
    ...named,
    version,
    weight: 1,
    nats: inner[named.role],
    dataDir: folderOf(dataDir.path, named.role, named.id),
    partitions: dataDir.facts.controlPartitions,
    logGroups: dataDir.facts.logGroups,
    streamReplicas: copies,
    tableReplicas: options.replicas,
    sampleIntervalMs: options.sampleInterval,
    copyBounds: {
      floorBytesPerS: options.copyFloor * MiB,
      ceilingBytesPerS: options.copyCeiling * MiB,
      chunkBytes: defaultCopyBounds.chunkBytes,
    },
    loadHistoryDays: options.loadHistoryDays,
    verify: { ...defaultPace, bytesPerSecond: options.scrubRate * MiB },
    clientGroups: clientGroupsOf(options),
    ...(options.userRate === 0 ? {} : { userPerSecond: options.userRate }),
    snapshotEvery: 512,
    logRetainBytes: 32 * MiB,
    timing: defaultTiming,
    ...(options.traces === undefined ? {} : { traces: options.traces }),
    leaveLimitMs: 20_000,
    logLevel: options.logLevel,
    logToFile: options.logTo === "files",
  };
}
