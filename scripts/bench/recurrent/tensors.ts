// Tensors. Owns the little of TensorFlow.js that the recurrent network needs, and how it is found. It is no dependency of this package: a download of 80 MB that
// only this bench would use; whoever wants to repeat the bench installs it beside the package.

export interface Tensor {
  dataSync(): Float32Array;
  dispose(): void;
}

interface Variables {
  /** One step of the optimizer; the loss. */
  minimize(loss: () => Tensor, returnCost: true): Tensor;
}

export interface Core {
  setBackend(name: "cpu"): Promise<boolean>;
  tensor1d(values: Float32Array | readonly number[]): Tensor;
  tensor2d(values: Float32Array, shape: readonly [number, number]): Tensor;
  tensor3d(values: Float32Array, shape: readonly [number, number, number]): Tensor;
  add(one: Tensor, other: Tensor): Tensor;
  sub(one: Tensor, other: Tensor | number): Tensor;
  mul(one: Tensor, other: Tensor): Tensor;
  maximum(one: Tensor, other: Tensor): Tensor;
  mean(all: Tensor): Tensor;
  tidy<T>(work: () => T): T;
  readonly train: { adam(rate: number): Variables };
}

export interface Layer {
  apply(input: unknown): unknown;
}

export interface Network {
  apply(inputs: readonly Tensor[], how: { readonly training: boolean }): Tensor;
}

export interface Layers {
  input(wish: { readonly shape: readonly number[] }): unknown;
  model(wish: { readonly inputs: readonly unknown[]; readonly outputs: unknown }): Network;
  readonly layers: {
    gru(wish: object): Layer;
    dense(wish: object): Layer;
    concatenate(): Layer;
  };
}

export interface Tensors {
  readonly core: Core;
  readonly layers: Layers;
}

const packages = ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-cpu", "@tensorflow/tfjs-layers"] as const;
export const howToInstall = `npm install --no-save ${packages.join(" ")}`;

/** Undefined when it is not installed. */
export async function loadTensors(): Promise<Tensors | undefined> {
  const [corePackage, backend, layersPackage] = packages;
  try {
    // The names are no literals, so that the compiler does not look for packages that need not be there.
    const core = (await import(corePackage as string)) as Core;
    await import(backend as string);
    const layers = (await import(layersPackage as string)) as Layers;
    await core.setBackend("cpu");
    return { core, layers };
  } catch {
    return undefined;
  }
}
