// Seasonal naive. Owns the forecast that a season repeats itself: the value one period earlier, for the n-th season of the series.

import type { ModelKind } from "./model.js";

export function seasonalNaive(season: number): ModelKind {
  return {
    names: [`seasonalNaive${season + 1}`],
    bind: (_from, shape) => ({
      predict(past, out) {
        const period = past.period(season);
        for (let step = 1; step <= shape.horizonSteps; step++)
          out[step - 1] = past.seasonBefore(past.last + step, period);
      },
    }),
  };
}
