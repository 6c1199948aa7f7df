import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../../cluster/engine/until.js";
import type { OpenDoor } from "../../cluster/hosts/door.js";
import { openProcess } from "../../cluster/hosts/process-door.js";
import { type HostRole, Supervisor, type SupervisorWiring } from "../../cluster/hosts/supervisor.js";
import { openThread } from "../../cluster/hosts/thread-door.js";
import { silentLog } from "../../cluster/log.js";
import { RestartBudget } from "../../cluster/restart-budget.js";
import { Bench, faultOf, isAlive, unwrap } from "../engine/support.js";
import type { FakeSpec } from "./fake-host.js";

const moduleUrl = new URL("./fake-host.js", import.meta.url).href;
const doors: Readonly<Record<string, OpenDoor>> = { threads: openThread, processes: openProcess };

interface Trial {
  readonly supervisor: Supervisor;
  readonly deaths: string[];
  readonly givenUp: string[];
  journal(): Promise<string[]>;
}

for (const [isolation, openDoor] of Object.entries(doors)) {
  describe(`supervisor with ${isolation}`, () => {
    const bench = new Bench();
    const running: Supervisor[] = [];
    afterEach(async () => {
      await Promise.all(running.splice(0).map((supervisor) => supervisor.stop()));
    });
    after(() => bench.close());

    async function trial(
      hosts: readonly (readonly [string, HostRole])[],
      more: Partial<FakeSpec> = {},
      restart: SupervisorWiring["restart"] = "always",
    ): Promise<Trial> {
      const path = join(await bench.folder(), "journal");
      const deaths: string[] = [];
      const givenUp: string[] = [];
      let lives = 0;
      const supervisor = new Supervisor(
        hosts.map(([id, role]) => ({
          id,
          role,
          spec: (incarnation): FakeSpec => ({ id, incarnation, journal: path, ...more }),
        })),
        {
          moduleUrl,
          openDoor,
          restart,
          log: silentLog,
          drawIncarnation: () => `life-${lives++}`,
          began: () => undefined,
          died: ({ id }, incarnation) => deaths.push(`${id} ${incarnation}`),
          gaveUp: (_plan, why) => givenUp.push(why),
        },
      );
      running.push(supervisor);
      const journal = async () => (await readFile(path, "utf8")).trim().split("\n");
      return { supervisor, deaths, givenUp, journal };
    }

    it("starts all hosts, tells what they tell, and stops routers, then nodes, then control", async () => {
      const { supervisor, journal, deaths } = await trial([
        ["c1", "control"],
        ["n1", "node"],
        ["r1", "router"],
      ]);
      unwrap(await supervisor.start());
      const lines = supervisor.hosts();
      const stats = await supervisor.stats(2000);
      for (const { id, pid, incarnation } of lines) {
        ok(isAlive(pid));
        const told = stats.get(id);
        ok(told?.ok);
        deepStrictEqual(told.value, { id, incarnation });
      }
      await supervisor.stop();
      deepStrictEqual((await journal()).slice(-3), ["stop r1", "stop n1", "leave c1"]);
      deepStrictEqual(deaths, []);
      if (isolation === "processes") for (const { pid } of lines) ok(!isAlive(pid));
    });

    it("starts a killed host again as a new incarnation, and announces the death of the old one", async () => {
      const { supervisor, deaths } = await trial([
        ["n1", "node"],
        ["n2", "node"],
      ]);
      unwrap(await supervisor.start());
      const [before, other] = supervisor.hosts();
      ok(supervisor.kill("n1"));
      const isBack = () => {
        const now = supervisor.hosts()[0];
        return now !== undefined && now.pid !== 0 && now.incarnation !== before?.incarnation;
      };
      ok(await until(isBack, 5000), "it did not come back");
      deepStrictEqual(deaths, [`n1 ${before?.incarnation}`]);
      deepStrictEqual(supervisor.hosts()[1], other);
      strictEqual(supervisor.kill("n9"), false);
    });

    it("starts a host again that says it failed", async () => {
      const { supervisor, deaths } = await trial([["n1", "node"]], { failAfterMs: 50 });
      unwrap(await supervisor.start());
      ok(await until(() => deaths.length >= 2, 5000), "it was not started again");
    });

    it("leaves a dead host alone when told never to restart, and says so", async () => {
      const { supervisor, givenUp } = await trial([["n1", "node"]], {}, "never");
      unwrap(await supervisor.start());
      supervisor.kill("n1");
      ok(await until(() => givenUp.length === 1, 5000));
      match(givenUp[0] ?? "", /n1 died/);
      strictEqual(supervisor.hosts()[0]?.pid, 0);
    });

    it("hands on the fault of a host that cannot start, and leaves none running", async () => {
      const { supervisor, deaths } = await trial([["n1", "node"]], { refuse: "this cannot be" });
      const refused = faultOf(await supervisor.start());
      deepStrictEqual(refused, { code: "CONFIG", message: "this cannot be" });
      deepStrictEqual(deaths, []);
      strictEqual(supervisor.hosts()[0]?.pid, 0);
    });

    it("restarts a host in order: it leaves first", async () => {
      const { supervisor, journal, deaths } = await trial([["n1", "node"]]);
      unwrap(await supervisor.start());
      const before = supervisor.hosts()[0];
      unwrap(await supervisor.restart("n1"));
      notStrictEqual(supervisor.hosts()[0]?.incarnation, before?.incarnation);
      deepStrictEqual(await journal(), ["start n1", "leave n1", "start n1"]);
      deepStrictEqual(deaths, []);
    });

    it("ends a host that does not stop, after its time", async () => {
      const door = openDoor("n1", moduleUrl);
      const journal = join(await bench.folder(), "journal");
      unwrap(await door.start({ id: "n1", incarnation: "x", journal, hangAtStop: true } satisfies FakeSpec, 5000));
      await door.stop(false, 200);
      ok(await until(() => door.ended.then(() => true), 3000));
    });
  });
}

describe("supervisor: processes", () => {
  const bench = new Bench();
  after(() => bench.close());

  it("end by themselves when the supervisor's process is killed", async () => {
    const journal = join(await bench.folder(), "journal");
    const script = `
      import { openProcess } from ${JSON.stringify(new URL("../../cluster/hosts/process-door.js", import.meta.url).href)};
      const door = openProcess("n1", ${JSON.stringify(moduleUrl)});
      await door.start({ id: "n1", incarnation: "x", journal: ${JSON.stringify(journal)} }, 5000);
      console.log(door.pid);`;
    const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pid = await new Promise<number>((resolve) => owner.stdout.once("data", (text) => resolve(Number(text))));
    ok(isAlive(pid));
    owner.kill("SIGKILL");
    ok(await until(() => !isAlive(pid), 5000), "it outlived its parent");
  });
});

describe("restart budget", () => {
  const rules = { firstMs: 10, maxMs: 100, deaths: 6, windowMs: 1000 };

  it("waits longer after each death, up to a bound, then gives up", () => {
    const budget = new RestartBudget(rules, () => 1);
    deepStrictEqual(
      [0, 1, 2, 3, 4, 5, 6].map((at) => budget.nextMs(at)),
      [10, 20, 40, 80, 100, 100, undefined],
    );
  });

  it("forgets deaths of long ago", () => {
    const budget = new RestartBudget(rules, () => 0);
    for (let death = 0; death < 50; death++) strictEqual(budget.nextMs(death * 1000), 5);
  });
});
