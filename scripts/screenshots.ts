#!/usr/bin/env node
// Screenshots. Owns the pictures of the live page in the documents: made anew from a real cluster with a real load, in a real browser.

import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { Browser, Page } from "playwright-core";
import { until } from "../cluster/engine/until.js";
import { chromiumPath, launchChromium, noChromium } from "./live/chromium.js";
import { runTrial } from "./live/farewell.js";
import { openScene } from "./screenshots/scene.js";

interface Shot {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
  /** The whole page, however long. */
  readonly whole?: true;
  readonly before?: (page: Page) => Promise<void>;
}

const shots: readonly Shot[] = [
  { name: "page", width: 1280, height: 620, scheme: "light" },
  { name: "page-dark", width: 1280, height: 620, scheme: "dark" },
  { name: "page-whole", width: 1280, height: 1000, scheme: "light", whole: true },
  { name: "narrow", width: 400, height: 900, scheme: "light", whole: true },
  { name: "narrow-dark", width: 400, height: 900, scheme: "dark", whole: true },
  { name: "fragment", width: 1280, height: 620, scheme: "dark", before: openFirst },
  { name: "fragment-narrow", width: 400, height: 900, scheme: "light", before: openFirst },
];
const drawnLimitMs = 30_000;

const command = new Command("screenshots")
  .description("Starts a cluster with a load, and takes pictures of its live page.")
  .option("--out <folder>", "where they go", "docs/images")
  .option("--seconds <count>", "how long the cluster is asked before", "150")
  .option("--only <names>", `some of ${shots.map(({ name }) => name).join(",")}`, "page,fragment")
  .allowExcessArguments(false)
  .parse();
const { out, seconds, only } = command.opts<{ out: string; seconds: string; only: string }>();
const wanted = shots.filter(({ name }) => only === "all" || only.split(",").includes(name));
if (!(Number(seconds) >= 1) || wanted.length === 0) {
  process.stderr.write(
    `CONFIG: --seconds must be a number from 1, and --only must name some of the pictures, or all\n`,
  );
  process.exit(1);
}

await runTrial(async (farewell) => {
  const path = chromiumPath();
  if (path === undefined) throw new Error(noChromium);
  await mkdir(out, { recursive: true });
  const scene = await openScene(farewell);
  const browser = await launchChromium(path);
  farewell.later(() => browser.close());
  process.stderr.write(`the cluster is asked for ${seconds} s: ${scene.pageUrl}\n`);
  await sleep(Number(seconds) * 1000);
  await scene.beginMove();
  for (const shot of wanted) process.stdout.write(`${await take(browser, scene.pageUrl, shot)}\n`);
  return true;
});

async function take(
  browser: Browser,
  url: string,
  { name, width, height, scheme, whole, before }: Shot,
): Promise<string> {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme });
  try {
    await page.goto(url);
    const rows = async (): Promise<boolean> => (await page.locator("#fragments tbody tr").count()) > 0;
    if (!(await until(rows, drawnLimitMs))) throw new Error("the page shows no fragments");
    await before?.(page);
    // Two rounds of news.
    await sleep(2_500);
    const file = join(out, `${name}.png`);
    await page.screenshot({ path: file, fullPage: whole === true });
    return `${file}: ${(await stat(file)).size} bytes`;
  } finally {
    await page.close();
  }
}

/** The fragment of the shop's orders that is asked most. */
async function openFirst(page: Page): Promise<void> {
  await page.locator("#fragments input").fill("orders");
  await page.locator("#fragments tbody tr button").first().click();
  const isOpen = async (): Promise<boolean> => (await page.locator("#detail .plot canvas").count()) > 0;
  if (!(await until(isOpen, drawnLimitMs))) throw new Error("the fragment shows no forecast");
}
