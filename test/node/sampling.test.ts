import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createSampling } from "../../actors/node/sampling.js";
import { limits } from "../../src/config/limits.js";
import type { Effect, Effects } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import { seededRandom } from "../../src/kernel/random.js";
import { countingTickets } from "../../src/kernel/tickets.js";
import { addTo } from "../../src/load/counter.js";
import { type GaugeReading, silentGauges } from "../../src/load/gauges.js";
import { decodeSample, type Sample } from "../../src/load/sample.js";
import { pack } from "../../src/protocol/codec.js";

const epochMs = 1_700_000_000_000;

function at(ms: number): Context {
  return { nowMs: 500 + ms, wallMs: epochMs + ms, random: seededRandom(1) };
}

function asks(effects: Effects): Extract<Effect, { kind: "ask" }>[] {
  return effects.filter((effect) => effect.kind === "ask");
}

function samplesIn(effects: Effects): Sample[] {
  return asks(effects).map(({ subject, body }) => {
    strictEqual(subject, "foreshard.load.n1");
    const decoded = decodeSample(pack(body));
    ok(decoded.ok);
    return decoded.value;
  });
}

const config = { id: "n1", incarnation: "i1", intervalMs: 1000 };

describe("sampling on a node", () => {
  it("closes each interval at the wall clock's edge, an empty one too, with its number and its true length", () => {
    const sampling = createSampling(config, countingTickets());
    deepStrictEqual(sampling.start(at(250)), [{ kind: "wake", name: "sample", afterMs: 750 }]);
    addTo(sampling.counter.cell(16, 1, "shop"), 0, 10, 1);
    const [first] = samplesIn(sampling.tick(at(1000)));
    strictEqual(first?.interval, epochMs / 1000);
    strictEqual(first?.spanMs, 750);
    strictEqual(first?.cells[0]?.ops[0]?.count, 1);
    // The timer came early by the wall clock: the interval is not over.
    deepStrictEqual(sampling.tick(at(1999)), [{ kind: "wake", name: "sample", afterMs: 1 }]);
    // The event loop was held up: one sample says so.
    const [second] = samplesIn(sampling.tick(at(4100)));
    strictEqual(second?.interval, epochMs / 1000 + 1);
    strictEqual(second?.spanMs, 3100);
    deepStrictEqual(second?.cells, []);
  });

  it("says what the gauges grew by, and what was refused", () => {
    let cpu = 100;
    const gauges = { read: (): GaugeReading => ({ ...silentGauges.read(), threadCpuMs: cpu, residentBytes: 7 }) };
    const sampling = createSampling(config, countingTickets(), gauges);
    sampling.start(at(0));
    cpu = 340;
    sampling.refused(3);
    const [sample] = samplesIn(sampling.tick(at(1000)));
    strictEqual(sample?.load.threadCpuMs, 240);
    strictEqual(sample?.load.residentBytes, 7);
    strictEqual(sample?.load.refused, 3);
    strictEqual(samplesIn(sampling.tick(at(2000)))[0]?.load.refused, 0);
  });

  it("sends again what did not arrive, keeps a bounded number of them, and says how many were lost", () => {
    const sampling = createSampling(config, countingTickets());
    sampling.start(at(0));
    const [lost] = asks(sampling.tick(at(1000)));
    ok(lost);
    sampling.answered(lost.ticket, { kind: "timeout" });
    const again = samplesIn(sampling.tick(at(2000)));
    deepStrictEqual(
      again.map(({ interval }) => interval - epochMs / 1000),
      [0, 1],
    );
    strictEqual(sampling.answered(999_999, { kind: "timeout" }), undefined);
    const unreachable = createSampling(config, countingTickets());
    unreachable.start(at(0));
    let most = 0;
    let dropped = 0;
    for (let second = 1; second < limits.samplesWaiting * 2; second++) {
      const effects = unreachable.tick(at(second * 1000));
      most = Math.max(most, asks(effects).length);
      dropped += samplesIn(effects).at(-1)?.load.lostSamples ?? 0;
      for (const { ticket } of asks(effects)) unreachable.answered(ticket, { kind: "nobody" });
    }
    strictEqual(most, limits.samplesWaiting + 1);
    ok(dropped > 0);
  });

  it("cuts a sample with very many cells into messages", () => {
    const sampling = createSampling(config, countingTickets());
    sampling.start(at(0));
    for (let fragment = 0; fragment < limits.sampleCells + 1; fragment++)
      addTo(sampling.counter.cell(fragment, 1, "shop"), 0, 1, 1);
    const parts = samplesIn(sampling.tick(at(1000)));
    deepStrictEqual(
      parts.map(({ part, parts: count, cells }) => [part, count, cells.length]),
      [
        [0, 2, limits.sampleCells],
        [1, 2, 1],
      ],
    );
  });
});
