// Cluster metrics. Owns the figures of nodes, tables, copies, leaders, leases, moves and incidents.

import type { ClusterView } from "../../src/ledger/view.js";
import type { Lookout } from "../lookout/lookout.js";
import type { Sheet } from "./sheet.js";
import { otherTables, type TableNames } from "./tables.js";

interface TableSum {
  fragments: number;
  serving: number;
  missing: number;
  rows: number;
  bytes: number;
  lag: number;
}

export function clusterMetrics(sheet: Sheet, lookout: Lookout, names: TableNames): () => void {
  const ready = sheet.gauge(
    "foreshard_ready",
    "1: a router answers, every control partition has a leader, every node is up",
  );
  const nodeUp = sheet.gauge("foreshard_node_up", "1: the ledger has the node as up", ["node", "zone"]);
  const draining = sheet.gauge("foreshard_node_draining", "1: the node is being emptied", ["node"]);
  const beats = sheet.gauge(
    "foreshard_heartbeat_age_seconds",
    "Since the node's last heartbeat was heard; its lease rests on it",
    ["node"],
  );
  const free = sheet.gauge("foreshard_node_disk_free_bytes", "Room on the disk of the node's store", ["node"]);
  const copies = sheet.gauge("foreshard_replicas", "Copies on the node by state", ["node", "state"]);
  const lag = sheet.gauge(
    "foreshard_replication_lag_records",
    "Records of the log that the copy furthest behind lacks",
    ["table"],
  );
  const tables = sheet.gauge("foreshard_tables", "Tables");
  const fragments = sheet.gauge("foreshard_fragments", "Fragments", ["table"]);
  const serving = sheet.gauge("foreshard_fragments_serving", "Fragments whose primary serves", ["table"]);
  const missing = sheet.gauge("foreshard_replicas_missing", "Copies that are wanted and not ready", ["table"]);
  const rows = sheet.gauge("foreshard_table_rows", "Rows, as the primaries told them last", ["table"]);
  const bytes = sheet.gauge("foreshard_table_bytes", "Bytes of keys and documents, as the primaries told them last", [
    "table",
  ]);
  const term = sheet.gauge("foreshard_leader_term", "Leaders of the control partition so far", ["partition"]);
  const hasLeader = sheet.gauge("foreshard_leader_elected", "1: the control partition has a leader", [
    "partition",
    "leader",
  ]);
  const leaseAge = sheet.gauge("foreshard_leader_lease_age_seconds", "Since the leader renewed its lease", [
    "partition",
  ]);
  const ledger = sheet.gauge("foreshard_ledger_sequence", "Last record of the ledger that the router has seen", [
    "partition",
  ]);
  const moves = sheet.gauge("foreshard_moves_under_way", "Moves under way", ["strategy", "phase"]);
  const oldest = sheet.gauge("foreshard_move_oldest_seconds", "Age of the oldest move under way; 0: none");
  const moveBytes = sheet.gauge("foreshard_move_bytes_per_second", "Pace of all copies that moves make");
  const moved = sheet.counter("foreshard_moves_total", "Moves that ended", ["strategy", "outcome"]);
  const incidents = sheet.gauge("foreshard_incidents", "Incidents that the ledger keeps (the last hundred)", [
    "outcome",
  ]);

  function writeNodes(): void {
    const up = lookout.census.nodes();
    const isServed = lookout.census.partitions()?.every(({ term: held }) => held > 0) ?? false;
    ready(isServed && up.length > 0 && up.every(({ state }) => state === "up") ? 1 : 0);
    for (const { id, zone, state, draining: leaves } of up) {
      nodeUp(state === "up" ? 1 : 0, { node: id, zone });
      draining(leaves ? 1 : 0, { node: id });
    }
    const nowMs = performance.now();
    for (const [node, status] of lookout.replicas.nodes()) {
      beats((nowMs - status.heardAtMs) / 1000, { node });
      if (status.freeBytes !== undefined) free(status.freeBytes, { node });
      for (const [state, count] of lookout.replicas.states(node)) copies(count, { node, state });
    }
  }

  function sumTables(view: ClusterView, sums: Map<string, TableSum>): void {
    const told = lookout.replicas.fragments();
    const up = [...view.nodes.values()].filter(({ state }) => state === "up").length;
    for (const fragment of view.fragments.values()) {
      const table = view.tables.get(fragment.table);
      const name = names.of(view.partition, fragment.table) ?? otherTables;
      const sum = sums.get(name) ?? { fragments: 0, serving: 0, missing: 0, rows: 0, bytes: 0, lag: 0 };
      sums.set(name, sum);
      const status = told.get(fragment.id);
      const ready = fragment.replicas.filter(
        ({ node, state }) => state === "ready" && view.nodes.get(node)?.state === "up",
      );
      sum.fragments++;
      if (fragment.activatedEpoch === fragment.epoch) sum.serving++;
      sum.missing += Math.max(0, (table?.replicas ?? 0) - ready.length);
      sum.rows += status?.rows ?? 0;
      sum.bytes += status?.bytes ?? 0;
      if (up > 0) sum.lag = Math.max(sum.lag, status?.lagRecords ?? 0);
    }
  }

  function writeTables(): void {
    const sums = new Map<string, TableSum>();
    let count = 0;
    for (const view of lookout.census.views().values()) {
      count += view.tables.size;
      sumTables(view, sums);
    }
    tables(count);
    for (const [table, sum] of sums) {
      fragments(sum.fragments, { table });
      serving(sum.serving, { table });
      missing(sum.missing, { table });
      rows(sum.rows, { table });
      bytes(sum.bytes, { table });
      lag(sum.lag, { table });
    }
  }

  function writeLeaders(): void {
    for (const { partition, term: held, leader, seq } of lookout.census.partitions() ?? []) {
      const labels = { partition: String(partition) };
      term(held, labels);
      hasLeader(held > 0 && leader !== "" ? 1 : 0, { ...labels, leader });
      ledger(seq, labels);
    }
    for (const [partition, ageMs] of lookout.leaseAges()) leaseAge(ageMs / 1000, { partition: String(partition) });
  }

  function writeMoves(): void {
    const underWay = new Map<string, number>();
    let oldestMs = Date.now();
    let pace = 0;
    for (const { strategy, phase, startedMs, progress } of lookout.census.moves()) {
      const key = `${strategy} ${phase}`;
      underWay.set(key, (underWay.get(key) ?? 0) + 1);
      oldestMs = Math.min(oldestMs, startedMs);
      pace += progress?.bytesPerSecond ?? 0;
    }
    for (const [key, count] of underWay) {
      const [strategy = "", phase = ""] = key.split(" ");
      moves(count, { strategy, phase });
    }
    oldest(underWay.size === 0 ? 0 : (Date.now() - oldestMs) / 1000);
    moveBytes(pace);
    for (const [key, count] of lookout.endedMoves()) {
      const [strategy = "", outcome = ""] = key.split(" ");
      moved(count, { strategy, outcome });
    }
    for (const kind of ["healed", "refused", "noticed"])
      incidents(lookout.census.incidents().filter(({ outcome }) => outcome === kind).length, { outcome: kind });
  }

  return () => {
    writeNodes();
    writeTables();
    writeLeaders();
    writeMoves();
  };
}
