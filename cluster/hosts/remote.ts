// Remote. Owns what thread and process doors share: the calls over comlink, each bounded, and the order of an end.
// R1 the proxy is released before the other side is ended by force (FACTS, comlink). R2 force comes only after the host had its time to stop.

import { type Remote, releaseProxy, wrap } from "comlink";
import { ok } from "../../src/kernel/fault.js";
import { bounded } from "./call.js";
import type { HostDoor } from "./door.js";
import { endpointOf, type MessageChannelEnd } from "./endpoint.js";
import type { InsideApi } from "./inside.js";

export interface FarSide {
  readonly name: string;
  readonly pid: number;
  readonly end: MessageChannelEnd;
  readonly ended: Promise<string>;
  /** Lets it end once it has nothing more to do. */
  dismiss(): void;
  /** Ends it now. */
  force(): void;
}

/** After the host stopped, the thread or process itself has this long to end. */
const dismissMs = 2_000;

export function doorTo(far: FarSide, moduleUrl: string, killHard: (api: Remote<InsideApi>) => void): HostDoor {
  const api: Remote<InsideApi> = wrap<InsideApi>(endpointOf(far.end));
  let isGone = false;
  void far.ended.then(() => {
    isGone = true;
  });

  async function endsWithin(limitMs: number): Promise<boolean> {
    const gone = await bounded(
      far.name,
      far.ended.then(() => ok(true)),
      new Promise<string>(() => undefined),
      limitMs,
    );
    return gone.ok;
  }

  return {
    pid: far.pid,
    ended: far.ended,
    start: (spec, limitMs) => bounded(far.name, api.start(moduleUrl, spec), far.ended, limitMs),
    stats: (limitMs) => bounded(far.name, api.stats(), far.ended, limitMs),
    async stop(leaving, limitMs) {
      if (isGone) return;
      const stopped = await bounded(far.name, api.stop(leaving), far.ended, limitMs);
      if (isGone) return;
      api[releaseProxy]();
      if (stopped.ok) far.dismiss();
      if (stopped.ok && (await endsWithin(dismissMs))) return;
      far.force();
      await endsWithin(dismissMs);
    },
    kill: () => {
      if (!isGone) killHard(api);
    },
  };
}
