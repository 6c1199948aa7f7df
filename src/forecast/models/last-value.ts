// Last value. Owns the simplest forecast: it goes on as it is. Hard to beat after a change of regime and in a flash crowd.

import type { ModelKind } from "./model.js";

export const lastValue: ModelKind = {
  names: ["lastValue"],
  bind: (_from, shape) => ({
    predict(past, out) {
      out.fill(past.at(past.last), 0, shape.horizonSteps);
    },
  }),
};
