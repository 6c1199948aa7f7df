// Forecasts of a real cluster: who asks is counted by the server's stamp, forecasts appear, survive foreign messages and the death of a forecaster.

import assert from "node:assert/strict";
import { connect, headers, type NatsConnection } from "nats";
import type { ForecastAnswer } from "../../cluster/client/index.js";
import { loadCredentials } from "../../cluster/engine/credentials.js";
import { until } from "../../cluster/engine/until.js";
import { unwrap } from "../engine/support.js";
import { Siege } from "./siege.js";

const clerk = { user: "ada", pass: "a-long-password" };
const limitMs = 30_000;

describe("forecasts of a running cluster", () => {
  const siege = new Siege();
  let load: NodeJS.Timeout;
  let ada: NatsConnection;

  before(async function () {
    this.timeout(60_000);
    await siege.begin({
      nodes: 2,
      forecasters: 2,
      sampleInterval: "100ms",
      users: [{ ...clerk, publish: ["foreshard.query.kept.get"], group: "office" }],
    });
    ada = await siege.user(clerk);
    const forged = headers();
    forged.set("Content-Type", "application/json");
    forged.set("Nats-Request-Info", JSON.stringify({ user: "somebody-else" }));
    const kept = siege.client.table("kept");
    load = setInterval(() => {
      for (let key = 0; key < 8; key++) kept.get(`k${key}`).catch(() => undefined);
      ada
        .request("foreshard.query.kept.get", '{"key": "k1"}', { headers: forged, timeout: 2000 })
        .catch(() => undefined);
    }, 40);
  });
  after(async () => {
    clearInterval(load);
    await siege.close();
  });

  const ask = (more: { readonly group?: string } = {}): Promise<ForecastAnswer | undefined> =>
    siege.client.cluster.forecast({ table: "kept", ...more }).catch(() => undefined);

  async function eventually(what: string, holds: (answer: ForecastAnswer) => boolean): Promise<ForecastAnswer> {
    let last: ForecastAnswer | undefined;
    const found = async (): Promise<boolean> => {
      last = await ask();
      return last !== undefined && holds(last);
    };
    const met = await until(found, limitMs);
    assert.ok(met && last !== undefined, `${what}: ${JSON.stringify(last)?.slice(0, 2000)}`);
    return last;
  }

  it("name the groups that the server stamped, whatever a client says, and foretell about what they ask", async () => {
    const answer = await eventually("both groups are forecast", ({ series, total }) => {
      const groups = new Set(series.map(({ group }) => group));
      return groups.has("client") && groups.has("office") && total.record.matured > 20;
    });
    assert.deepEqual([...new Set(answer.series.map(({ group }) => group))].sort(), ["client", "office"]);
    assert.equal(answer.total.steps.length, 12);
    const median = answer.total.steps[0]?.[3] ?? 0;
    assert.ok(median > 50 && median < 400, `225 queries per second are asked, ${median} foretold`);
    assert.ok(answer.series.filter(({ group }) => group === "office").every(({ fragment }) => fragment >= 0));
    assert.equal((await ask({ group: "office" }))?.total.series, 1);
  });

  it("go on when foreign messages stand in the load stream, and when a forecaster dies", async function () {
    this.timeout(60_000);
    const before = await eventually("all series are there", ({ forecasters }) => forecasters.length === 2);
    const { core } = unwrap(await loadCredentials(siege.cluster.dataDir));
    const inside = await connect({ servers: new URL(siege.cluster.natsUrl).host, ...core, reconnect: false });
    inside.publish("foreshard.load.nobody", "no sample at all");
    await inside.flush();
    await inside.close();
    await eventually("the foreign message is counted", ({ forecasters }) =>
      forecasters.some(({ foreign }) => foreign > 0),
    );
    assert.ok(siege.cluster.kill("f1"));
    const killedMs = Date.now();
    // Whoever lives takes over, with the past: forecasts from after the death, of every series.
    const after = await eventually(
      "every series is forecast on",
      ({ series }) => series.length >= before.series.length && series.every(({ atMs }) => atMs > killedMs + 3000),
    );
    assert.ok(after.series.every(({ recent }) => recent.filter((value) => value !== null).length > 5));
  });

  it("foretell declared demand that nobody has seen, and refuse what makes no sense", async () => {
    const profile = {
      name: "soon",
      group: "night",
      tables: ["kept"],
      schedule: "*/10 * * * * *",
      duration: "10s",
      rates: { get: 1000 },
      expires: new Date(Date.now() + 86_400_000).toISOString(),
    };
    await siege.client.admin.putProfile(profile);
    const answer = await eventually("the declared group is forecast", ({ series }) =>
      series.some(({ group, profiles }) => group === "night" && profiles.length > 0),
    );
    const night = answer.series.find(({ group }) => group === "night");
    assert.equal(night?.profiles[0]?.name, "soon");
    assert.ok((night?.max[6] ?? 0) > 150, "a quarter of a thousand falls to a fragment of four");
    assert.deepEqual(
      (await siege.client.cluster.profiles()).map(({ name }) => name),
      ["soon"],
    );
    const clash = siege.client.admin.putProfile({ ...profile, name: "also" });
    await assert.rejects(clash, { code: "BAD_PROFILE", message: /profile soon declares demand of group night/ });
    await assert.rejects(siege.client.admin.putProfile({ ...profile, tables: ["none"] }), { code: "UNKNOWN_TABLE" });
    await siege.client.admin.removeProfile("soon");
    await assert.rejects(siege.client.admin.removeProfile("soon"), { code: "UNKNOWN_PROFILE" });
  });
});
