// Guard. Owns who may see the page, and who may act on it.
// G1 beyond loopback nothing but the two probes is answered without the viewers' token. G2 on loopback only a loopback name is answered, so that no foreign
//    site can point its own name here. G3 an order needs the operator's token in a header of its own, which no other site can send. G4 tokens are compared in
//    constant time.

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

export interface Guard {
  /** Undefined: may see it. `login`: it brought the right token in the address; keep it in a cookie and show the plain address. */
  refusal(request: IncomingMessage): { readonly status: number; readonly words: string } | "login" | undefined;
  /** Undefined: may act. */
  orderRefusal(request: IncomingMessage): { readonly status: number; readonly words: string } | undefined;
  readonly cookie: string | undefined;
}

export interface GuardSpec {
  readonly loopbackOnly: boolean;
  /** Absent: whoever reaches the server may look. */
  readonly viewToken: string | undefined;
  /** Absent: nobody may act. */
  readonly operatorToken: string | undefined;
}

export const orderHeader = "x-foreshard-operator";
const cookieName = "foreshard-page";

export function createGuard({ loopbackOnly, viewToken, operatorToken }: GuardSpec): Guard {
  return {
    cookie:
      viewToken === undefined
        ? undefined
        : `${cookieName}=${viewToken}; HttpOnly; SameSite=Strict; Path=/; Max-Age=604800`,
    refusal(request) {
      if (loopbackOnly && !namesLoopback(request.headers.host))
        return { status: 421, words: "this page answers only to the name of this machine, such as localhost" };
      if (viewToken === undefined || holds(viewToken, bearerOf(request)) || holds(viewToken, cookieOf(request)))
        return undefined;
      if (holds(viewToken, tokenInAddress(request))) return "login";
      return {
        status: 401,
        words: "a token is needed: open the address that `npm start` printed, or send Authorization: Bearer TOKEN",
      };
    },
    orderRefusal({ headers }) {
      if (operatorToken === undefined)
        return { status: 403, words: "orders from the page are off: start the cluster with --page-actions" };
      const given = headers[orderHeader];
      if (typeof given === "string" && holds(operatorToken, given)) return undefined;
      return { status: 401, words: "the operator's token is wrong: it stands in operator.json in the data folder" };
    },
  };
}

function namesLoopback(host: string | undefined): boolean {
  const name = (host ?? "").replace(/:\d+$/, "").toLowerCase();
  return name === "localhost" || name === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1];
}

function cookieOf({ headers }: IncomingMessage): string | undefined {
  const pairs = (headers.cookie ?? "").split(";").map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1);
}

function tokenInAddress({ url = "" }: IncomingMessage): string | undefined {
  const [path, query = ""] = url.split("?");
  return path === "/" ? (new URLSearchParams(query).get("token") ?? undefined) : undefined;
}

function holds(token: string, given: string | undefined): boolean {
  return given !== undefined && timingSafeEqual(digest(token), digest(given));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
