// Locations. Owns what a trial learns of where things lie: the fragments of every table, a key in each, and who leads.

import { z } from "zod";
import { compareBytes } from "../../src/kernel/bytes.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import { decodeLocations, type LocationPage, viewOfPages } from "../../src/protocol/location-codec.js";
import { positionOf } from "../../src/table/key.js";
import type { RowKey, TableDef } from "../../src/table/table.js";
import type { Door } from "./door.js";

/** A key, never used for a row, that lies in `fragment`. */
export interface ProbeKey {
  readonly table: string;
  readonly fragment: number;
  readonly key: RowKey;
}

const viewAnswer = z.object({ view: z.unknown() });
const mostCandidates = 200_000;

export async function readViews(door: Door): Promise<readonly ClusterView[]> {
  const views: ClusterView[] = [];
  for (let partition = 0, partitions = 1; partition < partitions; partition++) {
    const view = viewOfPages(await readPages(door, partition));
    views.push(view);
    partitions = view.partitions;
  }
  return views;
}

async function readPages(door: Door, partition: number): Promise<LocationPage[]> {
  let pages: LocationPage[] = [];
  for (let tries = 0; tries < 50; tries++) {
    const skip = pages.at(-1)?.next ?? 0;
    const { view } = await door.cluster("view", { partition, seq: 0, skip }, viewAnswer);
    const page = decodeLocations(view);
    if (!page.ok) throw new Error(page.fault.message);
    // The view moved on between two pages: begin anew.
    if (pages[0] !== undefined && pages[0].seq !== page.value.seq) pages = [];
    else pages.push(page.value);
    if (page.value.next === 0 && pages.length > 0) return pages;
  }
  throw new Error(`the view of partition ${partition} does not come to rest`);
}

/** One key in every fragment of every table of the views (or of one table). */
export function probeKeys(views: readonly ClusterView[], hash: Hash, only?: string): readonly ProbeKey[] {
  return views.flatMap((view) =>
    [...view.tables.values()]
      .filter((table) => only === undefined || table.name === only)
      .flatMap((table) => keysIn(table, fragmentsOf(view, table), hash)),
  );
}

function fragmentsOf(view: ClusterView, table: TableDef): FragmentView[] {
  return (view.order.get(table.id) ?? []).flatMap((id) => view.fragments.get(id) ?? []);
}

function keysIn(table: TableDef, fragments: readonly FragmentView[], hash: Hash): ProbeKey[] {
  const found = new Map<number, ProbeKey>();
  for (let at = 0; found.size < fragments.length; at++) {
    if (at > mostCandidates) throw new Error(`no probe key was found for a fragment of ${table.name}`);
    const key = candidate(table, at);
    const position = positionOf(table, key, hash);
    if (!position.ok) throw new Error(`a probe key of ${table.name} is refused: ${position.fault.message}`);
    const fragment = fragments.find(({ from, to }) => {
      const above = compareBytes(position.value, from) >= 0;
      return above && (to === undefined || compareBytes(position.value, to) < 0);
    });
    if (fragment !== undefined && !found.has(fragment.id))
      found.set(fragment.id, { table: table.name, fragment: fragment.id, key });
  }
  return [...found.values()];
}

/** Number keys lie between the whole numbers that rows of a trial use. */
function candidate({ key }: TableDef, at: number): RowKey {
  const partition = key.partition === "number" ? at - 0.5 : `probe-${at}`;
  if (key.sort === undefined) return [partition];
  return [partition, key.sort === "number" ? -1 : "probe"];
}

const nodesAnswer = z.object({
  nodes: z.array(z.object({ id: z.string(), state: z.string(), primaries: z.number(), replicas: z.number() })),
  partitions: z.array(z.object({ partition: z.number(), term: z.number(), leader: z.string() })),
});

export type NodesAnswer = z.infer<typeof nodesAnswer>;

export function readNodes(door: Door, limitMs?: number): Promise<NodesAnswer> {
  return door.cluster("nodes", {}, nodesAnswer, limitMs);
}

/** The control hosts that lead a partition now. */
export async function leaderNames(door: Door): Promise<readonly string[]> {
  const { partitions } = await readNodes(door);
  return [...new Set(partitions.map(({ leader }) => leader))].sort();
}

const incidentsAnswer = z.object({
  incidents: z.array(
    z.object({
      node: z.string(),
      what: z.string(),
      outcome: z.string(),
      fragments: z.array(z.number()),
      note: z.string(),
    }),
  ),
});

export type IncidentLine = z.infer<typeof incidentsAnswer>["incidents"][number];

export async function readIncidents(door: Door): Promise<readonly IncidentLine[]> {
  return (await door.cluster("incidents", {}, incidentsAnswer)).incidents;
}

/** Fragments with fewer ready replicas than their table wants. */
export function underReplicated(views: readonly ClusterView[]): number {
  let short = 0;
  for (const view of views) {
    for (const fragment of view.fragments.values()) {
      const wanted = view.tables.get(fragment.table)?.replicas ?? 0;
      const living = fragment.replicas.filter(
        ({ node, state }) => state === "ready" && view.nodes.get(node)?.state === "up",
      );
      if (living.length < wanted) short++;
    }
  }
  return short;
}
