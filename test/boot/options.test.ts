import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import * as fc from "fast-check";
import { decodeOptions } from "../../cluster/boot/options.js";
import { faultOf, unwrap } from "../engine/support.js";

describe("start options", () => {
  it("has the defaults that the help text tells", () => {
    const { nodes, routers, control, dataDir, durability, isolation, restart, port } = unwrap(decodeOptions({}));
    deepStrictEqual(
      { nodes, routers, control, dataDir, durability, isolation, restart, port },
      {
        nodes: 3,
        routers: 1,
        control: 2,
        dataDir: "./data",
        durability: "always",
        isolation: "threads",
        restart: "always",
        port: undefined,
      },
    );
  });

  it("takes the same from words of the command line and from values of a file", () => {
    const words = decodeOptions({ nodes: "5", port: "4333", zones: "a, b", natsServers: "3" });
    const values = decodeOptions({ nodes: 5, port: 4333, zones: ["a", "b"], natsServers: 3 });
    deepStrictEqual(words, values);
    deepStrictEqual(unwrap(words).zones, ["a", "b"]);
  });

  it("reads an interval in seconds and in milliseconds", () => {
    const intervals = ["1s", "0.5s", "250ms", 2000].map(
      (sampleInterval) => unwrap(decodeOptions({ sampleInterval })).sampleInterval,
    );
    deepStrictEqual(intervals, [1000, 500, 250, 2000]);
  });

  const wrong: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ copyFloor: 9, copyCeiling: 8 }, /the floor must not be above the ceiling/],
    [{ traces: "collector:4318" }, /traces must be the address .* such as http:\/\/127.0.0.1:4318/],
    [{ traces: true }, /traces must be the address/],
    [{ copyCeiling: "fast" }, /copyCeiling must be a whole number/],
    [{ nodes: "0" }, /nodes must be a whole number from 1 to 64/],
    [{ nodes: "three" }, /nodes must be a whole number/],
    [{ nodes: "" }, /nodes/],
    [{ nodes: 2.5 }, /nodes must be a whole number/],
    [{ nodes: null }, /nodes/],
    [{ port: 70_000 }, /port must be a whole number from 0 to 65535/],
    [{ controlPartitions: 17 }, /controlPartitions must be a whole number from 1 to 16/],
    [{ natsServers: 2 }, /natsServers must be 1 or 3/],
    [{ sampleInterval: "soon" }, /sampleInterval must be from 100ms to 60s, such as 10s or 500ms/],
    [{ sampleInterval: "5ms" }, /sampleInterval must be from 100ms/],
    [{ loadHistoryDays: 0 }, /loadHistoryDays must be a whole number from 1 to 366/],
    [
      { users: [{ user: "u", pass: "12345678", publish: [], group: "other" }] },
      /a group must be a name .* other than other/,
    ],
    [{ durability: "sometimes" }, /durability must be always or interval/],
    [{ isolation: "vm" }, /isolation must be threads or processes/],
    [{ zones: "a,,b" }, /zones must be names/],
    [{ zones: "a b" }, /zones must be names/],
    [{ machine: "east" }, /machine names one of several machines, .* name that with nats/],
    [{ machine: "e.t", nats: "nats://x" }, /machine must be a name/],
    [{ routers: 0 }, /routers must be at least 1: only one machine of several/],
    [{ control: 0, nats: "nats://x" }, /control must be at least 1/],
    [{ zones: "a,b,c,d" }, /4 zones for nodes 3/],
    [{ nodes: 2, replicas: 3 }, /replicas is 3 with nodes 2/],
    [{ logGroups: 2, controlPartitions: 3 }, /each control partition needs a log group/],
    [{ creds: "x.json" }, /--nats URL/],
    [{ nats: "nats://h:1", natsServers: 3 }, /leave one out/],
    [{ nats: "nats://h:1", port: 4222 }, /leave one out/],
    [{ natsAdvertise: "10.0.0.1" }, /natsAdvertise must be addresses as host:port/],
    [{ nats: "nats://h:1", routeAdvertise: "a:1,b:1,c:1" }, /leave one out/],
    [{ dataDir: "" }, /dataDir must not be empty/],
    [{ nods: 3 }, /no option nods.*--help/],
    [{ users: [{ user: "bob", pass: "long enough", publish: ["foreshard.log.>"] }] }, /below foreshard\.query/],
    [{ users: [{ user: "b b", pass: "long enough", publish: [] }] }, /must be a name/],
  ];
  for (const [chosen, words] of wrong) {
    it(`refuses ${JSON.stringify(chosen)} with a sentence that helps`, () => {
      const refused = faultOf(decodeOptions(chosen));
      strictEqual(refused.code, "CONFIG");
      match(refused.message, words);
    });
  }

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("nodes", "port", "zones", "users", "durability", "replicas"), fc.anything()),
        (chosen) => {
          const decoded = decodeOptions(chosen);
          ok(decoded.ok || decoded.fault.message.length > 0);
        },
      ),
    );
  });
});
