// Status. Owns what a forecaster says of itself: how many series it has, how far its fits are behind, what it could not read.

import type { Context } from "../../src/kernel/machine.js";
import type { ForecasterState as StateNews } from "../../src/protocol/forecast.js";
import type { ForecasterState } from "./state.js";

export function stateNews(state: ForecasterState, { nowMs }: Context): StateNews {
  const { config, entries, fits, counts } = state;
  const first = Math.min(nowMs, fits.rebuilds[0]?.queuedAtMs ?? nowMs, fits.refits[0]?.queuedAtMs ?? nowMs);
  let rebuilding = fits.rebuilds.length;
  for (const { kind, orders } of fits.running.values()) if (kind === "rebuild") rebuilding += orders.length;
  return {
    id: config.id,
    incarnation: config.incarnation,
    series: entries.size,
    rebuilding,
    fitsWaiting: fits.rebuilds.length + fits.refits.length,
    fitWaitMs: Math.round(nowMs - first),
    fitsFailed: fits.failed,
    foreign: counts.foreign,
    duplicates: counts.duplicates,
    strays: counts.strays,
  };
}
