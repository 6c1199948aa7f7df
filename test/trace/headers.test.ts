import assert from "node:assert/strict";
import fc from "fast-check";
import { headers } from "nats";
import { contextIn, headersOnBehalf, operationContextsIn, traceHeaderBytes } from "../../cluster/trace/headers.js";
import { readTraceparent, writeTraceparent } from "../../cluster/trace/traceparent.js";
import { limits } from "../../src/config/limits.js";
import type { OnBehalf } from "../../src/kernel/effect.js";

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
    .map((digits) => digits.join(""))
    .filter((text) => /[^0]/.test(text));
const context = fc
  .tuple(hex(32), hex(16), fc.boolean())
  .map(([traceId, spanId, sampled]) => ({ traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true }));
const known = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("trace context in headers", () => {
  it("reads what it wrote", () => {
    fc.assert(fc.property(context, (given) => assert.deepEqual(readTraceparent(writeTraceparent(given)), given)));
    assert.equal(writeTraceparent(readTraceparent(known) ?? assert.fail("the known one is read")), known);
  });

  it("reads a later version by its beginning", () => {
    assert.equal(readTraceparent(`cc${known.slice(2)}-more`)?.spanId, "b7ad6b7169203331");
  });

  for (const wrong of [
    "",
    "nonsense",
    known.toUpperCase(),
    `${known}-more`,
    `ff${known.slice(2)}`,
    known.replace("0af7651916cd43dd8448eb211c80319c", "0".repeat(32)),
    known.replace("b7ad6b7169203331", "0".repeat(16)),
    `cc${known.slice(2)}-${"x".repeat(300)}`,
  ])
    it(`takes ${JSON.stringify(wrong.slice(0, 70))} for no context`, () => {
      assert.equal(readTraceparent(wrong), undefined);
      const named = headers();
      if (wrong !== "") named.set("traceparent", wrong);
      assert.equal(contextIn(named), undefined);
    });

  it("takes two contexts of one request for none", () => {
    const named = headers();
    named.append("traceparent", known);
    assert.notEqual(contextIn(named), undefined);
    named.append("Traceparent", known);
    assert.equal(contextIn(named), undefined);
  });

  it("carries each operation with its place, as many as one message may, within the room kept for them", () => {
    const place = fc.tuple(fc.nat(limits.nodeOps), fc.nat(limits.nodeOps));
    const operation = fc.record({ trace: context.map(writeTraceparent), place }, { noNullPrototype: true });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 2 * limits.tracesPerMessage }), (behalf: readonly OnBehalf[]) => {
        const named = headersOnBehalf(behalf);
        const read = operationContextsIn(named);
        assert.deepEqual(
          read.map((one) => ({ trace: writeTraceparent(one.context), place: [...one.place] })),
          behalf.slice(0, limits.tracesPerMessage),
        );
        const lines = read.map((one) => `Foreshard-Trace: ${writeTraceparent(one.context)} ${one.place.join(" ")}\r\n`);
        assert.ok(lines.join("").length <= traceHeaderBytes);
      }),
    );
  });

  it("leaves out what strangers write there", () => {
    const named = headers();
    for (const line of ["", known, `${known} 0`, `${known} 0 -1`, `${known} 0 1 2`, `${known} 0 1e3`, "x 0 0"])
      named.append("Foreshard-Trace", line);
    named.append("Foreshard-Trace", `${known} 3 7`);
    assert.deepEqual(
      operationContextsIn(named).map(({ place }) => place),
      [[3, 7]],
    );
  });
});
