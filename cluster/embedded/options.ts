// Embedded options. Owns what `startCluster` of the package takes. Only types, so that a program's compiler reads nothing else.

/** A user of an embedded cluster, who may publish only to what is granted. */
export interface EmbeddedUser {
  /** A letter, then letters, digits, `_` or `-`. */
  readonly user: string;
  /** At least 8 characters. */
  readonly pass: string;
  /** Subjects below `foreshard.query`, such as `foreshard.query.orders.get` or `foreshard.query.>`. */
  readonly publish: readonly string[];
  /** Users of one group are one client group in load samples, forecasts and profiles. Absent: the user is a group of its own. */
  readonly group?: string;
}

export interface EmbeddedOptions {
  /** Nodes that hold data, 1 (default) to 64. */
  readonly nodes?: number;
  /** Copies of each fragment where a table does not say; at most as many as there are nodes. Default: three, or as many as there are nodes. */
  readonly replicas?: number;
  /** Where everything is kept. Absent: a new temporary folder, which goes with the cluster. */
  readonly dataDir?: string;
  /** Port of NATS on loopback. Default 0: any free one. */
  readonly port?: number;
  /**
   * `always`: what was acknowledged survives power loss; `interval`: the last second may not.
   * Default: `always` in a folder that was named, `interval` in a temporary one, which nobody reads after a power loss.
   */
  readonly durability?: "always" | "interval";
  /** `threads` (default): all in this process. `processes`: each node in a process of its own, so that `kill` is a `kill -9`. */
  readonly isolation?: "threads" | "processes";
  /** Hosts that forecast the load, 0 (default) to 16. */
  readonly forecasters?: number;
  /** Milliseconds between two load samples of a node, 100 to 10,000 (default). Forecasts step six times as long. */
  readonly sampleIntervalMs?: number;
  /** What each node may be asked: queries per second (`500`) or a share of a core (`"50%"`). Absent: no limit. */
  readonly capacity?: number | string;
  /** Where the live page and the metrics are: `HOST:PORT` (port 0: any free one), or `off` (default). */
  readonly page?: string;
  /** Where routers and nodes send their traces by OTLP over HTTP, such as `http://127.0.0.1:4318`. Absent: nothing is traced. */
  readonly traces?: string;
  /** More users for clients, beside the one of `url`, who may ask everything. */
  readonly users?: readonly EmbeddedUser[];
  /** Told what a person should know while it runs, in one sentence: a death, a restart. */
  readonly onNotice?: (notice: string) => void;
}
