// Telling. Owns what each topic says now, out of what the lookout knows. Pure but for the lookout's reading.

import { boundText } from "../../actors/router/cluster-ops.js";
import { horizonNames } from "../../src/forecast/horizons.js";
import { highIndex, lowIndex, medianIndex, quantileCount } from "../../src/forecast/quantiles.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { partitionOfFragment } from "../../src/protocol/subjects.js";
import { createRing } from "../../src/ring/ring.js";
import type { TableDef } from "../../src/table/table.js";
import type { MoveLine } from "../lookout/lines.js";
import type { Lookout } from "../lookout/lookout.js";
import type { Band } from "../lookout/outlook.js";
import type {
  BandRow,
  Events,
  FragmentDetail,
  FragmentRow,
  Load,
  MoveRow,
  Moves,
  OutlookNews,
  Past,
  RecordRow,
  Shape,
  Sizes,
} from "./topics.js";

const arcsOfRing = 360;
const pastMovesTold = 50;
const eventsTold = 120;
const utf8 = new TextEncoder();
const longestBound = 80;

export function shapeOf(lookout: Lookout, hash: Hash): Shape {
  const nodes = lookout.census.nodes();
  const index = new Map(nodes.map(({ id }, at) => [id, at]));
  const tables = tablesOf(lookout);
  const fragments: FragmentRow[] = [];
  tables.forEach(({ view, table }, at) => {
    for (const id of view.order.get(table.id) ?? []) {
      const fragment = view.fragments.get(id);
      if (fragment === undefined) continue;
      fragments.push([
        id,
        at,
        fragment.from.length === 0 ? "" : keyText(table, fragment.from),
        index.get(fragment.primary) ?? -1,
        fragment.replicas.flatMap(({ node }) => index.get(node) ?? []),
        fragment.activatedEpoch === fragment.epoch ? 1 : 0,
        round(hash.h32(utf8.encode(`fragment/${id}`)) / 2 ** 32, 4),
        fragment.epoch,
      ]);
    }
  });
  return {
    nodes: nodes.map(({ id, zone, state, draining }) => ({ id, zone, state, draining })),
    leaders: (lookout.census.partitions() ?? []).map(({ partition, term, leader }) => ({ partition, term, leader })),
    tables: tables.map(({ table: { name, partitioning, replicas } }) => ({ name, partitioning, replicas })),
    arcs: arcsOf(nodes, index, hash),
    fragments,
  };
}

function tablesOf(lookout: Lookout): { readonly view: ClusterView; readonly table: TableDef }[] {
  return [...lookout.census.views().values()]
    .flatMap((view) => [...view.tables.values()].map((table) => ({ view, table })))
    .sort((a, b) => (a.table.name < b.table.name ? -1 : 1));
}

function arcsOf(
  nodes: readonly { readonly id: string; readonly zone: string; readonly weight: number }[],
  index: ReadonlyMap<string, number>,
  hash: Hash,
): number[] {
  const { points, owners } = createRing(nodes, hash);
  let next = 0;
  return Array.from({ length: arcsOfRing }, (_, arc) => {
    const at = (arc / arcsOfRing) * 2 ** 32;
    while (next < points.length && (points[next] ?? 0) < at) next++;
    return index.get((owners[next] ?? owners[0])?.id ?? "") ?? -1;
  });
}

function keyText(table: TableDef, position: Uint8Array): string {
  const key = boundText(table, position);
  const text = typeof key === "string" ? key : key instanceof Date ? key.toISOString() : JSON.stringify(key, textOf);
  return text.slice(0, longestBound);
}

