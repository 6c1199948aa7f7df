// Call. Owns the bound on every call across a thread or process: comlink's promises may never settle once the other side is gone (FACTS, comlink).

import { fail, type Result } from "../../src/kernel/fault.js";

/** What `call` answers, or a fault when `limitMs` pass or `ended` says first why the other side is gone. */
export async function bounded<T>(
  what: string,
  call: Promise<Result<T>>,
  ended: Promise<string>,
  limitMs: number,
): Promise<Result<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Result<T>>((resolve) => {
    timer = setTimeout(
      () => resolve(fail("UNAVAILABLE", `${what} did not answer within ${Math.ceil(limitMs / 1000)} s`)),
      limitMs,
    );
  });
  const gone = ended.then((why): Result<T> => fail("UNAVAILABLE", `${what} ended: ${why}`));
  const failed = (error: unknown): Result<T> =>
    fail("INTERNAL", `${what} failed: ${error instanceof Error ? error.message : String(error)}`);
  try {
    return await Promise.race([call.catch(failed), late, gone]);
  } finally {
    clearTimeout(timer);
  }
}
