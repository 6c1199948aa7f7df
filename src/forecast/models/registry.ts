// Registry. Owns the list of point models, in the order in which their states lie in a block. Append only at the end of a release.

import { harmonic } from "./harmonic.js";
import { holtWinters } from "./holt-winters.js";
import { lastValue } from "./last-value.js";
import type { ModelKind } from "./model.js";
import { regression } from "./regression.js";
import { seasonalNaive } from "./seasonal-naive.js";
import { spar } from "./spar.js";

export const modelKinds: readonly ModelKind[] = [
  lastValue,
  seasonalNaive(0),
  seasonalNaive(1),
  holtWinters,
  harmonic,
  spar,
  regression("raw", [3000]),
  regression("root", [300, 3000]),
  regression("log", [300, 3000]),
];
export const modelNames: readonly string[] = modelKinds.flatMap(({ names }) => names);
