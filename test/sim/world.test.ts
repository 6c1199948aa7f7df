// The false world itself: what its log, disks, network and hosts do, tried with toy actors and by hand.

import assert from "node:assert/strict";
import { defaultTiming } from "../../src/config/limits.js";
import { defaultCopyBounds } from "../../src/fragment/pace.js";
import type { AppendOutcome, Effects } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Actor, Context, Message } from "../../src/kernel/machine.js";
import { seededRandom } from "../../src/kernel/random.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import type { Cast, Shape } from "./cast.js";
import { Clock } from "./clock.js";
import { calmLog, LogServer, logServer, type TailMessage } from "./log.js";
import { calm, Network } from "./network.js";
import { SimStore } from "./store.js";
import { Trace } from "./trace.js";
import { World } from "./world.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const log = { stream: streams.log(0), subject: subjects.log(0, 16) };

function server() {
  const clock = new Clock();
  const random = seededRandom(7);
  const network = new Network(clock, random.fork("network"));
  const made = new LogServer(clock, network, random.fork("log"));
  made.create(log.stream);
  const append = (text: string, expectedSeq: number, timeoutMs = 500): { outcome?: AppendOutcome } => {
    const seen: { outcome?: AppendOutcome } = {};
    made.append("n1", log, bytes(text), expectedSeq, timeoutMs, (outcome) => {
      seen.outcome = outcome;
    });
    return seen;
  };
  const settle = (ms: number): void => clock.runUntil(clock.nowMs + ms);
  return { clock, network, log: made, append, settle };
}

describe("simulated log", () => {
  it("stores only behind the expected sequence", () => {
    const { append, settle } = server();
    const first = append("a", 0);
    settle(100);
    const wrong = append("b", 0);
    settle(100);
    const right = append("c", 1);
    settle(100);
    assert.deepEqual(first.outcome, { kind: "stored", seq: 1 });
    assert.deepEqual(wrong.outcome, { kind: "refused", lastSeq: 1 });
    assert.deepEqual(right.outcome, { kind: "stored", seq: 2 });
  });

  it("lets one of two appends with the same expectation in, whichever arrives first", () => {
    const { append, settle } = server();
    const one = append("a", 0);
    const two = append("b", 0);
    settle(100);
    assert.deepEqual([one.outcome?.kind, two.outcome?.kind].sort(), ["refused", "stored"]);
  });

  it("says unknown when the server is frozen, and stores the record afterwards all the same", () => {
    const { append, settle, log: server_ } = server();
    server_.pause(2000);
    const late = append("a", 0, 500);
    settle(1000);
    assert.deepEqual(late.outcome, { kind: "unknown" });
    assert.equal(server_.records(log.stream).length, 0);
    settle(2000);
    assert.equal(server_.records(log.stream).length, 1);
  });

  it("says unknown when only the answer is lost", () => {
    const { append, settle, log: server_ } = server();
    server_.weather = { ...calmLog, lostAcks: 1 };
    const unsure = append("a", 0);
    settle(1000);
    assert.deepEqual(unsure.outcome, { kind: "unknown" });
    assert.equal(server_.records(log.stream).length, 1);
  });

  it("judges appends on the newest state even while reads are answered from an older one", () => {
    const { append, settle, log: server_ } = server();
    append("a", 0);
    settle(100);
    server_.weather = { ...calmLog, staleReads: 1, staleRecords: 1_000_000 };
    const stale = append("b", 0);
    let read = "";
    server_.read("n1", log, "last", 0, 500, (outcome) => {
      read = outcome.kind;
    });
    settle(100);
    assert.deepEqual(stale.outcome, { kind: "refused", lastSeq: 1 });
    assert.equal(read, "none");
  });

  it("moves its last sequence back when it loses its tail, and tells tails so", () => {
    const { append, settle, log: server_ } = server();
    for (let i = 0; i < 5; i++) {
      append(`r${i}`, i);
      settle(50);
    }
    const seen: TailMessage[] = [];
    server_.follow("n1", "node", log.stream, 1, (message) => seen.push(message));
    settle(100);
    assert.equal(seen.filter(({ kind }) => kind === "followed").length, 5);
    assert.equal(server_.loseTail(log.stream, 2), 2);
    settle(3000);
    const regressed = seen.findIndex((message) => message.kind === "followNews" && message.news === "regressed");
    assert.ok(regressed >= 0, "no news of the loss");
    const again = seen.slice(regressed).flatMap((message) => (message.kind === "followed" ? [message.record.seq] : []));
    assert.deepEqual(again, [1, 2, 3]);
    const next = append("x", 3);
    settle(100);
    assert.deepEqual(next.outcome, { kind: "stored", seq: 4 });
  });

  it("loses the fence of a subject whose last record is trimmed", () => {
    const { append, settle, log: server_ } = server();
    append("a", 0);
    settle(100);
    server_.trim("n1", log.stream, 2);
    settle(100);
    const fresh = append("b", 0);
    settle(100);
    assert.deepEqual(fresh.outcome, { kind: "stored", seq: 2 });
  });

  it("delivers a tail in order, without holes, through cuts and stalls", () => {
    const { append, settle, log: server_, network } = server();
    const seqs: number[] = [];
    server_.weather = { ...calmLog, tailDelayMs: 80, tailStalls: 0.3 };
    server_.follow("n1", "node", log.stream, 1, (message) => {
      if (message.kind === "followed") seqs.push(message.record.seq);
    });
    for (let i = 0; i < 60; i++) {
      if (i === 20) network.block(logServer, "n2");
      append(`r${i}`, i);
      settle(30);
    }
    settle(10_000);
    assert.deepEqual(
      seqs,
      Array.from({ length: 60 }, (_, i) => i + 1),
    );
  });
});

