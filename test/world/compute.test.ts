import assert from "node:assert/strict";
import { once } from "node:events";
import { type ComputeOutcome, createCompute } from "../../cluster/world/compute.js";

describe("world: compute", () => {
  const run = (compute: ReturnType<typeof createCompute>, job: string, input: unknown): Promise<ComputeOutcome> =>
    new Promise((resolve) => compute.run(job, input, resolve));
  const code = (outcome: ComputeOutcome): string => (outcome.ok ? "done" : outcome.fault.code);
  const bytes = { chunks: [new Uint8Array(100_000).fill(3)] };

  it("gives the same digest for the same chunks, another for the same bytes cut elsewhere", async () => {
    const compute = createCompute();
    const first = await run(compute, "digest", { chunks: [Uint8Array.of(1, 2), Uint8Array.of(3)] });
    const same = await run(compute, "digest", { chunks: [Uint8Array.of(1, 2), Uint8Array.of(3)] });
    const other = await run(compute, "digest", { chunks: [Uint8Array.of(1), Uint8Array.of(2, 3)] });
    assert.ok(first.ok && same.ok && other.ok);
    assert.equal(first.output, same.output);
    assert.notEqual(first.output, other.output);
    await compute.close();
  });

  it("answers every job: a fault for a bad input, OVERLOADED past the queue, UNAVAILABLE after the end", async () => {
    const compute = createCompute({ threads: 1, queue: 2, heapMiB: 64 });
    assert.equal(code(await run(compute, "digest", "nonsense")), "BAD_REQUEST");
    const codes = (await Promise.all(Array.from({ length: 12 }, () => run(compute, "digest", bytes)))).map(code);
    assert.ok(codes.includes("done") && codes.includes("OVERLOADED"), codes.join());
    assert.equal(codes.filter((one) => one !== "done" && one !== "OVERLOADED").length, 0);
    await compute.close();
    assert.equal(code(await run(compute, "digest", bytes)), "UNAVAILABLE");
  });

  it("survives a job whose thread runs out of memory", async function () {
    this.timeout(20_000);
    const compute = createCompute({ threads: 1, queue: 8, heapMiB: 16 });
    const chunks = Array.from({ length: 600_000 }, () => Uint8Array.of(1));
    assert.equal(code(await run(compute, "digest", { chunks })), "UNAVAILABLE");
    assert.equal(code(await run(compute, "digest", bytes)), "done");
    await compute.close();
  });

  it("starts a thread before the first job, if it is told to", async () => {
    const compute = createCompute();
    const started = once(process, "worker", { signal: AbortSignal.timeout(5_000) });
    compute.warmAfter(1);
    await started;
    await compute.close();
  });
});
