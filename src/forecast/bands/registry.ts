// Registry. Owns the list of bands, in the order in which their states lie in a block.

import type { BandKind } from "./band.js";
import { residualBand } from "./residual.js";
import { analogBand, recentBand } from "./values.js";

export const bandKinds: readonly BandKind[] = [
  residualBand("plain", 250),
  residualBand("sized", 300),
  residualBand("ratio", 300),
  recentBand(48),
  recentBand(300),
  analogBand(),
];
export const bandNames: readonly string[] = bandKinds.map(({ name }) => name);
