// Lookout. Owns what is known of a running cluster by who only watches it: what is heard, and, while somebody wants to know, what is asked.
// O1 one connection, whoever watches and however many. O2 without watchers nothing is asked. O3 no question holds up another: each is bounded.

import type { HorizonName } from "../../src/forecast/horizons.js";
import { ok, type Result } from "../../src/kernel/fault.js";
import { type FragmentId, type NodeId, partitionOfFragment } from "../../src/protocol/subjects.js";
import { type Connection, openConnection } from "../world/connection.js";
import { openInbox } from "../world/inbox.js";
import type { NatsAddress } from "../world/nats-address.js";
import { type Capacities, createCapacities } from "./capacity.js";
import { type Census, createCensus } from "./census.js";
import { type Chronicle, createChronicle } from "./chronicle.js";
import { openEars } from "./ears.js";
import { type EngineWatch, watchEngine } from "./engine-figures.js";
import { type HostFigures, hostFigures, type RouterCount, routerCounts } from "./host-figures.js";
import { type Band, createOutlook, type Outlook } from "./outlook.js";
import { createReplicas, type Replicas } from "./replicas.js";
import { createTraffic, type Traffic } from "./traffic.js";

export interface LookoutPorts {
  readonly keeper: NatsAddress;
  /** What the hosts of this process' supervisor say of themselves. */
  stats(limitMs: number): Promise<ReadonlyMap<string, Result<unknown>>>;
  hosts(): readonly { readonly id: string; readonly role: string; readonly pid: number }[];
}

export interface Lookout {
  readonly traffic: Traffic;
  readonly replicas: Replicas;
  readonly outlook: Outlook;
  readonly census: Census;
  readonly engine: EngineWatch;
  readonly chronicle: Chronicle;
  readonly capacities: Capacities;
  /** Makes everything as fresh as a second; settles when what can be known is known. */
  refresh(): Promise<void>;
  /** Undefined: that host is silent. */
  figures(): ReadonlyMap<string, HostFigures | undefined>;
  roles(): ReadonlyMap<string, string>;
  routers(): readonly RouterCount[];
  bands(horizon: HorizonName): ReadonlyMap<NodeId, Band>;
  /** Milliseconds since the leader of each partition renewed its lease, where that was heard. */
  leaseAges(): ReadonlyMap<number, number>;
  /** Moves that ended while this lookout listened, by strategy and outcome. */
  endedMoves(): ReadonlyMap<string, number>;
  unreadable(): number;
  isConnected(): boolean;
  close(): Promise<void>;
}

const statsLimitMs = 500;
const hostsFreshMs = 900;

export async function openLookout(ports: LookoutPorts): Promise<Result<Lookout>> {
  const connection = await openConnection({
    address: ports.keeper,
    name: "foreshard-lookout",
    waitOnFirstConnect: false,
  });
  return connection.ok ? ok(lookOver(connection.value, ports)) : connection;
}

