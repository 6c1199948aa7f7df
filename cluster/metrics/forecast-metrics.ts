// Forecast metrics. Owns what is expected, how far earlier forecasts kept their word, the risk, and how the forecasters do.

import { horizonNames } from "../../src/forecast/horizons.js";
import { quantileLevels } from "../../src/forecast/quantiles.js";
import type { Lookout } from "../lookout/lookout.js";
import type { Sheet } from "./sheet.js";
import type { TableNames } from "./tables.js";

/** A few levels tell enough, and each is a series per table and horizon. */
const levelsTold: readonly number[] = [0.05, 0.5, 0.95, 0.99];

export function forecastMetrics(sheet: Sheet, lookout: Lookout, names: TableNames): () => void {
  const series = sheet.gauge("foreshard_forecast_series", "Series (fragment and client group) that are forecast", [
    "table",
    "horizon",
  ]);
  const coverage = sheet.gauge(
    "foreshard_forecast_coverage_ratio",
    "Share of values at or below the quantile, of forecasts that came due; it should be the level",
    ["table", "horizon", "level"],
  );
  const loss = sheet.gauge(
    "foreshard_forecast_pinball_ratio",
    "Pinball loss over that of repeating the season before; below 1 is better",
    ["table", "horizon"],
  );
  const drifting = sheet.gauge(
    "foreshard_forecast_drifting_series",
    "Series whose coverage of late is out of what chance allows",
    ["table", "horizon"],
  );
  const matured = sheet.counter("foreshard_forecast_matured_total", "Forecasts whose time has come", [
    "table",
    "horizon",
  ]);
  const peak = sheet.gauge(
    "foreshard_node_forecast_operations_per_second",
    "Quantiles of the largest step of the horizon, of what the node leads, from joint paths",
    ["node", "horizon", "quantile"],
  );
  const capacity = sheet.gauge(
    "foreshard_node_capacity_operations_per_second",
    "What the node could answer, estimated from its CPU time per operation",
    ["node"],
  );
  const risk = sheet.gauge(
    "foreshard_node_overload_risk_ratio",
    "Probability that a step of the horizon is above the capacity",
    ["node", "horizon"],
  );
  const owned = sheet.gauge("foreshard_forecaster_series", "Series of the forecaster", ["forecaster"]);
  const rebuilding = sheet.gauge("foreshard_forecaster_rebuilding", "Pasts of series that are still being rebuilt", [
    "forecaster",
  ]);
  const waiting = sheet.gauge("foreshard_forecaster_fits_waiting", "Series that wait for a fit", ["forecaster"]);
  const waited = sheet.gauge("foreshard_forecaster_fit_wait_seconds", "How long the first of them has waited", [
    "forecaster",
  ]);
  const failed = sheet.counter("foreshard_forecaster_fits_failed_total", "Fits that failed", ["forecaster"]);
  const foreign = sheet.counter(
    "foreshard_forecaster_foreign_total",
    "Messages of the load stream that were no samples",
    ["forecaster"],
  );

  function writeRecords(): void {
    for (const record of lookout.outlook.records()) {
      const table = names.of(record.partition, record.table);
      if (table === undefined) continue;
      const labels = { table, horizon: record.horizon };
      series(record.series, labels);
      drifting(record.drifting, labels);
      matured(record.matured, labels);
      if (record.naivePinball > 0) loss(record.pinball / record.naivePinball, labels);
      quantileLevels.forEach((level, q) => {
        const share = record.coverage[q];
        if (share !== undefined && levelsTold.includes(level)) coverage(share, { ...labels, level: String(level) });
      });
    }
  }

  return () => {
    writeRecords();
    for (const horizon of horizonNames) {
      for (const [node, band] of lookout.bands(horizon)) {
        peak(band.peakMiddle, { node, horizon, quantile: "0.5" });
        peak(band.peakHigh, { node, horizon, quantile: "0.95" });
        if (band.risk !== undefined) risk(band.risk, { node, horizon });
      }
    }
    for (const node of lookout.traffic.now().keys()) {
      const held = lookout.capacities.of(node);
      if (held !== undefined) capacity(held, { node });
    }
    for (const state of lookout.outlook.forecasters(performance.now())) {
      const labels = { forecaster: state.id };
      owned(state.series, labels);
      rebuilding(state.rebuilding, labels);
      waiting(state.fitsWaiting, labels);
      waited(state.fitWaitMs / 1000, labels);
      failed(state.fitsFailed, labels);
      foreign(state.foreign, labels);
    }
  };
}
