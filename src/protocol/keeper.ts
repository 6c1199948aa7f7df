// Keeper. Owns what a router asks of the supervisor: what concerns processes and users, of which no actor knows.

/** The operations of `foreshard.query._cluster` that the supervisor answers. */
export const keeperOps = [
  "users",
  "addUser",
  "removeUser",
  "rotateUser",
  "audit",
  "rollingRestart",
  "restartState",
] as const;
export type KeeperOp = (typeof keeperOps)[number];

export interface KeeperAsk {
  readonly op: KeeperOp;
  /** Whoever asks, as the server stamped it. */
  readonly by: string;
  readonly body: Readonly<Record<string, unknown>>;
}
