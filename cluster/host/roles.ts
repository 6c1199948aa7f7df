// Roles. Owns which actors and doors make a node, a router, a control host and a forecaster. Each role loads only its own code.

import type { NatsConnection } from "nats";
import { defaultCopyBounds } from "../../src/fragment/pace.js";
import type { Store } from "../../src/fragment/store.js";
import type { ActorId, ReplyTo } from "../../src/kernel/effect.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { Actor } from "../../src/kernel/machine.js";
import type { Gauges } from "../../src/load/gauges.js";
import { queues, subjects } from "../../src/protocol/subjects.js";
import type { Log } from "../log.js";
import type { Door, Requests } from "../world/requests.js";
import type { HostSpec, Role } from "./spec.js";

export interface RolePorts {
  readonly hash: Hash;
  /** Only a node has one. */
  readonly store: Store | undefined;
  readonly storeId: string;
  readonly bootCount: number;
  readonly gauges: Gauges;
}

/** What a micro service needs of its host. */
export interface ServicePorts {
  readonly nats: NatsConnection;
  readonly requests: Requests;
  readonly log: Log;
}

/** A running micro service: told of every reply before it leaves. */
export interface Service {
  replied(to: ReplyTo, body: unknown): void;
  close(): void;
}

export interface Composition {
  readonly actors: readonly { readonly id: ActorId; readonly actor: Actor }[];
  readonly doors: readonly Door[];
  /** Opens the public service. */
  readonly serve?: (ports: ServicePorts) => Service;
}

export type Compose = (spec: HostSpec, ports: RolePorts) => Promise<Composition>;
export type Roles = { readonly [R in Role]: Compose };

/** One message of a peer: a copy slice, a batch of operations. */
const innerBytes = 1024 * 1024;

export const roles: Roles = {
  node: composeNode,
  router: composeRouter,
  control: composeControl,
  forecaster: composeForecaster,
};

async function composeNode(
  spec: HostSpec,
  { hash, store, storeId, bootCount, gauges }: RolePorts,
): Promise<Composition> {
  if (store === undefined) throw new Error("a node needs a store");
  const { createNode } = await import("../../actors/node.js");
  const {
    id,
    zone,
    weight,
    incarnation,
    partitions,
    logGroups,
    timing,
    sampleIntervalMs = 0,
    clientGroups = {},
    copyBounds = defaultCopyBounds,
    verify,
    ceiling,
  } = spec;
  const own = { id, zone, weight, incarnation, storeId, bootCount };
  const common = { ...own, partitions, logGroups, timing, sampleIntervalMs, clientGroups, copyBounds };
  const config = {
    ...common,
    ...(ceiling === undefined ? {} : { ceiling }),
    ...(verify === undefined ? {} : { verify }),
  };
  return {
    actors: [{ id: "node", actor: createNode(config, { store, hash, gauges }) }],
    doors: [
      { subject: subjects.exec(id), actor: "node", maxBytes: innerBytes },
      { subject: subjects.peer(id), actor: "node", maxBytes: innerBytes },
      { subject: subjects.directs("read", id), actor: "node", maxBytes: innerBytes },
      { subject: subjects.directs("write", id), actor: "node", maxBytes: innerBytes },
    ],
  };
}

async function composeRouter(spec: HostSpec, { hash }: RolePorts): Promise<Composition> {
  const { createRouter } = await import("../../actors/router.js");
  const { openService } = await import("../door/service.js");
  const { id, partitions, timing, version, tableReplicas = 0, clientGroups = {}, userPerSecond } = spec;
  const common = { id, partitions, timing, reach: "core", tableReplicas, clientGroups } as const;
  const config = userPerSecond === undefined ? common : { ...common, userPerSecond };
  return {
    actors: [{ id: "router", actor: createRouter(config, { hash }) }],
    doors: [],
    serve: (ports) => openService({ ...ports, actor: "router", id, version }),
  };
}

async function composeControl(spec: HostSpec, { hash }: RolePorts): Promise<Composition> {
  const { createLeader, leaderActorId } = await import("../../actors/leader.js");
  const { id, incarnation, partitions, logGroups, timing, snapshotEvery, logRetainBytes } = spec;
  const every = Array.from({ length: partitions }, (_, partition) => partition);
  return {
    actors: every.map((partition) => {
      const config = {
        member: id,
        incarnation,
        partition,
        partitions,
        logGroups,
        timing,
        snapshotEvery,
        logRetainBytes,
      };
      return { id: leaderActorId(partition), actor: createLeader(config, { hash }) };
    }),
    doors: every.flatMap((partition): Door[] => [
      { subject: subjects.heartbeat(partition), actor: leaderActorId(partition), maxBytes: innerBytes },
      { subject: subjects.heartbeatTo(partition, id), actor: leaderActorId(partition), maxBytes: innerBytes },
      { subject: subjects.admin(partition), actor: leaderActorId(partition) },
      { subject: subjects.hostDied, actor: leaderActorId(partition), oneWay: true },
      { subject: subjects.forecasts, actor: leaderActorId(partition), oneWay: true, maxBytes: innerBytes },
    ]),
  };
}

async function composeForecaster(spec: HostSpec, { hash }: RolePorts): Promise<Composition> {
  const { createForecaster, forecasterActorId: actor } = await import("../../actors/forecaster.js");
  const { id, incarnation, partitions, timing, sampleIntervalMs = defaultSampleMs } = spec;
  return {
    actors: [
      { id: actor, actor: createForecaster({ id, incarnation, partitions, timing, sampleIntervalMs }, { hash }) },
    ],
    doors: [
      { subject: subjects.forecasterAlive, actor, oneWay: true },
      { subject: subjects.forecasts, actor, oneWay: true, maxBytes: innerBytes },
      { subject: subjects.forecasterAsk, actor, queue: queues.forecasters },
    ],
  };
}

const defaultSampleMs = 10_000;
