// NATS address. Owns what it takes to connect: servers, who one is there, and where answers arrive.

export interface TlsPaths {
  /** The authority that the servers' certificate must come from. */
  readonly ca?: string;
  /** An own certificate and its key, where the servers want one. */
  readonly cert?: string;
  readonly key?: string;
}

export interface NatsAddress {
  readonly servers: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  /** Certificates, as paths; absent: TLS only where the server wants it. */
  readonly tls?: TlsPaths;
  /** Text of a `.creds` file, instead of user and password. */
  readonly creds?: string;
  /** Prefix of every inbox, e.g. `_INBOX_n1`. */
  readonly inboxPrefix: string;
}

/** As the client library of NATS wants them. */
export function tlsOptionsOf(files: TlsPaths | undefined): {
  tls?: { certFile?: string; keyFile?: string; caFile?: string };
} {
  if (files === undefined) return {};
  const { cert, key, ca } = files;
  return {
    tls: {
      ...(cert === undefined ? {} : { certFile: cert }),
      ...(key === undefined ? {} : { keyFile: key }),
      ...(ca === undefined ? {} : { caFile: ca }),
    },
  };
}