describe("simulated disk", () => {
  it("shows commits at once and loses those that were not flushed", () => {
    const store = new SimStore("disk");
    store.commit([{ key: bytes("a"), value: bytes("1") }], [], undefined);
    store.flush();
    let durable = false;
    store.commit([{ key: bytes("a"), value: bytes("2") }], [{ from: bytes("a"), to: bytes("z") }], () => {
      durable = true;
    });
    store.commit([{ key: bytes("b"), value: bytes("3") }], [], undefined);
    assert.deepEqual(store.get(bytes("a")), bytes("2"));
    store.crash();
    assert.deepEqual(store.get(bytes("a")), bytes("1"));
    assert.equal(store.get(bytes("b")), undefined);
    assert.equal(durable, false);
  });

  it("keeps the order of bytes, both ways", () => {
    const store = new SimStore("disk");
    const keys = [[0x7f], [0x80], [0], [0xff, 1], [0xff]].map((key) => Uint8Array.from(key));
    store.commit(
      keys.map((key) => ({ key, value: key })),
      [],
      undefined,
    );
    const all = { from: new Uint8Array(0), to: Uint8Array.of(0xff, 1) };
    const forward = [...store.range(all.from, all.to, false)].map(({ key }) => [...key]);
    assert.deepEqual(forward, [[0], [0x7f], [0x80], [0xff]]);
    assert.deepEqual(
      [...store.range(all.from, all.to, true)].map(({ key }) => [...key]),
      forward.reverse(),
    );
  });
});

describe("simulated network", () => {
  it("tells nobody from silence", () => {
    const clock = new Clock();
    const network = new Network(clock, seededRandom(3));
    const heard: string[] = [];
    network.subscribe("s.here", "b", (request) => network.reply("b", request.from, { hello: request.body }));
    network.ask("a", "s.none", {}, 500, ({ kind }) => heard.push(`none ${kind}`));
    network.ask("a", "s.here", 1, 500, (outcome) => heard.push(`here ${JSON.stringify(outcome)}`));
    clock.runUntil(100);
    network.block("b", "a");
    network.ask("a", "s.here", 2, 500, ({ kind }) => heard.push(`cut ${kind}`));
    clock.runUntil(1000);
    assert.deepEqual(heard.sort(), ["cut timeout", 'here {"kind":"answer","body":{"hello":1}}', "none nobody"]);
  });

  it("loses and doubles as much as its weather says", () => {
    const clock = new Clock();
    const network = new Network(clock, seededRandom(4));
    network.weather = { ...calm, loss: 0.2, duplicate: 0.2 };
    let heard = 0;
    network.subscribe("s", "b", () => heard++);
    for (let i = 0; i < 2000; i++) network.publish("a", "s", i);
    clock.runUntil(1000);
    assert.ok(heard > 1750 && heard < 2100, `heard ${heard}`);
  });
});

