// A host module that does nothing but what its spec says: for the tests of doors and supervisor.

import { appendFileSync } from "node:fs";
import type { RunningHost } from "../../cluster/hosts/door.js";
import { fail, ok, type Result } from "../../src/kernel/fault.js";

export interface FakeSpec {
  readonly id: string;
  readonly incarnation: string;
  /** Each start and stop is noted here, a line each. */
  readonly journal: string;
  readonly refuse?: string;
  readonly hangAtStop?: boolean;
  readonly failAfterMs?: number;
}

export async function startHost(spec: FakeSpec): Promise<Result<RunningHost>> {
  const note = (what: string): void => appendFileSync(spec.journal, `${what} ${spec.id}\n`);
  note("start");
  if (spec.refuse !== undefined) return fail("CONFIG", spec.refuse);
  const busy = setInterval(() => undefined, 1000);
  const failed = new Promise<string>((resolve) => {
    if (spec.failAfterMs !== undefined) setTimeout(resolve, spec.failAfterMs, "it was told to fail");
  });
  return ok({
    failed,
    crash: async () => note("crash"),
    stats: () => ({ id: spec.id, incarnation: spec.incarnation }),
    async stop(leaving) {
      note(leaving ? "leave" : "stop");
      if (spec.hangAtStop === true) await new Promise(() => undefined);
      clearInterval(busy);
    },
  });
}
