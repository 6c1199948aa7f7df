// Wires. Owns the proxies that a trial's cluster is wired through: one before each nats-server for its clients, and one for its links with the other
// servers; and the weather on them by the name of a host or of a server. There is no packet filter in this: whoever dials past them is not reached.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { loopback } from "../../cluster/engine/config.js";
import { fair, type LinkProxy, openProxy, type Weather } from "./proxy.js";

/** What a server says to the other two, and what it hears of them. */
export interface ServerWeather {
  readonly saysMs: number;
  readonly hearsMs: number;
}

const serverConfig = z.object({ listen: z.string(), cluster: z.object({ listen: z.string() }).optional() });
/** A client says in its CONNECT who it is, a server in the INFO that it sends to whom it dials. */
const clientName = /^CONNECT \{.*"name":"([^"]+)"/m;
const serverName = /^INFO \{.*"server_name":"([^"]+)"/m;

export class Wires {
  private readonly hosts = new Set<string>();

  private constructor(
    private readonly clients: readonly LinkProxy[],
    private readonly routes: readonly LinkProxy[],
  ) {}

  /** `natsFolder`: where the servers' own folders will be. */
  static async open(natsFolder: string, servers: 1 | 3): Promise<Wires> {
    const each = Array.from({ length: servers }, (_, at) => at);
    const configOf = async (at: number) =>
      serverConfig.parse(JSON.parse(await readFile(join(natsFolder, String(at), "nats-server.conf"), "utf8")));
    const client = (at: number): Promise<LinkProxy> =>
      openProxy({
        host: loopback,
        target: async () => portOf((await configOf(at)).listen),
        nameOf: (said) => clientName.exec(said)?.[1],
      });
    const route = (at: number): Promise<LinkProxy> =>
      openProxy({
        host: loopback,
        target: async () => portOf((await configOf(at)).cluster?.listen ?? ""),
        nameOf: (said) => serverName.exec(said)?.[1],
      });
    const clients = await Promise.all(each.map(client));
    return new Wires(clients, servers === 1 ? [] : await Promise.all(each.map(route)));
  }

  get clientAddresses(): readonly string[] {
    return this.clients.map(addressOf);
  }

  /** Empty with a single server. */
  get routeAddresses(): readonly string[] {
    return this.routes.map(addressOf);
  }

  /** Between a host and every server. */
  aroundHost(host: string, weather: Weather): void {
    this.hosts.add(host);
    for (const proxy of this.clients) proxy.setWeather(host, weather);
  }

  /** Between one server, by its index, and the other two. */
  aroundServer(index: number, { saysMs, hearsMs }: ServerWeather): void {
    const names = this.routes.map((_, at) => `nats-${at}`);
    this.routes.forEach((proxy, at) => {
      if (at !== index) proxy.setWeather(`nats-${index}`, { outMs: saysMs, backMs: hearsMs });
      else
        for (const name of names)
          if (name !== `nats-${index}`) proxy.setWeather(name, { outMs: hearsMs, backMs: saysMs });
    });
  }

  /** Ends every connection that a host has now. Returns how many. */
  drop(host: string): number {
    return this.clients.reduce((sum, proxy) => sum + proxy.drop(host), 0);
  }

  /** Fair weather everywhere. */
  calm(): void {
    for (const host of this.hosts) this.aroundHost(host, fair);
    for (const at of this.routes.keys()) this.aroundServer(at, { saysMs: 0, hearsMs: 0 });
  }

  /** Names of whoever is connected to a server. */
  connected(index: number): readonly string[] {
    return this.clients[index]?.links() ?? [];
  }

  /** Names of the servers that dialled this one. */
  routed(index: number): readonly string[] {
    return this.routes[index]?.links() ?? [];
  }

  async close(): Promise<void> {
    await Promise.all([...this.clients, ...this.routes].map((proxy) => proxy.close()));
  }
}

function addressOf({ port }: LinkProxy): string {
  return `${loopback}:${port}`;
}

function portOf(address: string): number {
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  if (!(port > 0)) throw new Error(`no port in ${JSON.stringify(address)}`);
  return port;
}
