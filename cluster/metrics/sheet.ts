// Sheet. Owns the bridge to prom-client: metrics whose values are known elsewhere and written down at each scrape.
// S1 what is no more is not exported: every scrape begins with an empty sheet.

import { Counter, Gauge, Histogram, type HistogramConfiguration, Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

/** Sets one value. */
export type Put = (value: number, labels?: Labels) => void;

export interface Buckets {
  /** In seconds, ascending. */
  readonly bounds: readonly number[];
  /** One more than bounds: what is above the last. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface Sheet {
  gauge(name: string, help: string, labels?: readonly string[]): Put;
  /** The value is what has been counted so far, not what came since. */
  counter(name: string, help: string, labels?: readonly string[]): Put;
  histogram(name: string, help: string, labels: readonly string[]): (buckets: Buckets, labels: Labels) => void;
  begin(): void;
  text(): Promise<string>;
  readonly contentType: string;
}

export function createSheet(): Sheet {
  const registry = new Registry();
  const common = { registers: [registry] };
  return {
    gauge(name, help, labelNames = []) {
      const gauge = new Gauge({ name, help, labelNames: [...labelNames], ...common });
      return (value, labels = {}) => {
        if (Number.isFinite(value)) gauge.set(labels, value);
      };
    },
    counter(name, help, labelNames = []) {
      const counter = new Counter({ name, help, labelNames: [...labelNames], ...common });
      return (value, labels = {}) => {
        if (Number.isFinite(value) && value >= 0) counter.inc(labels, value);
      };
    },
    histogram(name, help, labelNames) {
      const histogram = new Counted({ name, help, labelNames: [...labelNames], ...common });
      return (buckets, labels) => histogram.put(buckets, labels);
    },
    begin: () => registry.resetMetrics(),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/** A histogram that was counted somewhere else: prom-client's own takes single values only. */
class Counted extends Histogram {
  private lines: { readonly buckets: Buckets; readonly labels: Labels }[] = [];

  constructor(private readonly spec: HistogramConfiguration<string>) {
    super(spec);
  }

  put(buckets: Buckets, labels: Labels): void {
    this.lines.push({ buckets, labels });
  }

  override reset(): void {
    super.reset();
    this.lines = [];
  }

  /** What the registry asks for its text (prom-client 15). */
  async getForPromString() {
    const { name, help } = this.spec;
    return {
      name,
      help,
      type: "histogram",
      values: this.lines.flatMap((line) => valuesOf(name, line)),
      aggregator: "sum",
    };
  }
}

function valuesOf(name: string, { buckets, labels }: { readonly buckets: Buckets; readonly labels: Labels }) {
  let below = 0;
  const steps = buckets.counts.map((count, at) => {
    below += count;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: buckets.bounds[at] ?? "+Inf" }, value: below };
  });
  return [
    ...steps,
    { metricName: `${name}_sum`, labels: { ...labels }, value: buckets.sum },
    { metricName: `${name}_count`, labels: { ...labels }, value: below },
  ];
}
