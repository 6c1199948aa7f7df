// Telemetry by date range, kept for a week.
// Run it with `node docs/examples/telemetry.mjs`: it starts a cluster of its own. With FORESHARD_URL it uses that one.
import { connect, startCluster } from "foreshard";

const own = process.env.FORESHARD_URL ? undefined : await startCluster({ nodes: 3 });
const db = await connect(own?.url ?? process.env.FORESHARD_URL);

const day = (number, hour = 0) => new Date(Date.UTC(2026, 2, number, hour));

// A range table keeps rows in the order of their keys: by time, then by device. It is cut where days begin.
await db.admin.createTable({
  name: "telemetry",
  partitioning: "range",
  key: { partition: "date", sort: "string" },
  splitAt: [day(4), day(7), day(10)],
});
const telemetry = db.table("telemetry");

// Ten days, four devices, one value an hour.
for (let number = 1; number <= 10; number++) {
  const writes = [];
  for (let hour = 0; hour < 24; hour++)
    for (const device of ["d1", "d2", "d3", "d4"])
      writes.push(telemetry.put([day(number, hour), device], { device, celsius: 15 + hour / 4 + number }));
  await Promise.all(writes);
}

// A date range reads only the fragments that it touches; each sums up its own part.
const march8 = { from: day(8), to: day(9) };
const { groups, rowsSeen } = await telemetry.aggregate({
  ...march8,
  groupBy: ["device"],
  aggregates: [{ fn: "avg", field: "celsius" }, { fn: "max", field: "celsius" }, { fn: "count" }],
});
for (const { group, avg_celsius, max_celsius, count } of groups)
  console.log(`${group.device}: ${avg_celsius} °C on average, ${max_celsius} at most, ${count} values`);
console.log(`${rowsSeen} rows were looked at`);

const newest = telemetry.scan({ reverse: true, limit: 2, filter: { device: "d2" } });
for await (const { key, doc } of newest) {
  console.log("newest of d2:", key[0].toISOString(), doc.celsius);
  break;
}

// Retention: everything before the last seven days goes. Whoever runs this may run it again at any time.
const keepDays = 7;
const now = day(11);
const { deleted } = await telemetry.deleteRange({ to: new Date(now.getTime() - keepDays * 86_400_000) });
console.log("deleted:", deleted);
console.log("left:", (await telemetry.aggregate({ aggregates: [{ fn: "count" }] })).groups[0].count);

// New days are written at the end of the last fragment, and the first is empty now: cut where tomorrow begins, and join what is old.
const last = (await db.cluster.fragments("telemetry")).find(({ to }) => to === null);
await db.admin.split({ table: "telemetry", fragment: last.id, at: day(12) });
const [first, second] = await inOrder();
await db.admin.merge({ table: "telemetry", left: first.id, right: second.id });
for (const { from, to } of await inOrder()) console.log("fragment:", words(from), "to", words(to));

async function inOrder() {
  const time = ({ from }) => (from === null ? Number.NEGATIVE_INFINITY : from.getTime());
  return [...(await db.cluster.fragments("telemetry"))].sort((a, b) => time(a) - time(b));
}
function words(date) {
  return date === null ? "the end" : date.toISOString().slice(0, 10);
}

await db.close();
await own?.stop();
