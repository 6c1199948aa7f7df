// ml-regression brings no types of its own; the one class used here has them in the package that it is made in.
declare module "ml-regression" {
  export { default as MultivariateLinearRegression } from "ml-regression-multivariate-linear";
}
