// Until. Owns the bounded wait for a condition: asked again and again, at most for so long.

import { setTimeout as sleep } from "node:timers/promises";

/** True when `holds` came true within `limitMs`; asks at least once. */
export async function until(holds: () => boolean | Promise<boolean>, limitMs: number, everyMs = 20): Promise<boolean> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() >= endMs) return false;
    await sleep(everyMs);
  }
}