/** A toy node: counts its timer, stores each count, answers any request with it. */
function toyNode(store: SimStore): Actor {
  let count = store.get(bytes("count"))?.[0] ?? 0;
  const toy: Actor<Message & { from?: { reply: number } }> = {
    mailboxLimit: 10,
    step(message, context: Context): Effects {
      if (message.kind === "request" && message.from !== undefined)
        return [{ kind: "reply", to: message.from, body: { count } }];
      if (message.kind !== "start" && message.kind !== "woke") return none;
      count++;
      return [
        { kind: "commit", writes: [{ key: bytes("count"), value: Uint8Array.of(count) }], ticket: count },
        { kind: "publish", subject: subjects.exec("n2"), body: { count } },
        { kind: "wake", name: "tick", afterMs: 50 + context.random.below(50) },
      ];
    },
  };
  return toy as unknown as Actor;
}

const idle: Actor = { mailboxLimit: 1, step: () => none };
const toys: Cast = {
  node: ({ store }) => toyNode(store as SimStore),
  router: () => idle,
  leader: () => idle,
  jobs: {},
};
const shape: Shape = {
  nodes: 3,
  routers: 1,
  control: 1,
  partitions: 1,
  logGroups: 1,
  copyBounds: defaultCopyBounds,
  timing: defaultTiming,
  snapshotEvery: 10,
  logRetainBytes: 1000,
  logTailKept: 20,
  routerRequests: 100,
  ceilingQps: undefined,
};

function toyWorld(seed: number): { world: World; trace: Trace } {
  const trace = new Trace(undefined);
  const world = new World({ seed, shape, cast: toys, trace });
  world.open();
  return { world, trace };
}

function seatNamed(world: World, name: string) {
  const seat = world.seats.find((one) => one.name === name);
  assert.ok(seat?.store !== undefined);
  return { seat, store: seat.store };
}

describe("simulated world", () => {
  function story(seed: number): string {
    const { world, trace } = toyWorld(seed);
    world.network.weather = { ...calm, loss: 0.1, duplicate: 0.1, jitterMs: 20 };
    world.clock.runUntil(500);
    world.crash(seatNamed(world, "n1").seat, "test");
    world.clock.runUntil(3000);
    assert.ok(trace.events > 100, "too little happened to judge");
    return trace.hash;
  }

  it("is the same for the same seed, and another for another", () => {
    assert.equal(story(5), story(5));
    assert.notEqual(story(5), story(6));
  });

  it("restarts a crashed host on the same disk as a new process", () => {
    const { world } = toyWorld(1);
    world.clock.runUntil(2000);
    const { seat, store } = seatNamed(world, "n1");
    const first = seat.host?.incarnation;
    assert.equal(store.bootCount, 1);
    world.crash(seat, "test");
    assert.equal(seat.host, undefined);
    const kept = store.get(bytes("count"))?.[0] ?? 0;
    assert.ok(kept > 1, "nothing was kept");
    world.clock.runUntil(4000);
    assert.equal(store.bootCount, 2);
    assert.notEqual(seatNamed(world, "n1").seat.host?.incarnation, first);
    assert.ok((store.get(bytes("count"))?.[0] ?? 0) > kept);
  });

  it("lets a paused host sleep through its timers and its mail, and wake with both", () => {
    const { world } = toyWorld(2);
    world.clock.runUntil(1000);
    const { seat, store } = seatNamed(world, "n1");
    seat.host?.pause(2000);
    world.clock.runUntil(1010);
    const before = store.get(bytes("count"))?.[0];
    let answered = false;
    world.network.ask("u", subjects.exec("n1"), {}, 5000, () => {
      answered = true;
    });
    world.clock.runUntil(2900);
    assert.equal(store.get(bytes("count"))?.[0], before);
    assert.equal(answered, false);
    world.clock.runUntil(3300);
    assert.equal(answered, true);
    assert.ok((store.get(bytes("count"))?.[0] ?? 0) > (before ?? 0));
  });

  it("gives every host a clock of its own", () => {
    const { world } = toyWorld(3);
    const starts = world.seats.map(({ clock }) => clock.nowMs());
    world.clock.runUntil(100_000);
    const spent = world.seats.map(({ clock }, i) => clock.nowMs() - (starts[i] ?? 0));
    assert.ok(
      spent.every((ms) => ms >= 99_500 && ms <= 100_500),
      `${spent}`,
    );
    assert.ok(new Set(spent.map((ms) => Math.round(ms))).size > 2);
  });
});
