// Mutants. Owns the planted mistakes: each makes the running system break one promise, so that the checkers can show that they notice.
// M1 no mistake lives in the product: each is made here, at the skin of an actor or in the simulated world around it.
// M2 a mistake that no seed catches means that a checker is blind, and fails the run.

import { copying } from "./mutants/copying.js";
import { leading } from "./mutants/leading.js";
import { moving } from "./mutants/moving.js";
import { reading } from "./mutants/reading.js";
import { reshaping } from "./mutants/reshaping.js";
import type { Mutant } from "./mutants/tools.js";
import { writing } from "./mutants/writing.js";

export type { Mutant } from "./mutants/tools.js";

export const mutants: readonly Mutant[] = [...writing, ...leading, ...reading, ...copying, ...moving, ...reshaping];
