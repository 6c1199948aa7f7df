// Bodies: what is encoded already travels as it is in msgpack, and reads the same in JSON.

import assert from "node:assert/strict";
import { decodeBody, encodeBody } from "../../cluster/world/body.js";
import { Encoded } from "../../src/protocol/codec.js";
import { encodeExecReply } from "../../src/protocol/exec-codec.js";
import { replyBody } from "../../src/protocol/exec-page.js";
import { must } from "../results.js";

describe("bodies", () => {
  it("of a lone scan are the same, whoever wrote them, in msgpack and in JSON", () => {
    const row = { position: Uint8Array.of(1, 2), version: 2 ** 40, document: Uint8Array.of(0x81, 0xa1, 0x61, 1) };
    const reply = { viewSeq: [7], results: [[{ op: "scan" as const, rows: [row, row], next: Uint8Array.of(3) }]] };
    const body = replyBody(reply);
    assert.ok(body instanceof Encoded);
    for (const form of ["msgpack", "json"] as const) {
      const bytes = encodeBody(body, form);
      assert.deepEqual(Buffer.from(bytes), Buffer.from(encodeBody(encodeExecReply(reply), form)), form);
      must(decodeBody(bytes, form));
    }
  });
});
