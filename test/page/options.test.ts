import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { decodeOptions } from "../../cluster/boot/options.js";
import { isLoopback, pageAddressOf, urlOf } from "../../cluster/page/address.js";
import { faultOf, unwrap } from "../engine/support.js";

describe("where the page is", () => {
  it("is read from HOST:PORT, or off", () => {
    deepStrictEqual(unwrap(pageAddressOf("127.0.0.1:8220")), { host: "127.0.0.1", port: 8220 });
    deepStrictEqual(unwrap(pageAddressOf("[::1]:0")), { host: "::1", port: 0 });
    strictEqual(unwrap(pageAddressOf("off")), undefined);
    strictEqual(urlOf({ host: "::1", port: 1 }), "http://[::1]:1");
  });

  it("is refused in any other form, with what would be right", () => {
    for (const wrong of ["8220", "localhost", "a:b", "127.0.0.1:70000", ":8220", "http://127.0.0.1:8220"])
      match(faultOf(decodeOptions({ page: wrong })).message, /page must be HOST:PORT/, wrong);
    match(faultOf(decodeOptions({ pageActions: "yes" })).message, /pageActions must be true or false/);
  });

  it("knows what is this machine only", () => {
    ok(["127.0.0.1", "127.3.2.1", "localhost", "::1"].every(isLoopback));
    ok(!["0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.0.0.1.example"].some(isLoopback));
  });
});
