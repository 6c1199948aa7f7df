// Proxy. Owns TCP links between whoever dials its port and the server behind it, and what is done to their bytes: passed on, delayed, held back.
// X1 bytes of one direction keep their order, and none is lost or invented: a cut link is one whose delay never ends, as packets of a cut network are
//    sent again until it heals. A link's end travels the same way. Only `drop` ends links by itself.
// X2 what a direction holds is bounded: beyond `heldBytes` its sender is not read any more.
// X3 weather goes by the name that the dialler gives in its first words; until it is known, a link has fair weather.

import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";

/** Delay of each byte, `out` from the dialler to the server and `back`; Infinity: nothing passes. */
export interface Weather {
  readonly outMs: number;
  readonly backMs: number;
}

export const fair: Weather = { outMs: 0, backMs: 0 };

export interface ProxyOptions {
  readonly host: string;
  /** Where the server listens now; asked for each link. */
  target(): Promise<number>;
  /** The dialler's name from what it has said so far, or undefined: not said yet. */
  nameOf(said: string): string | undefined;
}

export interface LinkProxy {
  readonly port: number;
  /** For open and for future links. */
  setWeather(name: string, weather: Weather): void;
  /** Ends the open links of that name at once; returns how many. */
  drop(name: string): number;
  /** Names of the open links. */
  links(): readonly string[];
  close(): Promise<void>;
}

const heldBytes = 4 * 1024 * 1024;
const mostSaid = 8_192;

export async function openProxy(options: ProxyOptions): Promise<LinkProxy> {
  const weathers = new Map<string, Weather>();
  const links = new Set<Link>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const link = new Link(
      near,
      options,
      (name) => weathers.get(name) ?? fair,
      () => links.delete(link),
    );
    links.add(link);
    void link.open();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.host, port: 0, exclusive: true }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    setWeather(name, weather) {
      weathers.set(name, weather);
      for (const link of links) link.weatherChanged();
    },
    drop(name) {
      const dropped = [...links].filter((link) => link.name === name);
      for (const link of dropped) link.drop();
      return dropped.length;
    },
    links: () => [...links].map(({ name }) => name),
    close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const link of links) link.drop();
      return closed;
    },
  };
}

class Link {
  /** Empty until the dialler has said it. */
  name = "";
  private said = "";
  private out: Direction | undefined;
  private back: Direction | undefined;
  private far: Socket | undefined;

  constructor(
    private readonly near: Socket,
    private readonly options: ProxyOptions,
    private readonly weatherOf: (name: string) => Weather,
    private readonly ended: () => void,
  ) {
    // A socket that fails also closes.
    near.on("error", () => undefined);
    near.once("close", () => this.closed());
  }

  async open(): Promise<void> {
    const port = await this.options.target().catch(() => undefined);
    if (port === undefined || this.near.destroyed) return this.drop();
    const far = dial({ host: this.options.host, port, allowHalfOpen: true, noDelay: true });
    this.far = far;
    far.on("error", () => undefined);
    far.once("close", () => this.closed());
    this.near.setNoDelay(true);
    this.near.on("data", (bytes: Buffer) => this.hear(bytes));
    this.out = new Direction(this.near, far, () => this.weatherOf(this.name).outMs);
    this.back = new Direction(far, this.near, () => this.weatherOf(this.name).backMs);
  }

  weatherChanged(): void {
    this.out?.pump();
    this.back?.pump();
  }

  drop(): void {
    this.near.destroy();
    this.far?.destroy();
    this.ended();
  }

  private hear(bytes: Buffer): void {
    if (this.name !== "" || this.said.length >= mostSaid) return;
    this.said += bytes.toString("latin1");
    this.name = this.options.nameOf(this.said) ?? "";
    if (this.name !== "") this.weatherChanged();
  }

  private closed(): void {
    if (this.near.destroyed && (this.far === undefined || this.far.destroyed)) this.ended();
  }
}

/** Bytes on their way, or the sender's end. */
type Parcel = { readonly atMs: number; readonly bytes: Buffer | undefined };

class Direction {
  private parcels: Parcel[] = [];
  private held = 0;
  private timer: NodeJS.Timeout | undefined;
  private isFull = false;
  private hasEnded = false;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly delayMs: () => number,
  ) {
    from.on("data", (bytes: Buffer) => this.take(bytes));
    from.once("end", () => this.end());
    from.once("close", () => this.end());
    to.on("drain", () => {
      this.isFull = false;
      this.pump();
    });
    to.once("close", () => this.giveUp());
  }

  /** Passes on what is due, and comes back when the next is. */
  pump(): void {
    clearTimeout(this.timer);
    for (let next = this.parcels[0]; next !== undefined && !this.isFull; next = this.parcels[0]) {
      const waitMs = next.atMs + this.delayMs() - performance.now();
      if (waitMs > 0) {
        if (Number.isFinite(waitMs)) this.timer = setTimeout(() => this.pump(), waitMs);
        return;
      }
      this.parcels.shift();
      this.pass(next);
    }
  }

  private take(bytes: Buffer): void {
    this.held += bytes.length;
    if (this.held > heldBytes) this.from.pause();
    this.parcels.push({ atMs: performance.now(), bytes });
    this.pump();
  }

  private pass({ bytes }: Parcel): void {
    if (bytes === undefined) {
      this.to.end();
      return;
    }
    this.held -= bytes.length;
    if (this.held <= heldBytes) this.from.resume();
    if (!this.to.destroyed) this.isFull = !this.to.write(bytes);
  }

  private end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.parcels.push({ atMs: performance.now(), bytes: undefined });
    this.pump();
  }

  /** Nobody takes it any more: the sender learns that as it would from the network, once the way back to it is free. */
  private giveUp(): void {
    clearTimeout(this.timer);
    this.parcels = [];
    this.from.resume();
  }
}
