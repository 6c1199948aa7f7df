// Registry. Owns the list of bands, in the order in which their states lie in a block.

import type { BandKind } from "./band.js";
import { borrowedBand } from "./borrowed.js";
import { countBand } from "./counts.js";
import { residualBand } from "./residual.js";
import { analogBand, recentBand, seasonalBand } from "./values.js";

export const bandKinds: readonly BandKind[] = [
  residualBand("plain", 64),
  residualBand("sized", 144),
  residualBand("ratio", 144),
  recentBand(48),
  recentBand(300),
  analogBand(),
  seasonalBand(),
  countBand(),
  borrowedBand(),
];
export const bandNames: readonly string[] = bandKinds.map(({ name }) => name);
