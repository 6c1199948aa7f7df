// Chromium. Owns how a real browser is found on this machine and started: the operating system's, never one that is downloaded.
// CH1 where there is none, who needs it says so and what to do.

import { existsSync } from "node:fs";
import { type Browser, type BrowserServer, chromium } from "playwright-core";
import type { Farewell } from "./farewell.js";

const places = [
  process.env.CHROMIUM ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
] as const;
/** Root may not use Chromium's sandbox; what is opened is this machine's own page. */
const args = ["--no-sandbox"];

export const noChromium = "there is no Chromium here (apt-get install chromium, or CHROMIUM=PATH)";

export function chromiumPath(): string | undefined {
  return places.find((path) => path !== "" && existsSync(path));
}

export interface Window {
  readonly browser: Browser;
  /** Of the browser's first process: all others are below it. */
  readonly pid: number;
}

export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args });
}

/** With its process id, for who wants to know what it costs. */
export async function openWindow(farewell: Farewell, executablePath: string): Promise<Window> {
  const server: BrowserServer = await chromium.launchServer({ executablePath, args });
  farewell.later(() => server.close());
  return { browser: await chromium.connect(server.wsEndpoint()), pid: server.process().pid ?? 0 };
}
