// Watch. Owns what is measured of a page from outside: what it loads, when its first picture stands, what it costs the browser, what the server says each second.

import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../../cluster/engine/until.js";
import type { Window } from "../../live/chromium.js";
import { familyOf } from "../../live/processes.js";

const pictureLimitMs = 30_000;
/** Runs in the page: when rows of fragments stand there and were painted. Times count from the beginning of the navigation. */
const stopwatch = `new MutationObserver((_, observer) => {
  if (document.querySelector("#fragments tbody tr") === null) return;
  observer.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.firstPictureMs = performance.now(); }));
}).observe(document, { subtree: true, childList: true });`;

export interface Opened {
  readonly firstPictureMs: number;
  /** Of all the browser's processes, from before the page was asked for. */
  readonly browserCpuMs: number;
  /** Of everything but the news: page, style, programs, plotting library. */
  readonly fileBytes: number;
  readonly files: number;
  /** Requests that went elsewhere. */
  readonly foreign: readonly string[];
}

/** Opens it as somebody who was never there before, and closes it unless `stay` wants more. */
export async function openPage(
  { browser, pid }: Window,
  url: string,
  stay: () => Promise<void> = async () => undefined,
): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  try {
    const page = await context.newPage();
    const asked = new Set<string>();
    page.on("request", (request) => asked.add(request.url()));
    await page.addInitScript(stopwatch);
    const cpuBeforeMs = await cpuMsOf(pid);
    await page.goto(url);
    const seen = async (): Promise<number> => Number(await page.evaluate("window.firstPictureMs ?? 0"));
    if (!(await until(async () => (await seen()) > 0, pictureLimitMs))) throw new Error("the page shows no fragments");
    const firstPictureMs = await seen();
    const browserCpuMs = (await cpuMsOf(pid)) - cpuBeforeMs;
    await stay();
    const own = [...asked].filter((one) => one.startsWith(url) && !/\/(events|fragment)\b/.test(one));
    const sizes = await Promise.all(own.map(async (one) => (await (await fetch(one)).arrayBuffer()).byteLength));
    return {
      firstPictureMs,
      browserCpuMs,
      fileBytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
      files: own.length,
      foreign: [...asked].filter((one) => !one.startsWith(url) && !one.startsWith("data:")),
    };
  } finally {
    await context.close();
  }
}

/** How long the same browser takes for one line of text: what of the time of a picture is the browser's and the machine's. */
export async function openLine(
  { browser, pid }: Window,
  url: string,
): Promise<{ readonly tookMs: number; readonly browserCpuMs: number }> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const cpuBeforeMs = await cpuMsOf(pid);
    await page.goto(`${url}/healthz`);
    const tookMs = Number(await page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"));
    return { tookMs, browserCpuMs: (await cpuMsOf(pid)) - cpuBeforeMs };
  } finally {
    await context.close();
  }
}

/** Share of a core that each group of processes used, over `forMs`. */
export async function coresUsed<T extends string>(
  groups: Readonly<Record<T, () => Promise<number>>>,
  forMs: number,
): Promise<Map<T, number>> {
  const names = Object.keys(groups).filter((name): name is T => name in groups);
  const look = async (): Promise<readonly number[]> => Promise.all(names.map((name) => groups[name]()));
  const before = await look();
  const beganMs = performance.now();
  await sleep(forMs);
  const after = await look();
  const tookMs = performance.now() - beganMs;
  return new Map(names.map((name, at) => [name, ((after[at] ?? 0) - (before[at] ?? 0)) / tookMs]));
}

/** Processor time of a process, and with `below` of everything below it that fits. */
export async function cpuMsOf(root: number, fits: (args: readonly string[]) => boolean = () => true): Promise<number> {
  const family = await familyOf(root);
  return family.filter(({ args }) => fits(args)).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

export interface News {
  readonly firstBytes: number;
  readonly bytesPerSecond: number;
}

/** What a page is told at first, and then each second. */
export function newsOf(url: string, forMs: number): Promise<News> {
  return new Promise((resolve, reject) => {
    const asked = get(`${url}/events`, { agent: false }, (answer) => {
      let firstBytes = 0;
      let later = 0;
      let isFirst = true;
      answer.on("data", (part: Buffer) => {
        if (isFirst) firstBytes += part.length;
        else later += part.length;
      });
      answer.on("error", reject);
      const firstMs = 700;
      setTimeout(() => {
        isFirst = false;
      }, firstMs);
      setTimeout(() => {
        answer.destroy();
        resolve({ firstBytes, bytesPerSecond: (later * 1000) / forMs });
      }, forMs + firstMs);
    });
    asked.on("error", reject);
  });
}