function textOf(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

export function pastOf(lookout: Lookout): Past {
  const nodes = lookout.census
    .nodes()
    .map(({ id }) => [
      id,
      lookout.traffic
        .past(id)
        .map(({ atMs, perSecond, cpuShare }) => [atMs, round(perSecond, 1), round(cpuShare, 3)] as const),
    ]);
  return { nodes: Object.fromEntries(nodes) };
}

export function loadOf(lookout: Lookout): Load {
  const nodes = [...lookout.traffic.now()].map(([id, { atMs, perSecond, cpuShare, load }]) => [
    id,
    [
      atMs,
      round(perSecond, 1),
      round(cpuShare, 3),
      round(load.loopDelayMs, 1),
      Math.round(lookout.capacities.of(id) ?? 0),
    ],
  ]);
  const fragments = [...lookout.traffic.rates()].map(([id, rate]) => [id, round(rate, 1)]);
  return { nodes: Object.fromEntries(nodes), fragments: Object.fromEntries(fragments) };
}

export function sizesOf(lookout: Lookout): Sizes {
  const rows = [...lookout.replicas.fragments()].map(([id, { rows, bytes, lagRecords }]) => [
    id,
    [rows, bytes, lagRecords ?? -1],
  ]);
  return { fragments: Object.fromEntries(rows) };
}

export function outlookOf(lookout: Lookout): OutlookNews {
  const bands = (horizon: "short" | "long"): Readonly<Record<string, BandRow>> =>
    Object.fromEntries([...lookout.bands(horizon)].map(([node, band]) => [node, bandRow(band)]));
  return {
    short: bands("short"),
    long: bands("long"),
    peaks: Object.fromEntries([...lookout.outlook.peaks()].map(([id, peak]) => [id, round(peak, 1)])),
    records: recordsOf(lookout),
    forecasters: lookout.outlook
      .forecasters(performance.now())
      .map(({ id, series, rebuilding, fitsWaiting, fitsFailed }) => ({
        id,
        series,
        rebuilding,
        fitsWaiting,
        fitsFailed,
      })),
  };
}

function bandRow({ atMs, stepMs, low, middle, high, risk }: Band): BandRow {
  const rounded = (row: readonly number[]): number[] => row.map((value) => round(value, 1));
  return {
    atMs,
    stepMs,
    low: rounded(low),
    middle: rounded(middle),
    high: rounded(high),
    risk: risk === undefined ? null : round(risk, 3),
  };
}

function recordsOf(lookout: Lookout): RecordRow[] {
  return lookout.outlook.records().flatMap((record): RecordRow[] => {
    const table = lookout.census.views().get(record.partition)?.tables.get(record.table)?.name;
    if (table === undefined) return [];
    const [low, high] = [record.coverage[lowIndex] ?? Number.NaN, record.coverage[highIndex] ?? Number.NaN];
    const known = (value: number): number | null => (Number.isFinite(value) ? round(value, 3) : null);
    return [
      {
        table,
        horizon: record.horizon,
        series: record.series,
        matured: record.matured,
        inside: known(high - low),
        below95: known(high),
        ratio: known(record.pinball / record.naivePinball),
        drifting: record.drifting,
      },
    ];
  });
}

export function movesOf({ census }: Lookout): Moves {
  return {
    underWay: census.moves().map(moveRow),
    past: census.pastMoves().slice(-pastMovesTold).reverse().map(moveRow),
  };
}

function moveRow(line: MoveLine): MoveRow {
  const { move, table, fragment, strategy, from, to, cause, by, why, phase, startedMs, waitsFor, progress } = line;
  const common = { move, table, fragment, strategy, from, to, cause, by, why, phase, startedMs, waitsFor };
  const told =
    progress === undefined || progress === null
      ? null
      : {
          rows: progress.rows,
          totalRows: progress.totalRows,
          bytes: progress.bytes,
          totalBytes: progress.totalBytes,
          bytesPerSecond: progress.bytesPerSecond,
        };
  return {
    ...common,
    progress: told,
    outcome: line.outcome ?? null,
    endedMs: line.endedMs ?? null,
    end: line.end ?? null,
  };
}

export function eventsOf({ census, chronicle }: Lookout): Events {
  const incidents = census.incidents().map(({ atMs, node, what, outcome, fragments, note }) => ({
    atMs,
    kind: "incident",
    text: `${node}: ${what} (${outcome})${fragments.length > 0 ? ` fragments ${fragments.slice(0, 8).join(" ")}` : ""}: ${note}`,
  }));
  const all = [...chronicle.all(), ...incidents].sort((a, b) => b.atMs - a.atMs);
  return { events: all.slice(0, eventsTold) };
}

/** Undefined: there is no such fragment. */
export function detailOf(lookout: Lookout, id: number): FragmentDetail | undefined {
  const view = lookout.census.views().get(partitionOfFragment(id));
  const fragment = view?.fragments.get(id);
  const table = view?.tables.get(fragment?.table ?? -1);
  if (fragment === undefined || table === undefined) return undefined;
  const told = lookout.replicas.nodes();
  return {
    id,
    table: table.name,
    from: fragment.from.length === 0 ? "" : keyText(table, fragment.from),
    to: fragment.to === undefined ? "" : keyText(table, fragment.to),
    epoch: fragment.epoch,
    replicas: fragment.replicas.map(({ node, state }) => {
      const status = told.get(node)?.statuses.get(id);
      return {
        node,
        primary: node === fragment.primary,
        state: status?.state ?? state,
        lsn: status?.lsn ?? null,
        rows: status?.rows ?? null,
      };
    }),
    series: seriesOf(lookout, id),
    moves: [...lookout.census.moves(), ...[...lookout.census.pastMoves()].reverse()]
      .filter(({ fragment: moved }) => moved === id)
      .map(moveRow),
  };
}

function seriesOf({ outlook }: Lookout, id: number): FragmentDetail["series"] {
  return horizonNames.flatMap((horizon) =>
    outlook.series(id, horizon).map(({ news, models }) => {
      const stepMs = outlook.slotMs(horizon);
      const column = (q: number): number[] =>
        Array.from({ length: news.steps.length / quantileCount }, (_, step) =>
          round(news.steps[step * quantileCount + q] ?? 0, 2),
        );
      const { matured, pinball, naivePinball } = news.record;
      return {
        group: news.group,
        horizon,
        stepMs,
        atMs: (news.origin + 1) * stepMs,
        recent: Array.from(news.recent, (value) => (Number.isNaN(value) ? null : round(value, 2))),
        low: column(lowIndex),
        middle: column(medianIndex),
        high: column(highIndex),
        models: models
          .map((name, at) => ({ name, weight: round(news.weights[at] ?? 0, 2) }))
          .filter(({ weight }) => weight >= 0.05)
          .sort((a, b) => b.weight - a.weight),
        profiles: news.profiles,
        matured,
        ratio: naivePinball > 0 && Number.isFinite(pinball / naivePinball) ? round(pinball / naivePinball, 2) : null,
      };
    }),
  );
}

function round(value: number, digits: number): number {
  const unit = 10 ** digits;
  return Math.round(value * unit) / unit;
}
