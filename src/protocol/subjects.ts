// Subjects. Owns the spelling of every subject, stream and queue group; nothing else spells one.
// Tokens come only from checked names and numbers, never from user text (FACTS S8): `token` is the one gate.

import { limits } from "../config/limits.js";

export type NodeId = string;
export type MemberId = string;
/** `n * controlPartitions + partition`: see `partitionOfFragment`. */
export type FragmentId = number;

const namePattern = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** True for a table, node, member or zone name: a letter, then letters, digits, `_` and `-`, at most 64. */
export function isName(text: unknown): text is string {
  return typeof text === "string" && text.length <= limits.nameLength && namePattern.test(text);
}

function token(name: string): string {
  if (!isName(name)) throw new Error("a subject token must be a checked name");
  return name;
}

function index(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) throw new Error("a subject index must be a whole number");
  return String(value);
}

export const streams = {
  ledger: (partition: number) => `FORESHARD_LEDGER_${index(partition)}`,
  snapshot: (partition: number) => `FORESHARD_SNAPSHOT_${index(partition)}`,
  lease: "FORESHARD_LEASE",
  log: (group: number) => `FORESHARD_LOG_${index(group)}`,
  load: "FORESHARD_LOAD",
  audit: "FORESHARD_AUDIT",
} as const;

export const subjects = {
  ledger: (partition: number) => `foreshard.ledger.${index(partition)}`,
  snapshot: (partition: number) => `foreshard.snapshot.${index(partition)}`,
  lease: (partition: number) => `foreshard.lease.${index(partition)}`,
  leases: "foreshard.lease.*",
  log: (group: number, fragment: FragmentId) => `foreshard.log.${index(group)}.${index(fragment)}`,
  logs: (group: number) => `foreshard.log.${index(group)}.*`,
  /** Node → load stream: what was asked of it in one interval. */
  load: (node: NodeId) => `foreshard.load.${token(node)}`,
  loads: "foreshard.load.*",
  /** Forecasters among themselves: signs of life. */
  forecasterAlive: "foreshard.forecaster.alive",
  /** Forecasters → whoever listens: forecasts after each slot. */
  forecasts: "foreshard.forecaster.said",
  /** Routers → any forecaster: what is forecast. */
  forecasterAsk: "foreshard.forecaster.ask",
  /** Node → whoever leads a partition, while it does not know who does. Every candidate hears it, only the leader answers. */
  heartbeat: (partition: number) => `foreshard.control.${index(partition)}.heartbeat`,
  /** Node → the leader that answered it last: standbys need not hear it. */
  heartbeatTo: (partition: number, member: MemberId) =>
    `foreshard.control.${index(partition)}.heartbeat.${token(member)}`,
  /** All of both kinds, for who only listens. */
  heartbeats: "foreshard.control.*.heartbeat",
  heartbeatsTo: "foreshard.control.*.heartbeat.*",
  /** Routers and operators → leader of a partition: administration. Only the leader answers. */
  admin: (partition: number) => `foreshard.control.${index(partition)}.admin`,
  /** Routers → supervisor: users and processes. */
  keeperAsk: "foreshard.keeper.ask",
  /** Routers and supervisor → audit stream: who asked for a change of the cluster, and what was decided. */
  audit: "foreshard.audit",
  /** Supervisor → leaders of all partitions: a host process is certainly gone. */
  hostDied: "foreshard.control.hostDied",
  /** Leaders → whoever listens: a move began, took a step, ended. */
  moveEvents: "foreshard.event.move",
  /** Router → node: a batch of operations. */
  exec: (node: NodeId) => `foreshard.node.${token(node)}.exec`,
  /** Node → node: positions, copies. */
  peer: (node: NodeId) => `foreshard.node.${token(node)}.peer`,
  /** The public service: `foreshard.query.<table>.<op>`. */
  query: (table: string, op: string) => `foreshard.query.${token(table)}.${token(op)}`,
  queries: "foreshard.query.*.*",
  /** The public service of administration: `foreshard.query._cluster.<op>`. */
  cluster: (op: string) => `foreshard.query._cluster.${token(op)}`,
  everyCluster: "foreshard.query._cluster.*",
  /** Client library → node, one hop: `foreshard.query.<table>.<read|write>.<node>`. */
  direct: (table: string, access: "read" | "write", node: NodeId) =>
    `foreshard.query.${token(table)}.${access}.${token(node)}`,
  directs: (access: "read" | "write", node: NodeId) => `foreshard.query.*.${access}.${token(node)}`,
  everyQuery: "foreshard.query.>",
} as const;

export const queues = { routers: "foreshard-routers", forecasters: "foreshard-forecasters" } as const;

/** Tables belong wholly to one control partition, decided by name (`hash` is XXH32 of the name). */
export function partitionOfTable(nameHash: number, partitions: number): number {
  return nameHash % partitions;
}

export function partitionOfFragment(fragment: FragmentId): number {
  return fragment % limits.controlPartitions;
}

export function fragmentOfSubject(subject: string): FragmentId {
  return Number(subject.slice(subject.lastIndexOf(".") + 1));
}
