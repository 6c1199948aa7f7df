// Records. Owns the record of a forecaster whose word is kept: every quantile holds as often as it promises, at half the loss of the seasonal naive.

import { quantileLevels } from "../../src/forecast/quantiles.js";
import type { RecordNews } from "../../src/protocol/forecast.js";

export const goodRecord: RecordNews = {
  matured: 1000,
  coverage: [...quantileLevels],
  maxCoverage: [...quantileLevels],
  pinball: 1,
  naivePinball: 2,
  isDrifting: false,
  observed: 1000,
  missing: 0,
  late: 0,
};
