// Redis. Owns Redis as a peer: the operating system's `redis-server` with an append-only file, reached through `ioredis` with auto-pipelining.
// Scans keep the keys in a sorted set beside the rows, as YCSB's own binding does.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { type Caller, everything, type Peer, type PeerAddress } from "./peer.js";
import { startServer } from "./server.js";

const run = promisify(execFile);
const index = "keys";

export function redisPeer(name: string, sync: "everysec" | "always"): Peer {
  return {
    name,
    says: `Redis, one server, appendfsync ${sync}; ioredis with auto-pipelining`,
    offers: everything,
    missing: () =>
      run("redis-server", ["--version"]).then(
        () => undefined,
        () => "redis-server is not on the PATH: the operating system's package redis-server brings it",
      ),
    start: (farewell) =>
      startServer(
        farewell,
        "redis-server",
        ({ folder, port }) => [
          ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
          ...["--appendonly", "yes", "--appendfsync", sync],
        ],
        ({ port }) => ({ kind: "redis", port }),
      ),
  };
}

export async function redisCaller({ port }: Extract<PeerAddress, { kind: "redis" }>): Promise<Caller> {
  const redis = new Redis({ port, host: "127.0.0.1", enableAutoPipelining: true, lazyConnect: true });
  await redis.connect();
  return {
    get: async (key) => (await redis.get(key)) ?? undefined,
    put: (key, value) => redis.set(key, value),
    insert: (key, value) => Promise.all([redis.set(key, value), redis.zadd(index, 0, key)]),
    async scan(key, rows) {
      const keys = await redis.zrange(index, `[${key}`, "+", "BYLEX", "LIMIT", 0, rows);
      return keys.length === 0 ? 0 : (await redis.mget(keys)).length;
    },
    async rows(keys) {
      const pipeline = redis.pipeline();
      for (const key of keys) pipeline.get(key);
      const found = (await pipeline.exec()) ?? [];
      return found.filter(([error, value]) => error === null && value !== null).length;
    },
    close: () => redis.quit(),
  };
}
