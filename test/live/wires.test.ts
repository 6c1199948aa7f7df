import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert";
import { join } from "node:path";
import { connect, type JetStreamManager, type NatsConnection } from "nats";
import { until } from "../../cluster/engine/until.js";
import { fair } from "../../scripts/live/proxy.js";
import { Wires } from "../../scripts/live/wires.js";
import { Bench } from "../engine/support.js";

const cut = Number.POSITIVE_INFINITY;

describe("live: three servers behind wires", function () {
  this.timeout(60_000);
  const bench = new Bench();
  let wires: Wires;
  let nats: NatsConnection;
  let manager: JetStreamManager;

  before(async () => {
    const dataDir = await bench.folder();
    wires = await Wires.open(join(dataDir, "nats"), 3);
    const advertise = { advertise: wires.clientAddresses, routeAdvertise: wires.routeAddresses };
    const engine = await bench.engine({ servers: 3, ...advertise }, dataDir);
    deepStrictEqual(engine.coreServers, wires.clientAddresses);
    nats = await connect({ servers: [...engine.coreServers], ...engine.credentials.core, name: "n1" });
    manager = await nats.jetstreamManager({ timeout: 1_000 });
    // A server that is well by itself may not be known to the others yet.
    const stream = { name: "WIRED", subjects: ["foreshard.wired"], num_replicas: 3 };
    const isMade = () =>
      manager.streams.add(stream).then(
        () => true,
        () => false,
      );
    ok(await until(isMade, 20_000, 100), "three servers never took a stream in three copies");
  });
  after(async () => {
    await nats.close();
    await bench.close();
    await wires.close();
  });

  async function lagging(): Promise<string[]> {
    const { cluster } = await manager.streams.info("WIRED");
    return (cluster?.replicas ?? []).filter(({ current }) => !current).map(({ name }) => name);
  }

  it("have no way to each other or to their clients beside them", async () => {
    const [known = []] = [nats.info?.connect_urls];
    deepStrictEqual(
      known.filter((address) => !wires.clientAddresses.includes(address)),
      [],
    );
    strictEqual([0, 1, 2].flatMap((at) => wires.connected(at)).filter((name) => name === "n1").length, 1);
    const pairs = () =>
      [0, 1, 2].flatMap((at) => wires.routed(at).map((from) => [from, `nats-${at}`].sort().join(" ")));
    // Two servers may hear of each other from the third only.
    await until(() => new Set(pairs()).size === 3, 10_000);
    deepStrictEqual([...new Set(pairs())].sort(), ["nats-0 nats-1", "nats-0 nats-2", "nats-1 nats-2"]);
  });

  it("a host that is cut off is not answered, and is again afterwards", async () => {
    wires.aroundHost("n1", { outMs: 0, backMs: cut });
    await rejects(nats.request("$JS.API.INFO", "", { timeout: 150 }));
    wires.calm();
    ok(
      await until(
        () =>
          nats.request("$JS.API.INFO", "", { timeout: 500 }).then(
            () => true,
            () => false,
          ),
        5_000,
      ),
    );
    wires.aroundHost("n1", fair);
    strictEqual(wires.drop("n1"), 1);
    ok(
      await until(
        () =>
          nats.request("$JS.API.INFO", "", { timeout: 500 }).then(
            () => true,
            () => false,
          ),
        5_000,
      ),
    );
  });

  it("a server that is cut off falls behind, the other two go on, and it catches up", async () => {
    const { cluster } = await manager.streams.info("WIRED");
    const victim = cluster?.replicas?.find(({ name }) => !wires.connected(indexOf(name)).includes("n1"))?.name ?? "";
    wires.aroundServer(indexOf(victim), { saysMs: cut, hearsMs: cut });
    for (let at = 0; at < 20; at++) await nats.jetstream().publish("foreshard.wired", `${at}`, { timeout: 5_000 });
    ok(await until(async () => (await lagging()).includes(victim), 10_000, 50), "it never fell behind");
    wires.calm();
    ok(await until(async () => (await lagging()).length === 0, 15_000, 50), "it never caught up");
  });
});

function indexOf(server: string): number {
  return Number(server.replace("nats-", ""));
}
