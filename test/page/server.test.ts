// The page's server against clients that are wrong, large, slow or many; and the guard before it.

import { equal, match, ok } from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { until } from "../../cluster/engine/until.js";
import { createGuard, type GuardSpec } from "../../cluster/page/guard.js";
import { bodyOf, openServer, type PageServer, pageLimits, plain, type Route } from "../../cluster/page/server.js";
import { faultOf, unwrap } from "../engine/support.js";

const bounds = { ...pageLimits, headersMs: 150, requestMs: 300, idleMs: 300, connections: 8, lookMs: 50 };
const routes = new Map<string, Route>([
  ["/", { method: "GET", handle: () => plain(200, "the page") }],
  ["/probe", { method: "GET", open: true, handle: () => plain(200, "alive") }],
  ["/break", { method: "GET", handle: () => Promise.reject(new Error("a secret of ours")) }],
  [
    "/orders",
    {
      method: "POST",
      handle: async ({ request }) => ((await bodyOf(request)) === undefined ? plain(400, "no") : plain(200, "yes")),
    },
  ],
]);
const openToAll: GuardSpec = { loopbackOnly: true, viewToken: undefined, operatorToken: undefined };

describe("the page's server", () => {
  const servers: PageServer[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) await server.close();
  });

  async function open(spec: Partial<GuardSpec> = {}): Promise<string> {
    const address = { host: "127.0.0.1", port: 0 };
    const server = unwrap(await openServer(address, createGuard({ ...openToAll, ...spec }), routes, bounds));
    servers.push(server);
    return `http://127.0.0.1:${server.port}`;
  }

  /** Sends bytes as they are; everything that came until the other side ended it. */
  function raw(url: string, text: string): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(text));
      sockets.push(socket);
      let heard = "";
      socket.on("data", (part) => (heard += part));
      socket.on("error", () => resolve(heard));
      socket.on("close", () => resolve(heard));
    });
  }

  it("answers with headers that keep a browser from doing more than it should", async () => {
    const url = await open();
    const answer = await fetch(url);
    equal(answer.status, 200);
    equal(await answer.text(), "the page\n");
    match(answer.headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/);
    equal(answer.headers.get("x-content-type-options"), "nosniff");
    const head = await fetch(url, { method: "HEAD" });
    equal(head.status, 200);
    equal(await head.text(), "");
  });

  it("refuses unknown places, other methods and long addresses, and tells no secret when it breaks", async () => {
    const url = await open();
    equal((await fetch(`${url}/../../etc/passwd`)).status, 404);
    equal((await fetch(`${url}/%2e%2e/page.js`)).status, 404);
    const put = await fetch(url, { method: "DELETE" });
    equal(put.status, 405);
    equal(put.headers.get("allow"), "GET");
    equal((await fetch(`${url}/orders`)).status, 405);
    equal((await fetch(`${url}/?${"x".repeat(2000)}`)).status, 414);
    const broken = await fetch(`${url}/break`);
    equal(broken.status, 500);
    ok(!(await broken.text()).includes("secret"));
  });

  it("lets go of huge headers, huge bodies, slow clients and what is not HTTP", async () => {
    const url = await open();
    match(
      await raw(url, `GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431/,
    );
    const large = await fetch(`${url}/orders`, { method: "POST", body: "x".repeat(100_000) }).then(
      ({ status }) => status,
      () => 0,
    );
    ok(large === 400 || large === 0, `it was taken: ${large}`);
    const begun = performance.now();
    await raw(url, "GET / HTTP/1.1\r\nHost: local");
    ok(performance.now() - begun < 5_000, "a client that never ends its headers is let go");
    await raw(url, "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf");
    match(await raw(url, "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"), /^HTTP\/1\.1 400/);
    equal((await fetch(url)).status, 200);
  });

  it("keeps the number of connections bounded, and serves again when they go", async () => {
    const url = await open();
    for (let count = 0; count < 40; count++) {
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      socket.on("error", () => undefined);
      sockets.push(socket);
    }
    ok(await until(() => (servers[0]?.refused() ?? 0) >= 32, 3_000), "the rest is refused");
    for (const socket of sockets.splice(0)) socket.destroy();
    const serves = async (): Promise<boolean> => (await fetch(url).catch(() => undefined))?.status === 200;
    ok(await until(serves, 5_000));
  });

  it("says which port is taken and what to do", async () => {
    const port = Number(new URL(await open()).port);
    const refused = faultOf(await openServer({ host: "127.0.0.1", port }, createGuard(openToAll), routes));
    equal(refused.code, "CONFIG");
    match(refused.message, new RegExp(`port ${port} of 127.0.0.1 is taken: choose another with --page`));
  });

  it("answers on loopback only to loopback's names, so that no other site can point its name here", async () => {
    const url = await open();
    match(await raw(url, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 421/);
    match(await raw(url, "GET / HTTP/1.1\r\nHost: localhost:99\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 200/);
    match(await raw(url, "GET /probe HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 200/);
  });

  it("wants the viewers' token where there is one: in the address once, then in a cookie, or as a bearer", async () => {
    const url = await open({ loopbackOnly: false, viewToken: "a-token-of-viewers" });
    equal((await fetch(url)).status, 401);
    equal((await fetch(`${url}/?token=wrong`)).status, 401);
    equal((await fetch(`${url}/probe`)).status, 200);
    const login = await fetch(`${url}/?token=a-token-of-viewers`, { redirect: "manual" });
    equal(login.status, 303);
    const cookie = login.headers.get("set-cookie") ?? "";
    match(cookie, /HttpOnly; SameSite=Strict/);
    equal((await fetch(url, { headers: { cookie: cookie.split(";")[0] ?? "" } })).status, 200);
    equal((await fetch(url, { headers: { authorization: "Bearer a-token-of-viewers" } })).status, 200);
    equal((await fetch(url, { headers: { authorization: "Bearer a-token-of-viewer" } })).status, 401);
  });
});
