// Open pages that are too many, or do not read what they are told.

import { equal, match, ok } from "node:assert/strict";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { until } from "../../cluster/engine/until.js";
import { eventsRoute } from "../../cluster/page/events.js";
import { createGuard } from "../../cluster/page/guard.js";
import { openServer, type PageServer } from "../../cluster/page/server.js";
import { createViewers, type Viewers } from "../../cluster/page/viewers.js";
import { unwrap } from "../engine/support.js";

const most = 5;

describe("open pages", () => {
  let server: PageServer;
  let viewers: Viewers;
  const ends: (() => void)[] = [];

  before(async () => {
    viewers = createViewers({ viewers: most, unreadBytes: 256 * 1024 });
    const newsroom = { everything: async () => [["status", "{}"]] as const, wake: () => undefined };
    const guard = createGuard({ loopbackOnly: true, viewToken: undefined, operatorToken: undefined });
    const routes = new Map([["/events", eventsRoute(viewers, newsroom)]]);
    server = unwrap(await openServer({ host: "127.0.0.1", port: 0 }, guard, routes));
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) end();
    ok(await until(() => viewers.count() === 0, 5_000), "who goes is forgotten");
  });
  after(async () => {
    viewers.close();
    await server.close();
  });

  function look(): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      get(`http://127.0.0.1:${server.port}/events`, { agent: false }, (answer) => {
        ends.push(() => answer.destroy());
        answer.on("error", () => undefined);
        resolve(answer);
      }).on("error", reject);
    });
  }

  it("are refused beyond the limit, with a sentence and a time to come again, and let in when others go", async () => {
    const open = await Promise.all(Array.from({ length: most }, look));
    ok(open.every(({ statusCode }) => statusCode === 200));
    const refused = await look();
    equal(refused.statusCode, 503);
    equal(refused.headers["retry-after"], "10");
    let words = "";
    for await (const part of refused) words += String(part);
    match(words, /too many pages are open/);
    open[0]?.destroy();
    ok(await until(() => viewers.count() === most - 1, 5_000));
    equal((await look()).statusCode, 200);
  });

  it("are let go when they do not read, and the others go on hearing", async () => {
    const reader = await look();
    let heard = 0;
    reader.on("data", (part: Buffer) => {
      heard += part.length;
    });
    const sleeper = connect(server.port, "127.0.0.1", () => {
      sleeper.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
      sleeper.pause();
    });
    ends.push(() => sleeper.destroy());
    sleeper.on("error", () => undefined);
    ok(await until(() => viewers.count() === 2, 5_000));
    const news = JSON.stringify("x".repeat(64 * 1024));
    // What the operating system holds for it comes on top of what the server holds.
    const isAlone = (): boolean => {
      viewers.tell("events", news);
      return viewers.count() === 1;
    };
    ok(await until(isAlone, 10_000, 2), "the one that sleeps is let go");
    const before = heard;
    viewers.tell("status", news);
    ok(await until(() => heard > before, 5_000), "the one that reads goes on");
  });
});
