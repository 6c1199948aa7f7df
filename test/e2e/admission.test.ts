import assert from "node:assert/strict";
import { headers, type NatsConnection } from "nats";
import { answerOf, Siege, told } from "./siege.js";

const ceilingQps = 200;
const floodQps = 2000;
const modestQps = 20;
const secondsLong = 5;

interface Outcome {
  readonly ms: number;
  readonly code: string;
  readonly retryAfterMs: number;
}

function medianMs(outcomes: readonly Outcome[]): number {
  const sorted = outcomes.map(({ ms }) => ms).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

describe("admission", () => {
  const siege = new Siege();
  const links: NatsConnection[] = [];
  before(async function () {
    this.timeout(60_000);
    const user = (name: string) => ({ user: name, pass: "password1", publish: ["foreshard.query.>"], group: name });
    await siege.begin({ nodes: 1, forecasters: 0, capacity: `${ceilingQps}`, users: [user("flood"), user("modest")] });
    for (const name of ["flood", "modest"]) links.push(await siege.user({ user: name, pass: "password1" }));
  });
  afterEach(() => siege.assertUnharmed());
  after(() => siege.close());

  const typed = headers();
  typed.set("Content-Type", "application/json");

  async function ask(link: NatsConnection): Promise<Outcome> {
    const begunMs = performance.now();
    const answer = answerOf(
      await link.request("foreshard.query.kept.get", JSON.stringify({ key: "witness" }), {
        headers: typed,
        timeout: 10_000,
      }),
    );
    const ms = performance.now() - begunMs;
    if (!("fault" in answer)) return { ms, code: "ok", retryAfterMs: 0 };
    const { code, detail } = told(answer);
    return { ms, code, retryAfterMs: Number(detail?.retryAfterMs) };
  }

  /** Asks at a steady rate, whatever the answers are. */
  async function stream(link: NatsConnection, perSecond: number): Promise<readonly Outcome[]> {
    const asked: Promise<Outcome>[] = [];
    const beganMs = performance.now();
    await new Promise<void>((done) => {
      const timer = setInterval(() => {
        const elapsedMs = performance.now() - beganMs;
        while (asked.length < (Math.min(elapsedMs, secondsLong * 1000) * perSecond) / 1000) asked.push(ask(link));
        if (elapsedMs < secondsLong * 1000) return;
        clearInterval(timer);
        done();
      }, 5);
    });
    return Promise.all(asked);
  }

  it("a group that floods ten times the ceiling is refused with a time to come back; another's requests go on, quickly", async function () {
    this.timeout(60_000);
    const [flood, modest] = links;
    assert.ok(flood !== undefined && modest !== undefined);
    const [flooded, quiet] = await Promise.all([stream(flood, floodQps), stream(modest, modestQps)]);

    const refused = flooded.filter(({ code }) => code === "OVERLOADED");
    assert.ok(flooded.length > 0.9 * floodQps * secondsLong, `only ${flooded.length} were sent`);
    assert.ok(refused.length > flooded.length / 2, `${refused.length} of ${flooded.length} refused`);
    for (const { retryAfterMs } of refused) assert.ok(retryAfterMs > 0, "says when to try again");
    const servedOnes = flooded.filter(({ code }) => code === "ok");
    const served = servedOnes.length;
    assert.ok(served > 0.4 * ceilingQps * secondsLong, `the flood got ${served} within ${secondsLong} s`);
    assert.ok(served < 1.3 * ceilingQps * secondsLong, `the flood got ${served}: more than the ceiling`);

    assert.equal(quiet.length, modestQps * secondsLong);
    assert.deepEqual([...new Set(quiet.map(({ code }) => code))], ["ok"]);
    // Against the flood's own waits in the same seconds: a slow machine makes both longer.
    const [quietMs, floodMs] = [medianMs(quiet), medianMs(servedOnes)];
    if (process.env.FORESHARD_SHOW !== undefined)
      process.stderr.write(
        `flood: ${served} served, median ${floodMs.toFixed(1)} ms, ${refused.length} refused; other group: median ${quietMs.toFixed(1)} ms
`,
      );
    assert.ok(quietMs < floodMs, `median ${quietMs.toFixed(1)} ms, the flood's ${floodMs.toFixed(1)} ms`);
  });
});
