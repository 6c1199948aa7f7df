// Viewers. Owns the open pages: server-sent events, one text for all of them, the newest of each topic for whoever comes later.
// V1 a topic is put into words once, however many look. V2 a viewer that does not read is let go: its browser comes again. V3 the number of viewers is bounded.

import type { ServerResponse } from "node:http";
import { openStream } from "./server.js";
import type { TopicName } from "./topics.js";

export interface Viewers {
  /** False: there are too many. */
  add(response: ServerResponse, first: () => Iterable<readonly [TopicName, string]>): boolean;
  tell(topic: TopicName, text: string): void;
  count(): number;
  close(): void;
}

export const viewerLimits = {
  viewers: 1_500,
  unreadBytes: 2 * 1024 * 1024,
} as const;
export type ViewerLimits = { readonly [L in keyof typeof viewerLimits]: number };

const aliveEveryMs = 15_000;

export function createViewers(bounds: ViewerLimits = viewerLimits): Viewers {
  const open = new Set<ServerResponse>();
  const alive = setInterval(() => send(": alive\n\n"), aliveEveryMs);
  alive.unref();

  function send(text: string): void {
    const bytes = Buffer.from(text);
    for (const response of open) {
      if (response.writableLength > bounds.unreadBytes) drop(response);
      else response.write(bytes);
    }
  }
  function drop(response: ServerResponse): void {
    open.delete(response);
    response.destroy();
  }

  return {
    add(response, first) {
      if (open.size >= bounds.viewers) return false;
      openStream(response, "text/event-stream; charset=utf-8");
      response.write(`retry: 1000\n\n${[...first()].map(([topic, text]) => eventOf(topic, text)).join("")}`);
      open.add(response);
      response.once("close", () => open.delete(response));
      return true;
    },
    tell: (topic, text) => send(eventOf(topic, text)),
    count: () => open.size,
    close() {
      clearInterval(alive);
      for (const response of [...open]) drop(response);
    },
  };
}

/** JSON has no line breaks of its own. */
function eventOf(topic: TopicName, text: string): string {
  return `event: ${topic}\ndata: ${text}\n\n`;
}
