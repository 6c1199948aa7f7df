// Pool. Owns what young series borrow from others: how large the errors of each model are, over the error of the best, on average.

export interface PooledPrior {
  /** [target × models] mean error over the error of the best model. */
  readonly errors: Float64Array;
  /** Series that it was made from. */
  readonly series: number;
}
