// Page. Owns the wiring of everything for people who look: lookout, metrics, newsroom, server; from start to end.
// P1 it answers from before the hosts start until after they ended, so that a probe can tell starting, serving and ending apart.
// P2 nothing of the cluster depends on it: a page that fails says so and the cluster goes on.

import { ok, type Result } from "../../src/kernel/fault.js";
import { type Lookout, type LookoutPorts, openLookout } from "../lookout/lookout.js";
import { createMetrics } from "../metrics/metrics.js";
import { packageVersion } from "../version.js";
import { openConnection } from "../world/connection.js";
import { loadHash } from "../world/hash.js";
import { type Inbox, openInbox } from "../world/inbox.js";
import { defaultPage, isLoopback, type PageAddress, pageAddressOf, urlOf } from "./address.js";
import { eventsRoute } from "./events.js";
import { fileRoutes } from "./files.js";
import { createGuard, type Guard } from "./guard.js";
import { createNewsroom } from "./newsroom.js";
import { carryOut, decodeOrder, orderShape } from "./orders.js";
import { bodyOf, json, openServer, type PageServer, plain, type Route } from "./server.js";
import { detailOf } from "./telling.js";
import { tokenIn } from "./tokens.js";
import type { Status } from "./topics.js";
import { createViewers } from "./viewers.js";

export interface PageWish extends LookoutPorts {
  /** HOST:PORT or `off`; absent: the usual address, or a free port beside it. */
  readonly page: string | undefined;
  readonly orders: boolean;
  readonly dataDir: string;
  readonly sampleIntervalMs: number;
  onNotice(notice: string): void;
}

export interface Page {
  /** To open in a browser; with the viewers' token where one is needed. */
  readonly url: string;
  /** What happens to the cluster, in words; the page shows it. */
  notice(text: string): void;
  /** Queries are served from now on. */
  ready(): void;
  close(): Promise<void>;
}

/** Undefined: no page is wished. */
export async function openPage(wish: PageWish): Promise<Result<Page | undefined>> {
  const address = wish.page === undefined ? ok(defaultPage) : pageAddressOf(wish.page);
  if (!address.ok) return address;
  if (address.value === undefined) return ok(undefined);
  const tokens = await tokensFor(wish, address.value);
  if (!tokens.ok) return tokens;
  const lookout = await openLookout(wish);
  if (!lookout.ok) return lookout;
  const orders = await openOrders(wish);
  if (!orders.ok) {
    await lookout.value.close();
    return orders;
  }
  const opened = await open(wish, address.value, lookout.value, orders.value, tokens.value);
  if (opened.ok) return opened;
  await orders.value.close();
  await lookout.value.close();
  return opened;
}

interface Tokens {
  readonly view: string | undefined;
  readonly operator: string | undefined;
}

async function tokensFor({ dataDir, orders }: PageWish, { host }: PageAddress): Promise<Result<Tokens>> {
  const view = isLoopback(host) ? ok(undefined) : await tokenIn(dataDir, "viewers");
  if (!view.ok) return view;
  const operator = orders ? await tokenIn(dataDir, "operator") : ok(undefined);
  if (!operator.ok) return operator;
  return ok({ view: view.value, operator: operator.value });
}

interface OrderDesk {
  readonly inbox: Inbox;
  close(): Promise<void>;
}

/** Orders have a connection of their own: who only looks must not be able to hold them up. */
async function openOrders({ keeper }: PageWish): Promise<Result<OrderDesk>> {
  const connection = await openConnection({
    address: keeper,
    name: "foreshard-page-orders",
    waitOnFirstConnect: false,
  });
  if (!connection.ok) return connection;
  const inbox = openInbox(connection.value);
  return ok({
    inbox,
    async close() {
      inbox.close();
      await connection.value.close();
    },
  });
}

