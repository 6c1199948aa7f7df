#!/usr/bin/env node
// Bench of the page. Owns the figures of whoever looks at a cluster of 1,000 fragments: what the page loads, when its first picture stands in a real
// browser, what an open page costs the cluster and the browser, how many series `/metrics` has and how long a scrape takes.
// B1 each host is a process, so that what the supervisor's process uses is page, metrics and the watch over hosts, and nothing else.

import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../cluster/client/index.js";
import { until } from "../../cluster/engine/until.js";
import { chromiumPath, noChromium, openWindow, type Window } from "../live/chromium.js";
import type { Farewell } from "../live/farewell.js";
import { loadAverage, median, publish, say, spreadText } from "../live/figures.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { type BenchChoice, runBench } from "./options.js";
import { fill, startCrowd } from "./page/crowd.js";
import { coresUsed, cpuMsOf, newsOf, type Opened, openLine, openPage } from "./page/watch.js";

const fragments = 1_000;
const table = "many";
const watchedMs = 20_000;
const scrapes = 30;
const forecastsLimitMs = 120_000;

async function page({ tries, isJson, seed }: BenchChoice, farewell: Farewell): Promise<boolean> {
  const cluster = await TrialCluster.prepare(farewell, {
    nodes: 4,
    natsServers: 1,
    isolation: "processes",
    restart: "never",
    more: ["--page", "127.0.0.1:0", "--sample-interval", "1s"],
  });
  await cluster.start();
  const url = cluster.ready.pageUrl;
  if (url === undefined) throw new Error("the cluster has no page");
  const client = await connect(cluster.ready.natsUrl);
  farewell.later(() => client.close());
  await client.admin.createTable({ name: table, fragments });
  await fill(client, table, fragments);
  const crowd = startCrowd(farewell, client, table, fragments, seed);
  say(`${fragments} fragments in 3 copies on 4 nodes are asked ${crowd.getsPerSecond} times a second`);
  if (!(await until(async () => (await forecast(url)) >= fragments, forecastsLimitMs, 1_000)))
    say(`only ${await forecast(url)} fragments are forecast; on with those`);

  const server = (): Promise<number> => cpuMsOf(cluster.pid, isSupervisor);
  const alone = (await coresUsed({ server }, watchedMs)).get("server") ?? Number.NaN;
  say(`the supervisor's process, nobody looks: ${percent(alone)} of a core`);
  const scraped = await scrape(url, server, alone);
  const news = await newsOf(url, 5_000);
  const path = chromiumPath();
  const window = path === undefined ? undefined : await openWindow(farewell, path);
  const seen = window === undefined ? undefined : await look(window, url, tries, server);
  await crowd.stop();
  const still = window === undefined ? undefined : await picturesOf(window, url, tries);
  await cluster.stop();

  const noBrowser = `NOT TRIED: ${noChromium}`;
  publish(
    isJson,
    ["what", "mark", "measured"],
    [
      [
        "bytes that the page loads, without the news",
        "200,000",
        seen === undefined ? noBrowser : `${seen.fileBytes} in ${seen.files} files; elsewhere: ${seen.foreign.length}`,
      ],
      [
        "first picture in Chromium, nothing cached",
        "1 s",
        seen === undefined ? noBrowser : spreadText(seen.firstPicturesMs),
      ],
      [
        "… one line of text in the same browser (/healthz)",
        "-",
        seen === undefined ? noBrowser : spreadText(seen.linesMs),
      ],
      [
        "… processor time of all the browser until then; for the line of text",
        "-",
        seen === undefined ? noBrowser : `${spreadText(seen.browserMs)}; ${spreadText(seen.lineBrowserMs)}`,
      ],
      [
        "first picture when nobody asks the cluster; one line of text then",
        "1 s",
        still === undefined ? noBrowser : `${spreadText(still.firstPicturesMs)}; ${spreadText(still.linesMs)}`,
      ],
      ["news: at first; then each second", "-", `${news.firstBytes} B; ${Math.round(news.bytesPerSecond)} B`],
      [
        "processor of the supervisor's process: nobody looks; one page is open",
        "-",
        `${percent(alone)}; ${seen === undefined ? noBrowser : percent(seen.server)} of a core`,
      ],
      ["… an open page costs the server", "10 %", seen === undefined ? noBrowser : percent(seen.server - alone)],
      [
        "processor of the browser's page (renderer); of all the browser",
        "10 %",
        seen === undefined ? noBrowser : `${percent(seen.renderer)}; ${percent(seen.browser)} of a core`,
      ],
      ["series of /metrics", "5,000", `${scraped.series} in ${scraped.bytes} B`],
      [
        "a scrape",
        "100 ms",
        `median ${median(scraped.tookMs)?.toFixed(1)} ms, longest of ${scrapes} ${Math.max(...scraped.tookMs).toFixed(1)} ms; processor time ${scraped.cpuMs.toFixed(1)} ms each`,
      ],
      ["gets answered, failed", "-", `${crowd.answered()}, ${crowd.failed()}`],
      ["load average", "-", loadAverage().toFixed(1)],
    ],
    { fragments, seen, still, news, alone, ...scraped, answered: crowd.answered(), failed: crowd.failed() },
  );
  return crowd.failed() === 0 && crowd.answered() > 0 && (seen?.foreign.length ?? 0) === 0;
}

