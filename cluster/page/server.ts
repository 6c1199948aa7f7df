// Server. Owns the HTTP of the page: one small server with a limit on everything that a client can make large, slow or many.
// W1 headers, bodies, times and connections are bounded; whoever goes beyond is answered once and let go. W2 every answer carries the headers that keep a browser
//    from doing more than it should: nothing from elsewhere, no frames, no guessing of types. W3 no text of a client stands in an answer but as JSON or plain text.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";
import type { PageAddress } from "./address.js";
import type { Guard } from "./guard.js";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Route {
  readonly method: "GET" | "POST";
  /** Probes answer everybody. */
  readonly open?: boolean;
  /** An answer, or undefined: it answers by itself, and goes on (events). */
  handle(asked: Asked): Promise<Answer | undefined> | Answer | undefined;
}

export interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface PageServer {
  readonly port: number;
  refused(): number;
  close(): Promise<void>;
}

export type PageLimits = { readonly [L in keyof typeof pageLimits]: number };

export const pageLimits = {
  headerBytes: 8 * 1024,
  headers: 64,
  bodyBytes: 16 * 1024,
  addressLength: 1024,
  headersMs: 5_000,
  requestMs: 10_000,
  idleMs: 5_000,
  connections: 2_048,
  /** How often connections are looked at for their times. */
  lookMs: 1_000,
} as const;

const safety: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
  "Cache-Control": "no-store",
};

export async function openServer(
  address: PageAddress,
  guard: Guard,
  routes: ReadonlyMap<string, Route>,
  bounds: PageLimits = pageLimits,
): Promise<Result<PageServer>> {
  let refused = 0;
  const server = createServer(
    {
      maxHeaderSize: bounds.headerBytes,
      headersTimeout: bounds.headersMs,
      requestTimeout: bounds.requestMs,
      keepAliveTimeout: bounds.idleMs,
      connectionsCheckingInterval: bounds.lookMs,
    },
    (request, response) => {
      const answered = answer(request, response, guard, routes).catch(
        (): Answer => plain(500, "this is a bug of the page; please report it"),
      );
      void answered.then((given) => {
        if (given === undefined) return;
        if (given.status >= 400) refused++;
        send(request, response, given);
      });
    },
  );
  server.maxHeadersCount = bounds.headers;
  server.maxConnections = bounds.connections;
  server.on("drop", () => refused++);
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    refused++;
    const status = clientMistakes[error.code ?? ""] ?? "400 Bad Request";
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    else socket.destroy();
  });
  const listening = await listen(server, address);
  if (!listening.ok) return listening;
  return ok({ port: listening.value, refused: () => refused, close: () => close(server) });
}

const clientMistakes: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

async function listen(server: Server, { host, port }: PageAddress): Promise<Result<number>> {
  return new Promise((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE"
          ? `port ${port} of ${host} is taken: choose another with --page HOST:PORT, or --page off`
          : `it cannot listen on ${host}:${port} (${error.code ?? error.message}): choose an address of this machine with --page HOST:PORT, or --page off`;
      resolve(fail("CONFIG", `the page: ${why}`, { port, taken: error.code === "EADDRINUSE" }));
    });
    server.listen({ host, port, exclusive: true }, () => {
      const bound: AddressInfo | string | null = server.address();
      resolve(ok(typeof bound === "object" && bound !== null ? bound.port : port));
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  guard: Guard,
  routes: ReadonlyMap<string, Route>,
): Promise<Answer | undefined> {
  const address = request.url ?? "/";
  if (address.length > pageLimits.addressLength) return plain(414, "the address is too long");
  const [path = "/", query = ""] = address.split("?");
  const route = routes.get(path);
  if (route?.open !== true) {
    const refusal = guard.refusal(request);
    if (refusal === "login")
      return { ...plain(303, "see the page"), headers: { Location: "/", "Set-Cookie": guard.cookie ?? "" } };
    if (refusal !== undefined) return plain(refusal.status, refusal.words);
  }
  if (route === undefined) return plain(404, "there is nothing here; the page is at /, metrics are at /metrics");
  const method = request.method === "HEAD" ? "GET" : request.method;
  if (method !== route.method)
    return { ...plain(405, `${route.method} is what this answers to`), headers: { Allow: route.method } };
  return route.handle({ request, response, path, query: new URLSearchParams(query) });
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body, headers }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    ...safety,
    "Content-Type": type,
    "Content-Length": Buffer.byteLength(body),
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : body);
  // A body that nobody reads would keep the connection busy.
  if (!request.complete) response.once("finish", () => request.destroy());
}

/** Headers of an answer that a route writes itself. */
export function openStream(response: ServerResponse, type: string): void {
  response.writeHead(200, { ...safety, "Content-Type": type });
  response.flushHeaders();
}

export function plain(status: number, words: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${words}\n` };
}

export function json(value: unknown, status = 200): Answer {
  return { status, type: "application/json; charset=utf-8", body: JSON.stringify(value) };
}

/** Undefined: larger than it may be, or not JSON. */
export async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    if (!Buffer.isBuffer(part)) return undefined;
    size += part.length;
    if (size > pageLimits.bodyBytes) return undefined;
    parts.push(part);
  }
  return valueOfJson(Buffer.concat(parts).toString("utf8"));
}