async function open(
  wish: PageWish,
  address: PageAddress,
  lookout: Lookout,
  orders: OrderDesk,
  { view, operator }: Tokens,
): Promise<Result<Page>> {
  let isReady = false;
  const viewers = createViewers();
  const status = (): Status => ({
    version: packageVersion(),
    trouble: troubleOf(lookout, isReady),
    sampleMs: wish.sampleIntervalMs,
    orders: operator !== undefined,
  });
  const newsroom = createNewsroom({ lookout, viewers, hash: await loadHash(), status });
  const guard = createGuard({ loopbackOnly: isLoopback(address.host), viewToken: view, operatorToken: operator });
  const counts = { refused: () => 0 };
  const metrics = createMetrics(lookout, () => ({ viewers: viewers.count(), refused: counts.refused() }));
  const routes = new Map<string, Route>([
    ...fileRoutes(),
    ["/events", eventsRoute(viewers, newsroom)],
    ["/fragment", { method: "GET", handle: ({ query }) => fragment(lookout, query) }],
    ["/orders", { method: "POST", handle: ({ request }) => order(request, guard, orders.inbox, lookout) }],
    [
      "/metrics",
      {
        method: "GET",
        handle: async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
      },
    ],
    ["/healthz", { method: "GET", open: true, handle: () => health(lookout) }],
    ["/readyz", { method: "GET", open: true, handle: () => readiness(lookout, isReady) }],
  ]);
  const server = await listen(wish, address, guard, routes);
  if (!server.ok) return server;
  counts.refused = () => server.value.refused();
  const url = urlOf({ host: shownHost(address.host), port: server.value.port });
  return ok({
    url: view === undefined ? url : `${url}/?token=${view}`,
    notice: (text) => lookout.chronicle.note("notice", text),
    ready() {
      isReady = true;
    },
    async close() {
      newsroom.close();
      viewers.close();
      await server.value.close();
      await orders.close();
      await lookout.close();
    },
  });
}

function shownHost(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}

/** The usual port is a wish, one that was named is an order. */
async function listen(
  { page, onNotice }: PageWish,
  address: PageAddress,
  guard: Guard,
  routes: ReadonlyMap<string, Route>,
): Promise<Result<PageServer>> {
  const first = await openServer(address, guard, routes);
  if (first.ok || page !== undefined || first.fault.detail?.taken !== true) return first;
  onNotice(`port ${address.port} is taken; the page has another one`);
  return openServer({ ...address, port: 0 }, guard, routes);
}

function troubleOf(lookout: Lookout, isReady: boolean): string {
  if (!lookout.isConnected()) return "the connection to NATS is down";
  if (!isReady) return "the cluster is starting";
  const partitions = lookout.census.partitions();
  if (partitions === undefined) return "no router answers";
  if (partitions.some(({ term }) => term === 0)) return "no leader is elected";
  const down = lookout.census.nodes().filter(({ state }) => state !== "up");
  return down.length === 0 ? "" : `down: ${down.map(({ id }) => id).join(", ")}`;
}

/** The process lives and has its connection. */
function health(lookout: Lookout) {
  return lookout.isConnected() ? plain(200, "ok") : plain(503, "the connection to NATS is down");
}

/** Queries are served: asked anew, as a client would. A node that is down does not end that. */
async function readiness(lookout: Lookout, isReady: boolean) {
  await lookout.refresh();
  const trouble = troubleOf(lookout, isReady);
  return trouble === "" || trouble.startsWith("down:")
    ? plain(200, trouble === "" ? "ok" : `ok; ${trouble}`)
    : plain(503, trouble);
}

function fragment(lookout: Lookout, query: URLSearchParams) {
  const id = Number(query.get("id") ?? "");
  if (!Number.isSafeInteger(id) || id < 0 || !query.has("id"))
    return plain(400, "give the number of a fragment: /fragment?id=16");
  const detail = detailOf(lookout, id);
  return detail === undefined ? plain(404, `there is no fragment ${id}`) : json(detail);
}

async function order(request: Parameters<typeof bodyOf>[0], guard: Guard, inbox: Inbox, lookout: Lookout) {
  const refusal = guard.orderRefusal(request);
  if (refusal !== undefined) return plain(refusal.status, refusal.words);
  if (!(request.headers["content-type"] ?? "").startsWith("application/json")) return plain(415, "send JSON");
  const given = decodeOrder(await bodyOf(request));
  if (given === undefined) return plain(400, orderShape);
  lookout.chronicle.note("notice", `order from the page: ${JSON.stringify(given)}`);
  return carryOut(inbox, given);
}
