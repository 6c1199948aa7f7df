import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { clusterOperations, tableOperations } from "../../cluster/door/operations.js";
import { configText, seatCount } from "../../cluster/engine/config.js";
import { innerUsers, loadCredentials, writePrivate } from "../../cluster/engine/credentials.js";
import { permissionsOf } from "../../cluster/engine/roles.js";
import { openUserBook, publishOf, userWish } from "../../cluster/engine/users.js";
import { Bench, faultOf, unwrap } from "./support.js";

const wishOf = (given: object) => userWish.parse(given);

describe("engine: users", () => {
  const bench = new Bench();
  after(() => bench.close());

  it("grants a reader its tables and the way there, and nothing that writes", () => {
    const granted = publishOf(wishOf({ user: "ann", role: "reader", tables: ["orders"] }));
    ok(granted.includes("foreshard.query.orders.get") && granted.includes("foreshard.query.orders.read.*"));
    ok(granted.includes("foreshard.query._cluster.view"));
    strictEqual(granted.filter((subject) => /\.(put|insert|update|delete|batch|write)\b|>/.test(subject)).length, 0);
    ok(granted.every((subject) => /^foreshard\.query\.(orders|_cluster)\./.test(subject)));
  });

  it("grants a writer its tables, and only reading on the others", () => {
    const granted = publishOf(wishOf({ user: "w", role: "writer", tables: ["orders"], reads: ["prices"] }));
    ok(granted.includes("foreshard.query.orders.put") && granted.includes("foreshard.query.orders.write.*"));
    ok(granted.includes("foreshard.query.prices.scan"));
    ok(!granted.some((subject) => subject.startsWith("foreshard.query.prices.") && /put|write/.test(subject)));
  });

  it("no operation on tables has the name of one on the cluster: a grant on all tables is none on the cluster", () => {
    const both = Object.keys(tableOperations).filter((op) => Object.hasOwn(clusterOperations, op));
    deepStrictEqual(both, []);
  });

  it("refuses names that the cluster needs, and what is no name", () => {
    for (const user of [...innerUsers, "client", "a b", "", "a.b", ">", "x".repeat(65)])
      ok(!userWish.safeParse({ user, role: "reader" }).success, user);
    ok(!userWish.safeParse({ user: "ann", role: "reader", tables: ["a.>"] }).success);
    ok(!userWish.safeParse({ user: "ann", role: "admin" }).success);
  });

  it("keeps each user in its seat, and the file for the owner only", async () => {
    const folder = await bench.folder();
    const fixed = { user: "fixed", pass: "fixed-secret", publish: [] };
    let book = unwrap(await openUserBook(folder, [fixed]));
    const names = ["a", "b", "c"];
    for (const user of names) ({ book } = unwrap(book.with(wishOf({ user, role: "reader" }), 1)));
    book = unwrap(book.without("b"));
    ({ book } = unwrap(book.with(wishOf({ user: "d", role: "operator" }), 2)));
    const before = book.list().find(({ user }) => user === "c");
    ({ book } = unwrap(book.rotated("c")));
    ok(before?.pass !== book.list().find(({ user }) => user === "c")?.pass, "a new password");
    unwrap(await book.save());
    strictEqual((await stat(join(folder, "users.json"))).mode & 0o777, 0o600);
    const again = unwrap(await openUserBook(folder, [fixed]));
    deepStrictEqual(
      again.seats().flatMap((held, seat) => (held === undefined ? [] : [[seat, held.user]])),
      [
        [0, "a"],
        [1, "d"],
        [2, "c"],
        [seatCount - 1, "fixed"],
      ],
    );
    strictEqual(faultOf(again.with(wishOf({ user: "a", role: "reader" }), 3)).code, "EXISTS");
    strictEqual(faultOf(again.without("nobody")).code, "NOT_FOUND");
    match(faultOf(again.without("fixed")).message, /start options/);
  });

  it("has a limit", async () => {
    let book = unwrap(await openUserBook(await bench.folder(), []));
    for (let n = 0; n < seatCount; n++) ({ book } = unwrap(book.with(wishOf({ user: `u${n}`, role: "reader" }), 1)));
    match(faultOf(book.with(wishOf({ user: "one-more", role: "reader" }), 1)).message, /64 seats/);
  });

  it("draws the users that an older folder lacks, and keeps those it has", async () => {
    const folder = await bench.folder();
    const one = (user: string) => ({ user, pass: `${user}-pass`, inboxPrefix: `_INBOX_${user}` });
    const held = { core: one("core"), client: one("client"), sys: one("sys"), route: one("route") };
    await writePrivate(join(folder, "credentials.json"), JSON.stringify(held));
    const found = unwrap(await loadCredentials(folder));
    strictEqual(found.client.pass, "client-pass");
    ok(found.node.pass.length > 20 && found.node.pass !== found.router.pass);
    deepStrictEqual(unwrap(await loadCredentials(folder)), found);
  });

  it("no inner user may say or hear everything, or delete a stream", async () => {
    const credentials = unwrap(await loadCredentials(await bench.folder()));
    const text = configText({
      name: "n",
      port: 1,
      monitorPort: 2,
      folder: "/x",
      durability: "always",
      maxFileBytes: 1,
      credentials,
      seats: [],
    });
    const { accounts } = JSON.parse(text);
    const inner: { user: string; permissions: { publish: string[]; subscribe: string[] } }[] = accounts.CORE.users;
    strictEqual(inner.length, innerUsers.length);
    for (const { user, permissions } of inner) {
      ok(![...permissions.publish, ...permissions.subscribe].includes(">"), user);
      ok(!permissions.subscribe.includes("_INBOX.>"), user);
    }
    for (const [user, { publish }] of Object.entries(permissionsOf))
      if (user !== "core")
        ok(
          !publish.some((one) => /DELETE\.\*$|^\$JS\.API\.>|^foreshard\.>/.test(one) && !one.includes("CONSUMER")),
          user,
        );
    strictEqual(Object.keys(accounts).filter((name) => name.startsWith("CLIENT_")).length, seatCount);
  });
});
