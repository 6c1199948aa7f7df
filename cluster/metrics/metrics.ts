// Metrics. Owns the text of `/metrics`: which figures there are, and that a scrape is cheap.
// M1 names follow Prometheus' conventions: base units, `_total` for counters. M2 nothing is by fragment: series follow tables, nodes and streams.
// M3 a scrape waits for fresh figures for `patienceMs`, then takes those that are there.

import { setTimeout as pause } from "node:timers/promises";
import type { Lookout } from "../lookout/lookout.js";
import { packageVersion } from "../version.js";
import { clusterMetrics } from "./cluster-metrics.js";
import { forecastMetrics } from "./forecast-metrics.js";
import { hostMetrics } from "./host-metrics.js";
import { operationMetrics } from "./operation-metrics.js";
import { createSheet } from "./sheet.js";
import { createTableNames } from "./tables.js";

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

/** What the page's server counts of itself. */
export interface PageCounts {
  readonly viewers: number;
  readonly refused: number;
}

const patienceMs = 40;

export function createMetrics(lookout: Lookout, page: () => PageCounts): Metrics {
  const sheet = createSheet();
  const names = createTableNames(lookout.census);
  const writers = [
    clusterMetrics(sheet, lookout, names),
    operationMetrics(sheet, lookout, names),
    forecastMetrics(sheet, lookout, names),
    hostMetrics(sheet, lookout),
  ];
  const build = sheet.gauge("foreshard_build_info", "1, with the version that runs", ["version", "node_version"]);
  const viewers = sheet.gauge("foreshard_page_viewers", "Open live pages");
  const refused = sheet.counter(
    "foreshard_page_refused_total",
    "Requests that the page's server refused for its limits",
  );
  const unreadable = sheet.counter("foreshard_lookout_unreadable_total", "Messages heard that could not be read");

  return {
    contentType: sheet.contentType,
    async text() {
      const patience = new AbortController();
      await Promise.race([
        lookout.refresh(),
        pause(patienceMs, undefined, { signal: patience.signal }).catch(() => undefined),
      ]);
      patience.abort();
      sheet.begin();
      for (const write of writers) write();
      build(1, { version: packageVersion(), node_version: process.version });
      viewers(page().viewers);
      refused(page().refused);
      unreadable(lookout.unreadable());
      return sheet.text();
    },
  };
}
