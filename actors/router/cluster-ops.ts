// Cluster operations. Owns `foreshard.query._cluster.<op>`: what a router tells from its view, and what it passes on to the leader.
// An edge router has no view of its own worth telling: it passes everything on.

import { limits } from "../../src/config/limits.js";
import { toHex } from "../../src/kernel/bytes.js";
import type { Effects } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Incident } from "../../src/ledger/event.js";
import type { ClusterView, FragmentView, NodeView } from "../../src/ledger/view.js";
import { type KeeperOp, keeperOps } from "../../src/protocol/keeper.js";
import { encodeLocations } from "../../src/protocol/location-codec.js";
import { keyOfPosition } from "../../src/table/key.js";
import type { KeyValue, RowKey, TableDef } from "../../src/table/table.js";
import type { Admin } from "./admin.js";
import type { Inquiry } from "./desk.js";
import type { Kit } from "./kit.js";
import { profileLines } from "./profile-lines.js";
import { unknownTable } from "./refusals.js";

export type Fields = Readonly<Record<string, unknown>>;
type ClusterOp = (kit: Kit, admin: Admin, inquiry: Inquiry, body: Fields, context: Context) => Effects;

export const clusterOps: Readonly<Record<string, ClusterOp>> = {
  ping: (kit, _admin, inquiry) => kit.desk.answer(inquiry, { pong: true, router: kit.config.id }),
  tables: (kit, _admin, inquiry) =>
    kit.desk.answer(inquiry, {
      tables: kit.locations
        .views()
        .flatMap(tablesOf)
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    }),
  table: onTable,
  nodes: (kit, _admin, inquiry) => kit.desk.answer(inquiry, nodesOf(kit.locations.views())),
  fragments: onFragments,
  ring: (kit, _admin, inquiry) => kit.desk.answer(inquiry, { ring: ringOf(kit.locations.views()) }),
  view: onView,
  incidents: (kit, _admin, inquiry) => kit.desk.answer(inquiry, { incidents: incidentsOf(kit.locations.views()) }),
  createTable: (_kit, admin, inquiry, body, context) => admin.createTable(inquiry, body, context),
  dropTable: (_kit, admin, inquiry, body, context) => admin.dropTable(inquiry, body, context),
  drain: (_kit, admin, inquiry, body, context) => admin.drainNode(inquiry, body, true, context),
  undrain: (_kit, admin, inquiry, body, context) => admin.drainNode(inquiry, body, false, context),
  removeNode: (_kit, admin, inquiry, body, context) => admin.removeNode(inquiry, body, context),
  move: (_kit, admin, inquiry, body, context) => admin.move(inquiry, body, context),
  cancelMove: (_kit, admin, inquiry, body, context) => admin.endMove(inquiry, body, true, context),
  rollbackMove: (_kit, admin, inquiry, body, context) => admin.endMove(inquiry, body, false, context),
  hot: (_kit, admin, inquiry, body) => admin.hot(inquiry, body),
  split: (_kit, admin, inquiry, body, context) => admin.split(inquiry, body, context),
  merge: (_kit, admin, inquiry, body, context) => admin.merge(inquiry, body, context),
  moves: (_kit, admin, inquiry, body, context) => admin.moves(inquiry, body, context),
  verify: (_kit, admin, inquiry, body, context) => admin.verify(inquiry, body, context),
  plan: (_kit, admin, inquiry, _body, context) => admin.plan(inquiry, context),
  setPolicy: (_kit, admin, inquiry, body, context) => admin.setPolicy(inquiry, body, context),
  replicas: (_kit, admin, inquiry, body, context) => admin.setReplicas(inquiry, body, context),
  profiles: (kit, _admin, inquiry, _body, { wallMs }) =>
    kit.desk.answer(inquiry, { profiles: profileLines(kit.locations.views(), wallMs) }),
  putProfile: (_kit, admin, inquiry, body, context) => admin.putProfile(inquiry, body, context),
  removeProfile: (_kit, admin, inquiry, body, context) => admin.removeProfile(inquiry, body, context),
  // Asked of others by the intake, which knows how to pass on.
  forecast: passedOn,
  ...Object.fromEntries(keeperOps.map((op) => [op, passedOn])),
};

function passedOn(kit: Kit, _admin: Admin, inquiry: Inquiry): Effects {
  return kit.desk.refuse(inquiry, fault("INTERNAL", "this is passed on"));
}

export function isKeeperOp(op: string): op is KeeperOp {
  return keeperOps.some((known) => known === op);
}

export const clusterOpNames: readonly string[] = Object.keys(clusterOps);

const fragmentsPerPage = 2000;

function tablesOf(view: ClusterView): TableLine[] {
  return [...view.tables.values()].map((table) => tableLine(view, table));
}

interface TableLine {
  readonly name: string;
  readonly partitioning: string;
  readonly key: { readonly partition: string; readonly sort?: string };
  readonly replicas: number;
  readonly fragments: number;
  readonly serving: number;
}

function tableLine(view: ClusterView, table: TableDef): TableLine {
  const fragments = fragmentsOf(view, table.id);
  return {
    name: table.name,
    partitioning: table.partitioning,
    key: table.key,
    replicas: table.replicas,
    fragments: fragments.length,
    serving: fragments.filter((fragment) => fragment.activatedEpoch === fragment.epoch).length,
  };
}

function fragmentsOf(view: ClusterView, table: number): FragmentView[] {
  return (view.order.get(table) ?? []).flatMap((id) => view.fragments.get(id) ?? []);
}