function lookOver(connection: Connection, ports: LookoutPorts): Lookout {
  const traffic = createTraffic();
  const capacities = createCapacities();
  const outlook = createOutlook();
  const chronicle = createChronicle();
  const inbox = openInbox(connection);
  const census = createCensus(inbox);
  const replicas = createReplicas((node, fragment) => {
    const copies = census.views().get(partitionOfFragment(fragment))?.fragments.get(fragment)?.replicas;
    return copies?.some((copy) => copy.node === node) ?? false;
  });
  const engine = watchEngine(inbox);
  const leases = new Map<number, number>();
  /** Strategies of moves that were heard to begin and not to end; a cluster has few at once. */
  const begun = new Map<string, string>();
  const ended = new Map<string, number>();
  const bands = new Map<HorizonName, ReadonlyMap<NodeId, Band>>();
  let figures: ReadonlyMap<string, HostFigures | undefined> = new Map();
  let routers: readonly RouterCount[] = [];
  let hostsAtMs = Number.NEGATIVE_INFINITY;
  let drawn = "";
  let round: Promise<void> | undefined;

  const ears = openEars(connection, {
    sample(sample) {
      if (traffic.take(sample)) capacities.take(sample);
    },
    news: (news) => outlook.take(news, performance.now()),
    heartbeat: (heartbeat) => replicas.take(heartbeat, performance.now()),
    lease: (partition) => leases.set(partition, performance.now()),
    move(event) {
      const text = moveText(event);
      if (text !== undefined) chronicle.note("move", text);
      if (event.kind === "moveStarted") noteStart(event);
      if (event.kind === "moveEnded") countEnd(event);
    },
  });

  function noteStart({ partition, move }: Readonly<Record<string, unknown>>): void {
    const { id, strategy }: Readonly<Record<string, unknown>> = typeof move === "object" ? { ...move } : {};
    begun.set(`${partition} ${id}`, String(strategy));
  }
  function countEnd({ partition, move, outcome }: Readonly<Record<string, unknown>>): void {
    const strategy = begun.get(`${partition} ${move}`) ?? "unknown";
    begun.delete(`${partition} ${move}`);
    const key = `${strategy} ${outcome}`;
    ended.set(key, (ended.get(key) ?? 0) + 1);
  }

  async function askHosts(): Promise<void> {
    if (performance.now() - hostsAtMs < hostsFreshMs) return;
    hostsAtMs = performance.now();
    const count = ports.hosts().filter(({ role }) => role === "router").length;
    const [stats, counts] = await Promise.all([ports.stats(statsLimitMs), routerCounts(connection, count)]);
    figures = hostFigures(stats);
    routers = counts;
  }

  /** Draws what is expected of the nodes anew when forecasts or leaders of fragments changed. */
  async function draw(): Promise<void> {
    const seqs = (census.partitions() ?? []).map(({ seq }) => seq).join(" ");
    const now = `${outlook.version()} ${seqs}`;
    if (now === drawn) return;
    drawn = now;
    const led = ledBy(census);
    for (const horizon of ["short", "long"] as const)
      bands.set(horizon, await outlook.draw(horizon, led, (node) => capacities.of(node)));
  }

  async function run(): Promise<void> {
    if (!connection.isUp()) return;
    await Promise.all([census.refresh(), engine.refresh(), askHosts()]);
    await draw();
  }

  return {
    traffic,
    replicas,
    outlook,
    census,
    engine,
    chronicle,
    capacities,
    refresh() {
      round ??= run()
        .catch(() => undefined)
        .finally(() => {
          round = undefined;
        });
      return round;
    },
    figures: () => figures,
    roles: () => new Map(ports.hosts().map(({ id, role }) => [id, role])),
    routers: () => routers,
    bands: (horizon) => bands.get(horizon) ?? new Map(),
    leaseAges: () => new Map([...leases].map(([partition, atMs]) => [partition, performance.now() - atMs])),
    endedMoves: () => ended,
    unreadable: () => ears.unreadable(),
    isConnected: () => connection.isUp(),
    async close() {
      ears.close();
      inbox.close();
      await connection.close();
    },
  };
}

function ledBy(census: Census): Map<NodeId, FragmentId[]> {
  const led = new Map<NodeId, FragmentId[]>();
  for (const view of census.views().values()) {
    for (const { id, primary } of view.fragments.values()) {
      const own = led.get(primary);
      if (own === undefined) led.set(primary, [id]);
      else own.push(id);
    }
  }
  return led;
}

function moveText(event: Readonly<Record<string, unknown>>): string | undefined {
  switch (event.kind) {
    case "moveStarted": {
      const move = event.move;
      if (typeof move !== "object" || move === null) return undefined;
      const { id, fragment, from, to, strategy, cause }: Readonly<Record<string, unknown>> = { ...move };
      return `move ${id}: fragment ${fragment} goes from ${from} to ${to} (${strategy}, ${cause})`;
    }
    case "moveAdvanced":
      return `move ${event.move}: ${event.phase}${event.note === "" ? "" : `, ${event.note}`}`;
    case "moveEnded":
      return `move ${event.move}: ${event.outcome}${event.why === "" ? "" : `, ${event.why}`}`;
    default:
      return undefined;
  }
}