/** The page, and one line of text, by turns. */
interface Pictures {
  readonly firstPicturesMs: readonly number[];
  readonly browserMs: readonly number[];
  readonly linesMs: readonly number[];
  readonly lineBrowserMs: readonly number[];
}

async function picturesOf(window: Window, url: string, tries: number): Promise<Pictures> {
  const firstPicturesMs: number[] = [];
  const browserMs: number[] = [];
  const linesMs: number[] = [];
  const lineBrowserMs: number[] = [];
  for (let at = 0; at < tries; at++) {
    const line = await openLine(window, url);
    linesMs.push(line.tookMs);
    lineBrowserMs.push(line.browserCpuMs);
    const picture = await openPage(window, url);
    firstPicturesMs.push(picture.firstPictureMs);
    browserMs.push(picture.browserCpuMs);
  }
  return { firstPicturesMs, browserMs, linesMs, lineBrowserMs };
}

interface Seen extends Pictures, Omit<Opened, "firstPictureMs" | "browserCpuMs"> {
  /** Shares of a core while one page is open. */
  readonly server: number;
  readonly renderer: number;
  readonly browser: number;
}

async function look(window: Window, url: string, tries: number, server: () => Promise<number>): Promise<Seen> {
  const pictures = await picturesOf(window, url, tries);
  let used = new Map<"server" | "renderer" | "browser", number>();
  const last = await openPage(window, url, async () => {
    await sleep(3_000);
    const browser = (): Promise<number> => cpuMsOf(window.pid);
    const renderer = (): Promise<number> =>
      cpuMsOf(window.pid, (args) => args.some((arg) => arg.includes("--type=renderer")));
    used = await coresUsed({ server, renderer, browser }, watchedMs);
  });
  const share = (name: "server" | "renderer" | "browser"): number => used.get(name) ?? Number.NaN;
  return {
    ...last,
    ...pictures,
    server: share("server"),
    renderer: share("renderer"),
    browser: share("browser"),
  };
}

function isSupervisor(args: readonly string[]): boolean {
  return args.some((arg) => arg.endsWith("scripts/start.js"));
}

/** Fragments of which a forecast is known. */
async function forecast(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(
    new RegExp(`^foreshard_forecast_series\\{[^}]*table="${table}"[^}]*\\} (\\d+)$`, "m").exec(text)?.[1] ?? 0,
  );
}

interface Scraped {
  readonly series: number;
  readonly bytes: number;
  readonly tookMs: readonly number[];
  /** Processor time of the server for each, above what it uses when nobody looks. */
  readonly cpuMs: number;
}

async function scrape(url: string, server: () => Promise<number>, alone: number): Promise<Scraped> {
  const tookMs: number[] = [];
  let text = "";
  const [cpuBefore, begunMs] = [await server(), performance.now()];
  for (let at = 0; at < scrapes; at++) {
    const beganMs = performance.now();
    text = await (await fetch(`${url}/metrics`)).text();
    tookMs.push(performance.now() - beganMs);
    await sleep(300);
  }
  const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
  const usedMs = (await server()) - cpuBefore - alone * (performance.now() - begunMs);
  return { series, bytes: Buffer.byteLength(text), tookMs, cpuMs: Math.max(0, usedMs / scrapes) };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

await runBench(
  {
    name: "bench:page",
    description:
      "Looks at a cluster of 1,000 fragments: what the live page and the metrics weigh, how soon they are there, what they cost.",
    tries: 5,
  },
  page,
);
