// Events. Owns the way in of an open page: everything as it is, then what changes; where too many look, a refusal that says so.

import type { Newsroom } from "./newsroom.js";
import { plain, type Route } from "./server.js";
import type { Viewers } from "./viewers.js";

export function eventsRoute(viewers: Viewers, newsroom: Pick<Newsroom, "everything" | "wake">): Route {
  return {
    method: "GET",
    async handle({ response }) {
      const all = await newsroom.everything();
      if (response.destroyed) return undefined;
      if (!viewers.add(response, () => all))
        return { ...plain(503, "too many pages are open; try again later"), headers: { "Retry-After": "10" } };
      newsroom.wake();
      return undefined;
    },
  };
}
