import assert from "node:assert/strict";
import { until } from "../../cluster/engine/until.js";
import { openGauges } from "../../cluster/world/gauges.js";

describe("world: gauges", () => {
  it("tell how late the event loop was since the last reading, and nothing before the first", async () => {
    const gauges = openGauges();
    try {
      assert.equal(gauges.read().loopDelayMaxMs, 0);
      // The watch looks before and after the loop is held.
      await until(() => false, 60, 5);
      const endMs = performance.now() + 120;
      while (performance.now() < endMs);
      await until(() => false, 60, 5);
      assert.ok(gauges.read().loopDelayMaxMs >= 60, "the held loop was not noticed");
    } finally {
      gauges.close();
    }
  });
});
