import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { until } from "../../cluster/engine/until.js";
import { fair, type LinkProxy, openProxy } from "../../scripts/live/proxy.js";

const host = "127.0.0.1";
const cut = Number.POSITIVE_INFINITY;
const soonMs = 5_000;

describe("live: proxy", () => {
  let echo: Server;
  let proxy: LinkProxy;
  const echoed: Socket[] = [];
  const clients: Socket[] = [];

  beforeEach(async () => {
    echo = createServer((socket) => {
      echoed.push(socket);
      socket.on("error", () => undefined);
      socket.pipe(socket);
    });
    echo.listen(0, host);
    await once(echo, "listening");
    proxy = await openProxy({
      host,
      target: async () => (echo.address() as AddressInfo).port,
      nameOf: (said) => /name=(\w+);/.exec(said)?.[1],
    });
  });
  afterEach(async () => {
    for (const socket of [...clients.splice(0), ...echoed.splice(0)]) socket.destroy();
    await proxy.close();
    echo.close();
  });

  /** A client that has said its name and heard it back. */
  async function client(
    name: string,
  ): Promise<{ socket: Socket; heard: () => string; has: (text: string) => boolean }> {
    const socket = connect(proxy.port, host);
    clients.push(socket);
    let text = "";
    socket.on("error", () => undefined);
    socket.setEncoding("latin1").on("data", (part: string) => {
      text += part;
    });
    socket.write(`name=${name};`);
    const has = (wanted: string): boolean => text.includes(wanted);
    ok(await until(async () => has(`name=${name};`), soonMs, 2));
    return { socket, heard: () => text, has };
  }

  it("passes bytes both ways, in order and whole", async () => {
    const { socket, heard } = await client("a");
    const sent = Array.from({ length: 2_000 }, (_, at) => `${at};`)
      .join("")
      .repeat(40);
    socket.write(sent);
    ok(await until(async () => heard().length >= sent.length + 7, soonMs, 2));
    strictEqual(heard(), `name=a;${sent}`);
    deepStrictEqual(proxy.links(), ["a"]);
  });

  for (const way of ["outMs", "backMs"] as const)
    it(`holds back what passes ${way === "outMs" ? "to" : "from"} the server while it is cut, for that name only, and loses none of it`, async () => {
      const [a, b] = [await client("a"), await client("b")];
      proxy.setWeather("a", { ...fair, [way]: cut });
      a.socket.write("first;");
      b.socket.write("first;");
      ok(await until(async () => b.has("first;"), soonMs, 2));
      strictEqual(a.has("first;"), false);
      a.socket.write("second;");
      proxy.setWeather("a", fair);
      ok(await until(async () => a.has("second;"), soonMs, 2));
      strictEqual(a.heard(), "name=a;first;second;");
    });

  it("cuts a new link as soon as its dialler has said its name", async () => {
    proxy.setWeather("a", { outMs: 0, backMs: cut });
    const socket = connect(proxy.port, host);
    clients.push(socket);
    let heard = 0;
    socket.on("data", ({ length }) => {
      heard += length;
    });
    socket.write("name=a;");
    ok(await until(async () => proxy.links().includes("a") && echoed.length === 1, soonMs, 2));
    const other = await client("b");
    strictEqual(heard, 0);
    other.socket.end();
    proxy.setWeather("a", fair);
    ok(await until(async () => heard === 7, soonMs, 2));
  });

  it("delays", async () => {
    const { socket, has } = await client("a");
    proxy.setWeather("a", { outMs: 60, backMs: 60 });
    const beganMs = performance.now();
    socket.write("late;");
    ok(await until(async () => has("late;"), soonMs, 2));
    ok(performance.now() - beganMs >= 118, "it came too early");
  });

  it("does not read more than it may hold", async () => {
    const { socket } = await client("a");
    proxy.setWeather("a", { outMs: cut, backMs: 0 });
    const chunk = Buffer.alloc(1024 * 1024);
    let taken = 0;
    for (let sent = 0; sent < 24; sent++) socket.write(chunk, () => taken++);
    // What neither the proxy nor the sockets' buffers hold stays with the sender.
    await until(async () => taken > 18, 300, 10);
    ok(taken < 18, `${taken} MiB were taken`);
    proxy.setWeather("a", fair);
    ok(await until(async () => taken === 24, soonMs, 5));
  });

  it("drops links of one name, and tells both ends that the other has ended", async () => {
    const [a, b] = [await client("a"), await client("b")];
    const closed = once(a.socket, "close");
    strictEqual(proxy.drop("a"), 1);
    await closed;
    deepStrictEqual(proxy.links(), ["b"]);
    const ended = once(b.socket, "end");
    for (const socket of echoed) socket.destroy();
    await ended;
    b.socket.end();
    ok(await until(async () => proxy.links().length === 0, soonMs, 2));
  });

  it("refuses whom the server refuses", async () => {
    echo.close();
    const gone = await openProxy({ host, target: async () => 1, nameOf: () => undefined });
    const socket = connect(gone.port, host);
    clients.push(socket);
    socket.on("error", () => undefined);
    await once(socket, "close");
    await gone.close();
  });
});
