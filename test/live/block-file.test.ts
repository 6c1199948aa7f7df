import { deepStrictEqual, ok } from "node:assert";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { messageStretches } from "../../scripts/live/block-file.js";
import { Bench } from "../engine/support.js";

describe("live: block file", () => {
  const bench = new Bench();
  after(() => bench.close());

  it("finds the messages of a real server's block, and nothing else", async () => {
    const dataDir = await bench.folder();
    const engine = await bench.engine({}, dataDir);
    const nats = await bench.connection(engine, "core");
    await (await nats.jetstreamManager()).streams.add({ name: "BLOCKS", subjects: ["foreshard.blocks.*"] });
    const sent = Array.from({ length: 20 }, (_, at) => `${at}:${"x".repeat(at * 37)}`);
    for (const [at, words] of sent.entries()) await nats.jetstream().publish(`foreshard.blocks.${at}`, words);
    await engine.stop();
    const folder = join(dataDir, "nats", "0", "jetstream", "jetstream", "CORE", "streams", "BLOCKS", "msgs");
    const [name] = (await readdir(folder)).filter((file) => file.endsWith(".blk"));
    ok(name !== undefined, "the stream has no block");
    const block = await readFile(join(folder, name));
    const found = messageStretches(block).map(({ from, to }) => block.subarray(from, to).toString("utf8"));
    deepStrictEqual(found, sent);
    deepStrictEqual(messageStretches(block.subarray(0, block.length - 1)).length, sent.length - 1);
  });
});
