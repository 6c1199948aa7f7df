// Operation metrics. Owns rate, errors and duration: by table and operation as nodes tally them, by operation as routers answer them, and by node.

import { loadKinds } from "../../src/load/kinds.js";
import { endings, serviceBoundsMs } from "../../src/load/tally.js";
import type { Lookout } from "../lookout/lookout.js";
import type { TableCount } from "../lookout/traffic.js";
import type { Sheet } from "./sheet.js";
import type { TableNames } from "./tables.js";

type Sum = Pick<TableCount, "ended" | "byTime"> & { serviceMs: number };

export function operationMetrics(sheet: Sheet, lookout: Lookout, names: TableNames): () => void {
  const operations = sheet.counter(
    "foreshard_operations_total",
    "Operations at the nodes by how they ended: done, refused for good, again (to be tried elsewhere or later), unknown",
    ["table", "operation", "outcome"],
  );
  const duration = sheet.histogram(
    "foreshard_operation_duration_seconds",
    "From arrival at the node to the answer, waiting included",
    ["table", "operation"],
  );
  const byNode = sheet.counter("foreshard_node_operations_total", "Operations that the node answered", ["node"]);
  const rate = sheet.gauge("foreshard_node_operations_per_second", "Of the last sample interval", ["node"]);
  const overloaded = sheet.counter("foreshard_node_overloaded_total", "Operations refused at the node's door", [
    "node",
  ]);
  const asked = sheet.counter("foreshard_router_requests_total", "Requests that the router answered", [
    "router",
    "operation",
  ]);
  const failed = sheet.counter("foreshard_router_errors_total", "Requests that it answered with a fault", [
    "router",
    "operation",
  ]);
  const busy = sheet.counter("foreshard_router_seconds_total", "Time from arrival to answer, all requests together", [
    "router",
    "operation",
  ]);

  function writeTables(): void {
    for (const { table, operation, sum } of byName(lookout, names)) {
      const labels = { table, operation };
      endings.forEach((outcome, at) => {
        const count = sum.ended[at] ?? 0;
        if (count > 0) operations(count, { ...labels, outcome });
      });
      const bounds = serviceBoundsMs.map((ms) => ms / 1000);
      duration({ bounds, counts: sum.byTime, sum: sum.serviceMs / 1000 }, labels);
    }
  }

  return () => {
    writeTables();
    for (const [node, count] of lookout.traffic.nodes()) {
      byNode(count.operations, { node });
      overloaded(count.overloaded, { node });
    }
    for (const [node, { perSecond }] of lookout.traffic.now()) rate(perSecond, { node });
    for (const { router, operation, requests, errors, busySeconds } of lookout.routers()) {
      asked(requests, { router, operation });
      failed(errors, { router, operation });
      busy(busySeconds, { router, operation });
    }
  };
}

function byName(lookout: Lookout, names: TableNames) {
  const sums = new Map<string, { readonly table: string; readonly operation: string; readonly sum: Sum }>();
  for (const count of lookout.traffic.tables()) {
    const table = names.of(count.partition, count.table);
    const operation = loadKinds[count.kind];
    if (table === undefined || operation === undefined) continue;
    const key = `${table} ${operation}`;
    const known = sums.get(key);
    const sum = { ended: [...count.ended], byTime: [...count.byTime], serviceMs: count.serviceMs };
    sums.set(key, { table, operation, sum: known === undefined ? sum : added(known.sum, sum) });
  }
  return sums.values();
}

function added(a: Sum, b: Sum): Sum {
  return {
    ended: a.ended.map((count, at) => count + (b.ended[at] ?? 0)),
    byTime: a.byTime.map((count, at) => count + (b.byTime[at] ?? 0)),
    serviceMs: a.serviceMs + b.serviceMs,
  };
}
