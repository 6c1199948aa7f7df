// Endpoint. Owns the shape that comlink speaks through, made from anything that posts and receives messages: a worker's port, a process' channel.

import type { Endpoint } from "comlink";

export interface MessageChannelEnd {
  post(message: unknown): void;
  on(listener: (message: unknown) => void): void;
  off(listener: (message: unknown) => void): void;
}

export function endpointOf(end: MessageChannelEnd): Endpoint {
  const wrapped = new Map<object, (message: unknown) => void>();
  return {
    postMessage: (message: unknown) => end.post(message),
    addEventListener(_type, listener) {
      const hear = (data: unknown): void => {
        const event = Object.assign(new Event("message"), { data });
        if (typeof listener === "function") listener(event);
        else listener.handleEvent(event);
      };
      wrapped.set(listener, hear);
      end.on(hear);
    },
    removeEventListener(_type, listener) {
      const hear = wrapped.get(listener);
      wrapped.delete(listener);
      if (hear !== undefined) end.off(hear);
    },
  };
}
