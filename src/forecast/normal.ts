// Normal equations. Owns weighted least squares that is learnt row by row: sums of products that decay, solved with a ridge by Cholesky.
// ml-regression solves from all rows at once, which for every slot would be too slow; this costs one pass over p²/2 numbers per row.

import type { Carver } from "./block.js";

/** Upper triangle of the products of a row and its target, row by row: (p+1)(p+2)/2 numbers. */
export function carveNormal(from: Carver, columns: number): Float32Array {
  return from.f32(((columns + 1) * (columns + 2)) / 2);
}

/** Adds a row of `columns` features and, behind them, the target; what was before counts `keep`. */
export function addRow(
  sums: Float32Array | Float64Array,
  row: ArrayLike<number>,
  from: number,
  columns: number,
  keep: number,
  weight: number,
): void {
  let cell = 0;
  for (let i = 0; i <= columns; i++) {
    const left = weight * (row[from + i] ?? 0);
    for (let j = i; j <= columns; j++) {
      sums[cell] = (sums[cell] ?? 0) * keep + left * (row[from + j] ?? 0);
      cell++;
    }
  }
}

/** Forgets what was learnt of the columns from `first` on, as if they had been 0 in every row so far. */
export function forgetColumns(sums: Float32Array, columns: number, first: number): void {
  let cell = 0;
  for (let i = 0; i <= columns; i++)
    for (let j = i; j <= columns; j++) {
      if ((i >= first && i < columns) || (j >= first && j < columns)) sums[cell] = 0;
      cell++;
    }
}

/** Room for solving systems of `columns` unknowns or fewer. */
export class Solver {
  private readonly factor: Float64Array;
  private readonly side: Float64Array;
  private readonly starts: Int32Array;

  constructor(readonly columns: number) {
    this.factor = new Float64Array(columns * columns);
    this.side = new Float64Array(columns);
    this.starts = new Int32Array(columns + 1);
    for (let i = 1; i <= columns; i++) this.starts[i] = (this.starts[i - 1] ?? 0) + columns + 2 - i;
  }

  /**
   * Coefficients of the first `p` columns that minimise the squares, drawn to `centre` by `ridge` times the square of each column; the columns
   * after them get 0. False, and nothing written, if it can't.
   */
  solve(
    sums: Float32Array | Float64Array,
    p: number,
    ridge: number,
    centre: readonly number[],
    out: Float32Array | Float64Array,
    at: number,
  ): boolean {
    const { factor, side, columns, starts } = this;
    const rows = sums[0] ?? 0;
    if (!(rows > 0)) return false;
    const share = ridge + 2 / rows;
    for (let i = 0; i < p; i++) {
      const start = (starts[i] ?? 0) - i;
      for (let j = i; j < p; j++) factor[j * p + i] = sums[start + j] ?? 0;
      const own = factor[i * p + i] ?? 0;
      // A column that was never other than zero keeps its centre.
      const pull = own > 0 ? own * share : 1;
      factor[i * p + i] = own + pull;
      side[i] = (sums[start + columns] ?? 0) + pull * (centre[i] ?? 0);
    }
    if (!this.decompose(p)) return false;
    this.substitute(p);
    for (let i = 0; i < p; i++) if (!Number.isFinite(side[i] ?? 0)) return false;
    for (let i = 0; i < columns; i++) out[at + i] = i < p ? (side[i] ?? 0) : 0;
    return true;
  }

  private decompose(p: number): boolean {
    const { factor } = this;
    for (let j = 0; j < p; j++) {
      let pivot = factor[j * p + j] ?? 0;
      const limit = pivot * 1e-10;
      for (let k = 0; k < j; k++) pivot -= (factor[j * p + k] ?? 0) ** 2;
      if (!(pivot > limit)) return false;
      const root = Math.sqrt(pivot);
      factor[j * p + j] = root;
      for (let i = j + 1; i < p; i++) {
        let sum = factor[i * p + j] ?? 0;
        for (let k = 0; k < j; k++) sum -= (factor[i * p + k] ?? 0) * (factor[j * p + k] ?? 0);
        factor[i * p + j] = sum / root;
      }
    }
    return true;
  }

  private substitute(p: number): void {
    const { factor, side } = this;
    for (let i = 0; i < p; i++) {
      let sum = side[i] ?? 0;
      for (let k = 0; k < i; k++) sum -= (factor[i * p + k] ?? 0) * (side[k] ?? 0);
      side[i] = sum / (factor[i * p + i] ?? 1);
    }
    for (let i = p - 1; i >= 0; i--) {
      let sum = side[i] ?? 0;
      for (let k = i + 1; k < p; k++) sum -= (factor[k * p + i] ?? 0) * (side[k] ?? 0);
      side[i] = sum / (factor[i * p + i] ?? 1);
    }
  }
}
