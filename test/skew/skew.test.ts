// Version skew: what version 0.1 wrote is read as it was meant, what a later one may add is read past or refused, and today's bytes are still those of 0.1.

import assert from "node:assert/strict";
import { packageVersion } from "../../cluster/version.js";
import { decodeRecord } from "../../src/fragment/record.js";
import { decodeLedgerRecord } from "../../src/ledger/record.js";
import { defaultPolicy } from "../../src/plan/policy.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { testHash } from "../hash.js";
import { must, refused } from "../results.js";
import { type Example, grow } from "./example.js";
import { examples, type Kept, readKept, writtenVersion } from "./kept.js";
import { bytes } from "./parts.js";

describe("version skew", () => {
  let kept: Kept;
  const byName = new Map<string, Uint8Array>();
  before(async () => {
    kept = await readKept("0.1");
    for (const { name, base64 } of kept) byName.set(name, new Uint8Array(Buffer.from(base64, "base64")));
  });

  function bytesOf(name: string): Uint8Array {
    const found = byName.get(name);
    assert(found !== undefined, `test/fixtures/0.1 has no ${name}`);
    return found;
  }

  function read(example: Example, given: Uint8Array): unknown {
    return plain(must(example.decode(given)));
  }

  it("has the bytes of every kind of message, record and entry", () => {
    assert(examples.length > 100);
    const names = examples.map(({ name }) => name);
    assert.deepEqual(
      kept.map(({ name }) => name),
      names,
    );
    assert.equal(new Set(names).size, names.length);
  });

  it("reads what version 0.1 wrote to what it meant", () => {
    for (const example of examples)
      assert.deepEqual(read(example, bytesOf(example.name)), plain(example.value), example.name);
  });

  it("writes what version 0.1 wrote, byte for byte, as long as it is version 0.1", () => {
    assert(packageVersion().startsWith(`${writtenVersion}.`), "a new minor version keeps its bytes: see write.ts");
    for (const example of examples)
      assert.equal(
        hex(example.encode()),
        hex(bytesOf(example.name)),
        `${example.name} is written otherwise than before`,
      );
  });

  it("reads past what a later version adds where that is promised, and refuses it elsewhere", () => {
    const tried = { ignored: 0, refused: 0 };
    for (const example of examples) {
      for (const { at, is } of example.grows) {
        const grown = grow(bytesOf(example.name), at);
        const where = `${example.name} with more at /${at.join("/")}`;
        tried[is]++;
        if (is === "ignored") assert.deepEqual(read(example, grown), plain(example.value), where);
        else assert.equal(codeOf(example, grown), "UNDECODABLE", where);
      }
    }
    assert(tried.ignored > 60 && tried.refused > 15, JSON.stringify(tried));
  });

  it("refuses events, operations and log records of kinds that it does not know, by name or with a clear sentence", () => {
    const byExample = new Map(examples.map((example) => [example.name, example]));
    const event = pack({ term: 3, member: "c1", nonce: "x", events: [{ kind: "fragmentBlessed", fragment: 16 }] });
    refused(byExample.get("ledger.nodeUp")?.decode(event) ?? assert.fail(), "UNDECODABLE", /not a ledger record/);
    const operation = pack([100, [[16, 3, [[6, 1]]]]]);
    refused(byExample.get("exec.ask.get")?.decode(operation) ?? assert.fail(), "UNDECODABLE", /more than this version/);
    const record = bytesOf("log.data").slice();
    record[4] = 8;
    refused(decodeRecord(sealed(record.subarray(0, -8)), testHash), "UNDECODABLE", /kind of another version/);
    const longer = new Uint8Array([...bytesOf("log.data").subarray(0, -8), 0]);
    refused(decodeRecord(sealed(longer), testHash), "UNDECODABLE", /ends too early/);
  });

  it("takes the default policy where one says what it does not know", () => {
    const policy = { ...defaultPolicy, mode: "reactive", ofALaterVersion: 1 };
    const record = pack({
      term: 3,
      member: "c1",
      nonce: "x",
      events: [{ kind: "policyChanged", policy, by: "ops", atMs: 1 }],
    });
    const events = [{ kind: "policyChanged", policy: defaultPolicy, by: "ops", atMs: 1 }];
    assert.deepEqual(must(decodeLedgerRecord(record)).events, events);
  });

  it("reads a fault of a later version as one of ours that asks for care", () => {
    const reply = must(unpack(bytesOf("exec.answer.fault")));
    const text = JSON.stringify(reply).replace("CONFLICT", "QUANTUM_ENTANGLED");
    const example = examples.find(({ name }) => name === "exec.answer.fault");
    const found = JSON.stringify(must(example?.decode(pack(JSON.parse(text))) ?? assert.fail()));
    assert.match(found, /"code":"INTERNAL"/);
  });
});

/** A log record with the checksum that its bytes ask for. */
function sealed(body: Uint8Array): Uint8Array {
  const sum = bytes(0, 0, 0, 0, 0, 0, 0, 0);
  new DataView(sum.buffer).setBigUint64(0, testHash.h64(body));
  return new Uint8Array([...body, ...sum]);
}

function codeOf(example: Example, given: Uint8Array): string {
  const read = example.decode(given);
  return read.ok ? "it was read" : read.fault.code;
}

function hex(given: Uint8Array): string {
  return Buffer.from(given).toString("hex");
}

/** For comparison: byte strings as hex, whatever kind of array holds them; absent and undefined are one. */
function plain(value: unknown): unknown {
  if (value instanceof Float32Array) return { floats: [...value] };
  if (value instanceof Uint8Array) return { hex: hex(value) };
  if (value instanceof Map) return { map: [...value].map(plain) };
  if (value instanceof Set) return { set: [...value] };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const given = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(given.map(([name, inner]) => [name, plain(inner)]));
}
