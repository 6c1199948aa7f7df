// Network. Owns a gated recurrent unit that says all quantiles of all steps at once, trained across series on the pinball loss.
// Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (EMNLP 2014), for the unit; Wen et al., "A Multi-Horizon Quantile Recurrent
// Forecaster" (2017), for one network that says every quantile of every step.

import { quantileCount, quantileLevels } from "../../../src/forecast/quantiles.js";
import type { Random } from "../../../src/kernel/random.js";
import type { Network, Tensors } from "./tensors.js";
import { context, features, horizonSteps, sequence, type Windows } from "./windows.js";

const units = 24;
const hidden = 64;
const outputs = horizonSteps * quantileCount;
const batch = 64;
const learningRate = 0.003;
const finalRate = 0.0005;

export class RecurrentForecaster {
  private readonly network: Network;

  constructor(private readonly tensors: Tensors) {
    const { layers: build, layers } = tensors;
    const series = build.input({ shape: [sequence, features] });
    const around = build.input({ shape: [context] });
    const memory = layers.layers.gru({ units, recurrentInitializer: "glorotUniform" }).apply(series);
    const joined = layers.layers.concatenate().apply([memory, around]);
    const middle = layers.layers.dense({ units: hidden, activation: "relu" }).apply(joined);
    const out = layers.layers.dense({ units: outputs }).apply(middle);
    this.network = build.model({ inputs: [series, around], outputs: out });
  }

  /** Learns from windows drawn evenly over the series. `told` hears the mean loss of every hundred batches. */
  train(all: readonly Windows[], batches: number, random: Random, told: (batches: number, loss: number) => void): void {
    const { core } = this.tensors;
    const usable = all.filter(({ trainable }) => trainable > 0);
    const levels = core.tensor1d(Array.from({ length: outputs }, (_, at) => quantileLevels[at % quantileCount] ?? 0.5));
    const optimizers = [core.train.adam(learningRate), core.train.adam(finalRate)];
    let sum = 0;
    for (let done = 1; done <= batches; done++) {
      const drawn = Array.from({ length: batch }, () => {
        const windows = usable[random.below(usable.length)];
        return windows === undefined ? undefined : { windows, at: windows.first + random.below(windows.trainable) };
      }).flatMap((one) => one ?? []);
      const { series, around, bases, targets } = stack(drawn);
      sum += core.tidy(() => {
        const inputs = [
          core.tensor3d(series, [drawn.length, sequence, features]),
          core.tensor2d(around, [drawn.length, context]),
        ];
        const off = core.sub(
          core.tensor2d(targets, [drawn.length, outputs]),
          core.tensor2d(bases, [drawn.length, outputs]),
        );
        const optimizer = optimizers[done > batches * 0.75 ? 1 : 0];
        const cost = optimizer?.minimize(() => {
          const error = core.sub(off, this.network.apply(inputs, { training: true }));
          return core.mean(core.maximum(core.mul(levels, error), core.mul(core.sub(levels, 1), error)));
        }, true);
        return cost?.dataSync()[0] ?? 0;
      });
      if (done % 100 !== 0) continue;
      told(done, sum / 100);
      sum = 0;
    }
  }

  /** Quantiles of every step after `at`, ascending, in the series' unit. */
  forecast(windows: Windows, at: number): Float64Array {
    const { core } = this.tensors;
    const { series, around, bases } = stack([{ windows, at }]);
    const said = core.tidy(() => {
      const inputs = [core.tensor3d(series, [1, sequence, features]), core.tensor2d(around, [1, context])];
      return this.network.apply(inputs, { training: false }).dataSync();
    });
    const rows = new Float64Array(outputs);
    for (let step = 0; step < horizonSteps; step++) {
      const from = step * quantileCount;
      const row = Array.from({ length: quantileCount }, (_, q) =>
        windows.valueOf((bases[from + q] ?? 0) + (said[from + q] ?? 0)),
      ).sort((a, b) => a - b);
      rows.set(row, from);
    }
    return rows;
  }
}

function stack(drawn: readonly { readonly windows: Windows; readonly at: number }[]) {
  const series = new Float32Array(drawn.length * sequence * features);
  const around = new Float32Array(drawn.length * context);
  const bases = new Float32Array(drawn.length * outputs);
  const targets = new Float32Array(drawn.length * outputs);
  drawn.forEach(({ windows, at }, index) => {
    windows.write(at, series, index * sequence * features, around, index * context);
    for (let step = 1; step <= horizonSteps; step++) {
      const from = index * outputs + (step - 1) * quantileCount;
      bases.fill(windows.base(at, step), from, from + quantileCount);
      targets.fill(windows.target(at, step), from, from + quantileCount);
    }
  });
  return { series, around, bases, targets };
}
