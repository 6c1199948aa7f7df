// A watch on the client's side: what it leaves on the signal that ends it.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { Watch } from "../../cluster/client/index.js";

describe("client: watches", () => {
  it("leave no listener on their signal, however often they poll, and end with it", async () => {
    const ending = new AbortController();
    const listeners = (): number => getEventListeners(ending.signal, "abort").length;
    let polls = 0;
    const watch = new Watch<object>(
      async () => {
        polls++;
        assert.ok(listeners() === 0, `${listeners()} listeners before poll ${polls}`);
        return { changes: [{ key: "a", version: polls, doc: {} }], cursor: String(polls) };
      },
      { signal: ending.signal },
    );
    const versions: number[] = [];
    for await (const { version } of watch) {
      versions.push(version);
      if (version === 50) ending.abort();
    }
    assert.deepEqual(
      versions,
      Array.from({ length: 50 }, (_, at) => at + 1),
    );
    assert.equal(polls, 50);
    assert.equal(listeners(), 0);
  });

  it("end at once when the signal comes while a poll waits", async () => {
    const ending = new AbortController();
    const watch = new Watch<object>(() => new Promise(() => undefined), { signal: ending.signal });
    const reading = (async () => {
      for await (const change of watch) assert.fail(JSON.stringify(change));
    })();
    assert.equal(getEventListeners(ending.signal, "abort").length, 1);
    ending.abort();
    await reading;
  });
});
