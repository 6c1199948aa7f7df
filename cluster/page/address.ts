// Page address. Owns where the page's server listens: HOST:PORT, or off, and whether that is on this machine only.

import { fail, ok, type Result } from "../../src/kernel/fault.js";

export interface PageAddress {
  readonly host: string;
  readonly port: number;
}

export const defaultPage: PageAddress = { host: "127.0.0.1", port: 8220 };
const rule = "page must be HOST:PORT, such as 127.0.0.1:8220 or [::1]:8220 (port 0: any free one), or off";

/** `undefined`: no page. */
export function pageAddressOf(text: string): Result<PageAddress | undefined> {
  if (text === "off") return ok(undefined);
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port <= 65_535)) return fail("CONFIG", rule);
  return ok({ host, port });
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

export function urlOf({ host, port }: PageAddress): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** What is wrong with it, or nothing. */
export function pageMistake(page: string | undefined): string | undefined {
  const address = page === undefined ? undefined : pageAddressOf(page);
  return address === undefined || address.ok ? undefined : address.fault.message;
}
