// Ports. Owns the choice of TCP ports on loopback: a wanted one if nobody holds it, else one that the system picks.

import { type AddressInfo, createServer } from "node:net";
import { loopback } from "./config.js";

export async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

/** `count` different ports that were free a moment ago; a start that loses one to somebody else is tried again with others. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < count && tries < count * 10; tries++) {
    const port = await listenOnce(0);
    if (port !== undefined) found.add(port);
  }
  if (found.size < count) throw new Error("the system has no free TCP port on loopback");
  return [...found];
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: loopback, exclusive: true }, () => {
      const { port: got } = server.address() as AddressInfo;
      server.close(() => resolve(got));
    });
  });
}
