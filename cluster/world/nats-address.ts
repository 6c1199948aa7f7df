// NATS address. Owns what it takes to connect: servers, who one is there, and where answers arrive.

export interface NatsAddress {
  readonly servers: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  /** Text of a `.creds` file, instead of user and password. */
  readonly creds?: string;
  /** Prefix of every inbox, e.g. `_INBOX_n1`. */
  readonly inboxPrefix: string;
}