function onTable(kit: Kit, _admin: Admin, inquiry: Inquiry, body: Fields): Effects {
  const name = body.name;
  if (typeof name !== "string")
    return kit.desk.refuse(inquiry, fault("BAD_REQUEST", "give the table's name as {name}"));
  const located = kit.locations.table(name);
  const view = kit.locations.views().find(({ partition }) => partition === located?.partition);
  if (located === undefined || view === undefined) return kit.desk.refuse(inquiry, unknownTable(name));
  const fragments = fragmentsOf(view, located.def.id).slice(0, fragmentsPerPage);
  return kit.desk.answer(inquiry, {
    table: { ...tableLine(view, located.def), partition: view.partition },
    fragments: fragments.map((fragment) => fragmentLine(located.def, fragment)),
  });
}

interface FragmentLine {
  readonly id: number;
  readonly table: string;
  readonly from: KeyValue | RowKey | string | null;
  readonly to: KeyValue | RowKey | string | null;
  readonly epoch: number;
  readonly primary: string;
  readonly serving: boolean;
  readonly replicas: readonly { readonly node: string; readonly state: string }[];
}

function fragmentLine(table: TableDef, fragment: FragmentView): FragmentLine {
  return {
    id: fragment.id,
    table: table.name,
    from: fragment.from.length === 0 ? null : boundText(table, fragment.from),
    to: fragment.to === undefined ? null : boundText(table, fragment.to),
    epoch: fragment.epoch,
    primary: fragment.primary,
    serving: fragment.activatedEpoch === fragment.epoch,
    replicas: fragment.replicas.map(({ node, state }) => ({ node, state })),
  };
}

/** A bound as a person reads it: the key where one lies there, else the bytes in hexadecimal (a hash). */
export function boundText(table: TableDef, position: Uint8Array): KeyValue | RowKey | string {
  const key =
    table.partitioning === "range" ? keyOfPosition({ ...table, key: { partition: "any" } }, position) : undefined;
  return key?.ok === true && key.value.length === 1 ? key.value[0] : `0x${toHex(position)}`;
}

function onFragments(kit: Kit, _admin: Admin, inquiry: Inquiry, body: Fields): Effects {
  const name = body.table;
  const skip = body.skip;
  if (name !== undefined && (typeof name !== "string" || kit.locations.table(name) === undefined))
    return kit.desk.refuse(inquiry, unknownTable(String(name)));
  const all = kit.locations
    .views()
    .flatMap((view) =>
      [...view.tables.values()]
        .filter((table) => name === undefined || table.name === name)
        .flatMap((table) => fragmentsOf(view, table.id).map((fragment) => ({ table, fragment }))),
    );
  const from = typeof skip === "number" && Number.isSafeInteger(skip) && skip > 0 ? skip : 0;
  const page = all.slice(from, from + fragmentsPerPage);
  return kit.desk.answer(inquiry, {
    fragments: page.map(({ table, fragment }) => fragmentLine(table, fragment)),
    next: from + page.length < all.length ? from + page.length : null,
  });
}

interface NodeLine {
  readonly id: string;
  readonly zone: string;
  readonly weight: number;
  readonly state: string;
  /** The process that answers now, or answered last. */
  readonly incarnation: string;
  readonly draining: boolean;
  primaries: number;
  replicas: number;
}

/** Nodes with what they hold over all partitions. */
function nodeLines(views: readonly ClusterView[]): NodeLine[] {
  const lines = new Map<string, NodeLine>();
  for (const view of views)
    for (const node of view.nodes.values()) if (!lines.has(node.id)) lines.set(node.id, emptyLine(node));
  for (const view of views) {
    for (const fragment of view.fragments.values()) {
      const primary = lines.get(fragment.primary);
      if (primary !== undefined) primary.primaries++;
      for (const replica of fragment.replicas) {
        const line = lines.get(replica.node);
        if (line !== undefined) line.replicas++;
      }
    }
  }
  return [...lines.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function emptyLine({ id, zone, weight, state, incarnation, draining }: NodeView): NodeLine {
  return { id, zone, weight, state, incarnation, draining, primaries: 0, replicas: 0 };
}

function nodesOf(views: readonly ClusterView[]): object {
  return {
    nodes: nodeLines(views),
    partitions: views.map(({ partition, term, leader, seq }) => ({ partition, term, leader, seq })),
  };
}

function ringOf(views: readonly ClusterView[]): object[] {
  const lines = nodeLines(views);
  const weights = lines.reduce((sum, line) => sum + (line.state === "up" && !line.draining ? line.weight : 0), 0);
  const replicas = lines.reduce((sum, line) => sum + line.replicas, 0);
  return lines.map((line) => ({
    ...line,
    wantedShare: line.state === "up" && !line.draining && weights > 0 ? line.weight / weights : 0,
    share: replicas === 0 ? 0 : line.replicas / replicas,
  }));
}

function onView(kit: Kit, _admin: Admin, inquiry: Inquiry, body: Fields): Effects {
  const partition = wholeNumber(body.partition);
  const view = kit.locations.views().find((candidate) => candidate.partition === partition);
  if (view === undefined || view.partitions === 0)
    return kit.desk.refuse(
      inquiry,
      fault("UNAVAILABLE", `this router has no view of partition ${partition} yet; try again`),
    );
  const seq = wholeNumber(body.seq);
  if (seq > 0 && view.seq <= seq) return kit.desk.answer(inquiry, { unchanged: true, seq: view.seq });
  return kit.desk.answer(inquiry, { view: encodeLocations(view, wholeNumber(body.skip)) });
}

function wholeNumber(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function incidentsOf(views: readonly ClusterView[]): Incident[] {
  return views
    .flatMap((view) => view.incidents)
    .sort((a, b) => b.atMs - a.atMs)
    .slice(0, limits.scanDefaultLimit);
}
