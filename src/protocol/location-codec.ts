// Location codec. Owns the compact form of a cluster view that client libraries keep as their location cache: nested arrays, in pages.
// What is not needed to find a replica (logs, incidents, terms) stays behind.

import { type Bytes, emptyBytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import { emptyView } from "../ledger/fold.js";
import type { Base, Taken } from "../ledger/reshape.js";
import type { ClusterView, FragmentView, NodeView, ReplicaView } from "../ledger/view.js";
import type { KeySchema, KeyType, TableDef } from "../table/table.js";
import { isName } from "./subjects.js";

/** Fragments in one page: far below what one message holds. */
export const locationPageFragments = 1500;

/** One page of the locations of one control partition. */
export interface LocationPage {
  readonly partition: number;
  readonly partitions: number;
  readonly seq: number;
  readonly nodes: readonly NodeView[];
  readonly tables: readonly TableDef[];
  readonly fragments: readonly FragmentView[];
  /** What watchers of fragments that are no more have to know. */
  readonly taken: readonly Taken[];
  /** Fragments to skip to get the next page; 0 when this was the last. */
  readonly next: number;
}

export function encodeLocations(view: ClusterView, skip: number): unknown {
  const all: FragmentView[] = [];
  for (const ids of view.order.values()) {
    for (const id of ids) {
      const fragment = view.fragments.get(id);
      if (fragment !== undefined) all.push(fragment);
    }
  }
  const page = all.slice(skip, skip + locationPageFragments);
  const next = skip + page.length < all.length ? skip + page.length : 0;
  return [
    view.partition,
    view.partitions,
    view.seq,
    [...view.nodes.values()].map((node) => [node.id, node.zone, node.weight, node.state === "up", node.draining]),
    [...view.tables.values()].map((table) => [
      table.id,
      table.name,
      table.partitioning,
      table.key.partition,
      table.key.sort ?? null,
      table.replicas,
    ]),
    page.map((fragment) => [
      fragment.id,
      fragment.table,
      fragment.from,
      fragment.to ?? null,
      fragment.group,
      fragment.epoch,
      fragment.primary,
      fragment.activatedEpoch,
      fragment.replicas.map((replica) => [replica.node, replica.state === "ready"]),
      fragment.base === undefined ? null : [fragment.base.parent, fragment.base.lsn],
    ]),
    next,
    view.taken.map(({ right, left, lsn, rightLsn, changedLsn }) => [right, left, lsn, rightLsn, changedLsn]),
  ];
}

export function decodeLocations(body: unknown): Result<LocationPage> {
  if (!Array.isArray(body)) return notLocations;
  const [partition, partitions, seq, nodes, tables, fragments, next, taken = []]: readonly unknown[] = body;
  if (!isCount(partition) || !isCount(partitions) || !isCount(seq) || !isCount(next)) return notLocations;
  const nodeList = listOf(nodes, nodeFrom);
  const tableList = listOf(tables, tableFrom);
  const fragmentList = listOf(fragments, fragmentFrom);
  const takenList = listOf(taken, takenFrom);
  if (nodeList === undefined || tableList === undefined || fragmentList === undefined || takenList === undefined)
    return notLocations;
  const lists = { nodes: nodeList, tables: tableList, fragments: fragmentList, taken: takenList };
  return ok({ partition, partitions, seq, ...lists, next });
}

/** A view with what pages of one and the same sequence hold; everything else is empty. */
export function viewOfPages(pages: readonly LocationPage[]): ClusterView {
  const first = pages[0];
  const view = emptyView(first?.partition ?? 0);
  view.seq = first?.seq ?? 0;
  view.partitions = first?.partitions ?? 0;
  for (const node of first?.nodes ?? []) view.nodes.set(node.id, node);
  for (const table of first?.tables ?? []) {
    view.tables.set(table.id, table);
    view.tableIds.set(table.name, table.id);
    view.order.set(table.id, []);
  }
  view.taken.push(...(first?.taken ?? []));
  for (const fragment of pages.flatMap((page) => page.fragments)) {
    view.fragments.set(fragment.id, fragment);
    view.order.get(fragment.table)?.push(fragment.id);
  }
  return view;
}

const notLocations = fail("UNDECODABLE", "these are no locations: another version answered");
const keyTypes: readonly string[] = ["string", "number", "date", "bytes", "tuple", "any"] satisfies KeyType[];

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isBytes(value: unknown): value is Bytes {
  return value instanceof Uint8Array;
}

function isKeyType(value: unknown): value is KeyType {
  return typeof value === "string" && keyTypes.includes(value);
}

function listOf<T>(value: unknown, decode: (item: readonly unknown[]) => T | undefined): T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const list: T[] = [];
  for (const item of value) {
    const decoded = Array.isArray(item) ? decode(item) : undefined;
    if (decoded === undefined) return undefined;
    list.push(decoded);
  }
  return list;
}

function nodeFrom([id, zone, weight, up, draining]: readonly unknown[]): NodeView | undefined {
  if (!isName(id) || typeof zone !== "string" || typeof weight !== "number") return undefined;
  return {
    id,
    zone,
    weight,
    storeId: "",
    bootCount: 0,
    incarnation: "",
    state: up === true ? "up" : "down",
    draining: draining === true,
    drainedBy: "",
    downSinceMs: 0,
  };
}

function tableFrom([id, name, partitioning, partition, sort, replicas]: readonly unknown[]): TableDef | undefined {
  if (!isCount(id) || !isName(name) || !isCount(replicas) || !isKeyType(partition)) return undefined;
  if (partitioning !== "hash" && partitioning !== "range") return undefined;
  const key: KeySchema = isKeyType(sort) ? { partition, sort } : { partition };
  return { id, name, partitioning, key, replicas };
}

function fragmentFrom(item: readonly unknown[]): FragmentView | undefined {
  const [id, table, from, to, group, epoch, primary, activatedEpoch, replicas, base] = item;
  if (!isCount(id) || !isCount(table) || !isCount(group) || !isCount(epoch) || !isCount(activatedEpoch))
    return undefined;
  if (!isBytes(from) || !isName(primary)) return undefined;
  const copies = listOf(replicas, replicaFrom);
  if (copies === undefined) return undefined;
  return {
    id,
    table,
    from: from.length === 0 ? emptyBytes : from,
    to: isBytes(to) ? to : undefined,
    group,
    epoch,
    primary,
    activatedEpoch,
    activatedLsn: 0,
    replicas: copies,
    replicasWanted: 0,
    replicasSpare: 0,
    base: baseFrom(base),
    reshaped: false,
  };
}

/** Without the hash: only replicas need it. */
function baseFrom(value: unknown): Base | undefined {
  if (!Array.isArray(value)) return undefined;
  const [parent, lsn] = value as readonly unknown[];
  return isCount(parent) && isCount(lsn) ? { parent, lsn, hash: emptyBytes } : undefined;
}

function takenFrom([right, left, lsn, rightLsn, changedLsn]: readonly unknown[]): Taken | undefined {
  if (!isCount(right) || !isCount(left) || !isCount(lsn) || !isCount(rightLsn) || !isCount(changedLsn))
    return undefined;
  return { right, left, group: 0, lsn, rightLsn, changedLsn };
}

function replicaFrom([node, ready]: readonly unknown[]): ReplicaView | undefined {
  return isName(node) ? { node, state: ready === true ? "ready" : "joining" } : undefined;
}
