// A multi-tenant session store whose nightly import is declared beforehand.
// Run it with `node docs/examples/sessions.mjs`: it starts a cluster of its own. With FORESHARD_URL it uses that one.
import { setTimeout as pause } from "node:timers/promises";
import { connect, startCluster } from "foreshard";

// The import has a user, and so a client group, of its own: its load is counted and foretold apart from that of people.
const importer = {
  user: "acme-import",
  pass: "import-at-night",
  publish: ["foreshard.query._cluster.view", "foreshard.query.sessions.read.*", "foreshard.query.sessions.write.*"],
};
const own = process.env.FORESHARD_URL
  ? undefined
  : await startCluster({ nodes: 3, forecasters: 1, sampleIntervalMs: 500, users: [importer] });
const url = own?.url ?? process.env.FORESHARD_URL;
const db = await connect(url);

// One partition key per tenant: its sessions lie together, in the order of their names.
await db.admin.createTable({ name: "sessions", key: { partition: "string", sort: "string" }, fragments: 8 });
const sessions = db.table("sessions");

const lifetimeMs = 8 * 3_600_000;
const login = (tenant, session, user, now) =>
  sessions.insert([tenant, session], { user, expiresAt: new Date(now + lifetimeMs) });

/** False: there is no such session (any more). An update never brings back what was deleted meanwhile. */
async function touch(tenant, session, now) {
  try {
    await sessions.update([tenant, session], { expiresAt: new Date(now + lifetimeMs) });
    return true;
  } catch (error) {
    if (error.code === "NOT_FOUND") return false;
    throw error;
  }
}

const logoutEverywhere = (tenant, user) => sessions.deleteRange({ partition: tenant, filter: { user } });
const sweep = (now) => sessions.deleteRange({ filter: { expiresAt: { le: new Date(now) } } });

const noon = Date.UTC(2026, 2, 1, 12);
await login("acme", "s1", "ada", noon);
await login("acme", "s2", "ada", noon);
await login("acme", "s3", "bob", noon - lifetimeMs);
await login("blue", "s1", "cleo", noon);
console.log("touched:", await touch("acme", "s1", noon + 60_000), await touch("acme", "s9", noon));
console.log("expired:", (await sweep(noon)).deleted);
console.log("logged out:", (await logoutEverywhere("acme", "ada")).deleted);
for await (const { key, doc } of sessions.scan()) console.log("left:", key.join("/"), doc.user);

// Acme imports its users every night, 400 writes per second for half an hour. Tonight begins with the next minute.
const tonight = new Date(Date.now() + 60_000);
await db.admin.putProfile({
  name: "acme-nightly",
  group: importer.user,
  tables: [{ table: "sessions", keys: ["acme"] }],
  schedule: `${tonight.getUTCMinutes()} ${tonight.getUTCHours()} * * *`,
  timeZone: "UTC",
  duration: "30m",
  rates: { put: 400 },
  expires: "2030-12-31",
});

/** What the group is expected to ask within the long horizon, as soon as the forecasters count on the profile. */
async function foretold(group) {
  for (let tries = 0; tries < 120; tries++) {
    const forecast = await db.cluster.forecast({ table: "sessions", group, horizon: "long" }).catch(() => undefined);
    const promised = forecast?.series.find(({ profiles }) => profiles.length > 0);
    if (promised !== undefined) return { forecast, promised };
    await pause(500);
  }
  throw new Error("no forecast within a minute");
}
const { forecast, promised } = await foretold(importer.user);
const median = promised.max[forecast.levels.indexOf(0.5)];
console.log("counted on:", promised.profiles.map(({ name }) => name).join());
console.log("foretold:", Math.round(median / 100) * 100, "writes per second, before the first was seen");

// The import itself, as its own user: what one turn of the event loop asks for travels together.
const night = await connect({ servers: url, user: importer.user, pass: importer.pass });
const users = Array.from({ length: 500 }, (_, number) => `user-${String(number).padStart(3, "0")}`);
const imported = night.table("sessions");
await Promise.all(users.map((user) => imported.put(["acme", user], { user, expiresAt: new Date(noon + lifetimeMs) })));
const { groups } = await sessions.aggregate({ partition: "acme", aggregates: [{ fn: "count" }] });
console.log("imported:", groups[0].count);

await db.admin.removeProfile("acme-nightly");
await night.close();
await db.close();
await own?.stop();
