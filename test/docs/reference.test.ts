import assert from "node:assert/strict";
import * as entry from "../../cluster/index.js";
import { declarationsIn } from "../../scripts/docs/declarations.js";
import { exportsOfPackage } from "../../scripts/docs/exports.js";
import { referenceOf } from "../../scripts/docs/reference.js";

describe("API reference", () => {
  const all = exportsOfPackage().flatMap(({ declarations }) => declarations);

  it("holds every export of the package, with words for each function, class and method", () => {
    const names = new Set(all.map(({ name }) => name));
    for (const name of [...Object.keys(entry), "EmbeddedOptions", "Row", "ProfileInfo", "FaultCode"])
      assert.ok(names.has(name), name);
    const silent = all.flatMap(({ name, kind, words, members }) => [
      ...(words === "" && (kind === "class" || kind === "function") ? [name] : []),
      ...members
        .filter((one) => one.words === "" && one.signature.includes("("))
        .map(({ signature }) => `${name}.${signature}`),
    ]);
    assert.deepEqual(silent, []);
    const text = referenceOf("1.2.3", exportsOfPackage());
    assert.match(text, /^# API of foreshard 1\.2\.3\n/);
    assert.match(text, /### Table\n[\s\S]*deleteRange\(range: DeleteRangeOptions\)[\s\S]*Not atomic/);
    assert.doesNotMatch(text, /private |constructor\(/);
  });

  it("reads declarations as the compiler writes them", () => {
    const text = `import x from "y";
/** Words
 *  of two lines. */
export declare class Box<T> {
    private readonly inner;
    /** Gives it. */
    get(options?: {
        readonly deep?: boolean;
    }): T;
    constructor(inner: T);
}
export type Name = string;
`;
    const [box, name, ...more] = declarationsIn(text);
    assert.deepEqual(more, []);
    assert.deepEqual(name, { name: "Name", kind: "type", words: "", text: "type Name = string;", members: [] });
    assert.equal(box?.words, "Words\nof two lines.");
    assert.deepEqual(box?.members, [
      { signature: "get(options?: {\n    readonly deep?: boolean;\n}): T;", words: "Gives it." },
    ]);
  });
});
