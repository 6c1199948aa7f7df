// The page and the metrics of a real cluster: figures that are right, dashboards that name only what is exported, a browser that shows it, and many viewers.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { until } from "../../cluster/engine/until.js";
import { chromiumPath, launchChromium, noChromium } from "../../scripts/live/chromium.js";
import { Siege } from "./siege.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const limitMs = 20_000;
const hostile = '<img src=x onerror="window.hacked=1">';

describe("people who look at a running cluster", () => {
  const siege = new Siege();
  let url = "";

  before(async function () {
    this.timeout(60_000);
    await siege.begin({ nodes: 2, sampleInterval: "200ms", page: "127.0.0.1:0", pageActions: true });
    url = siege.cluster.pageUrl ?? "";
    await siege.client.admin.createTable({ name: "words", partitioning: "range", splitAt: [hostile], replicas: 1 });
    const kept = siege.client.table("kept");
    for (let key = 0; key < 20; key++) await kept.put(`k${key}`, { at: key });
    for (let key = 0; key < 30; key++) await kept.get(`k${key}`);
    await kept.insert("k1", {}).catch(() => undefined);
  });
  after(() => siege.close());

  const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
  function figureIn(text: string, series: string): number | undefined {
    const line = text.split("\n").find((one) => one.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }

  it("find every operation in the metrics once, by table, kind and outcome, and its time in a class", async () => {
    const labels = 'table="kept",operation="get"';
    let text = "";
    const counted = async (): Promise<boolean> => {
      text = await metrics();
      return figureIn(text, `foreshard_operations_total{${labels},outcome="done"}`) === 30;
    };
    assert.ok(await until(counted, limitMs), text.match(/^foreshard_operations_total.*$/gm)?.join("\n"));
    assert.equal(figureIn(text, 'foreshard_operations_total{table="kept",operation="put",outcome="done"}'), 21);
    assert.equal(figureIn(text, 'foreshard_operations_total{table="kept",operation="insert",outcome="refused"}'), 1);
    assert.equal(figureIn(text, `foreshard_operation_duration_seconds_count{${labels}}`), 30);
    assert.equal(figureIn(text, `foreshard_operation_duration_seconds_bucket{${labels},le="+Inf"}`), 30);
    assert.equal(figureIn(text, 'foreshard_fragments_serving{table="kept"}'), 4);
    const rows = async (): Promise<boolean> => figureIn(await metrics(), 'foreshard_table_rows{table="kept"}') === 21;
    assert.ok(await until(rows, limitMs), "rows are told");
    assert.ok(text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length < 1_000);
  });

  it("have a dashboard and alerts that name only what is exported", async () => {
    const exported = new Set(
      [...(await metrics()).matchAll(/^# TYPE (\S+) (\w+)$/gm)].flatMap(([, name = "", type]) =>
        type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
    assert.ok(exported.size > 60, `${exported.size} metrics to judge by`);
    const dashboard: unknown = JSON.parse(
      await readFile(join(root, "docs/observability/grafana-dashboard.json"), "utf8"),
    );
    const alerts = await readFile(join(root, "docs/observability/alerts.yaml"), "utf8");
    const rules = alerts.split(/^ {6}- alert: /m).slice(1);
    assert.ok(rules.length >= 15);
    for (const rule of rules)
      assert.match(rule, /expr: [\s\S]*severity: [\s\S]*summary: [\s\S]*action: /, rule.slice(0, 40));
    const named = [...`${JSON.stringify(dashboard)} ${alerts}`.matchAll(/\bforeshard_\w+/g)].map(([name]) => name);
    assert.ok(new Set(named).size > 40);
    for (const name of named) assert.ok(exported.has(name), `${name} is not exported`);
  });

  it("can ask whether it lives and whether it serves", async () => {
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    assert.equal(await (await fetch(`${url}/readyz`)).text(), "ok\n");
    assert.equal((await fetch(`${url}/fragment?id=16`)).status, 200);
    assert.equal((await fetch(`${url}/fragment?id=nothing`)).status, 400);
    assert.equal((await fetch(`${url}/fragment?id=123456`)).status, 404);
  });

  it("may give orders only with the operator's token", async () => {
    const { token } = JSON.parse(await readFile(join(siege.cluster.dataDir, "operator.json"), "utf8"));
    const order = (body: unknown, given?: string, type = "application/json"): Promise<Response> =>
      fetch(`${url}/orders`, {
        method: "POST",
        headers: { "Content-Type": type, ...(given === undefined ? {} : { "X-Foreshard-Operator": given }) },
        body: JSON.stringify(body),
      });
    const drain = { order: "drain", node: "n2" };
    assert.equal((await order(drain)).status, 401);
    assert.equal((await order(drain, "guessed")).status, 401);
    assert.equal((await order(drain, token, "text/plain")).status, 415);
    assert.equal((await order({ order: "dropTable", name: "kept" }, token)).status, 400);
    const unknown = await order({ order: "drain", node: "n9" }, token);
    assert.equal(unknown.status, 409);
    assert.match(await unknown.text(), /UNKNOWN_NODE/);
    assert.equal((await order({ order: "undrain", node: "n2" }, token)).status, 200);
    assert.ok((await siege.client.cluster.nodes()).nodes.every(({ draining }) => !draining));
  });

  it("are many, and the cluster is asked no more than for one", async function () {
    this.timeout(40_000);
    const open: IncomingMessage[] = [];
    const asked = async (): Promise<number> => {
      const found = (await metrics()).matchAll(
        /^foreshard_router_requests_total\{.*operation="cluster-nodes"\} (\d+)$/gm,
      );
      return [...found].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const before = await asked();
    const begun = performance.now();
    await Promise.all(
      Array.from(
        { length: 300 },
        () =>
          new Promise<void>((resolve, reject) => {
            get(`${url}/events`, { agent: false }, (answer) => {
              open.push(answer);
              answer.once("data", () => resolve());
              answer.on("error", () => undefined);
            }).on("error", reject);
          }),
      ),
    );
    try {
      const viewers = async (): Promise<boolean> => /^foreshard_page_viewers 300$/m.test(await metrics());
      assert.ok(await until(viewers, limitMs));
      const rounds = (performance.now() - begun) / 1000;
      const more = (await asked()) - before;
      assert.ok(more <= 3 * rounds + 6, `${more} questions in ${rounds.toFixed(1)} s for 300 pages`);
    } finally {
      for (const answer of open) answer.destroy();
    }
  });

  describe("in a browser", () => {
    let browser: Browser | undefined;
    let page: Page;
    const asked: string[] = [];
    const complaints: string[] = [];

    before(async function () {
      this.timeout(60_000);
      const path = chromiumPath();
      if (path === undefined) {
        process.stderr.write(`    NOT TRIED: ${noChromium}\n`);
        this.skip();
      }
      browser = await launchChromium(path);
      page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      page.on("request", (request) => asked.push(request.url()));
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      await page.goto(url);
    });
    after(() => browser?.close());

    const rows = (): Promise<number> => page.locator("#fragments tbody tr").count();

    it("is small, asks nobody else, and shows fragments, nodes and the record", async () => {
      assert.ok(await until(async () => (await rows()) === 6, limitMs), complaints.join("\n"));
      assert.equal(await page.locator("#nodes .card").count(), 2);
      const plotted = async (): Promise<boolean> => (await page.locator("#nodes .card canvas").count()) === 2;
      assert.ok(await until(plotted, limitMs), "the plots come after the first picture");
      assert.match(await page.locator("#trouble").innerText(), /serves/);
      const table = await page.locator("#fragments tbody").innerText();
      assert.match(table, /kept/);
      assert.ok(table.includes(hostile), "a key with a script in it stands there as text");
      assert.equal(await page.locator("#fragments img").count(), 0);
      assert.ok(
        asked.every((one) => one.startsWith(url) || one.startsWith("data:")),
        asked.join(" "),
      );
      const files = [...new Set(asked)].filter((one) => one.startsWith(url) && !/events|fragment\?/.test(one));
      const sizes = await Promise.all(files.map(async (one) => (await (await fetch(one)).arrayBuffer()).byteLength));
      const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
      assert.ok(total > 50_000 && total < 200_000, `${total} bytes`);
    });

    it("filters, sorts and opens a fragment by keyboard, and shows what clients wrote as text only", async function () {
      this.timeout(40_000);
      const [fragment] = (await siege.client.cluster.fragments("kept")).filter(
        ({ id, replicas }) => id > 0 && replicas.length === 2,
      );
      assert.ok(fragment !== undefined);
      const to = fragment.replicas.find(({ node }) => node !== fragment.primary)?.node ?? "";
      await siege.client.admin.move({ table: "kept", fragment: fragment.id, to, why: hostile });
      const told = async (): Promise<boolean> => (await page.locator("#past-moves").innerText()).includes(hostile);
      assert.ok(await until(told, limitMs), "the move and its reason are shown");
      await page.keyboard.press("/");
      await page.keyboard.type(String(fragment.id));
      assert.ok(await until(async () => (await rows()) >= 1 && (await rows()) < 6, limitMs));
      await page.locator("#fragments th button").first().focus();
      await page.keyboard.press("Enter");
      assert.equal(await page.locator("#fragments th").first().getAttribute("aria-sort"), "ascending");
      await page.locator("#fragments tbody tr button").first().focus();
      await page.keyboard.press("Enter");
      const opened = async (): Promise<boolean> => (await page.locator("#detail").innerText()).includes(hostile);
      assert.ok(await until(opened, limitMs), "its history of moves is shown");
      const foreseen = async (): Promise<boolean> =>
        /client · steps of/.test(await page.locator("#detail").innerText());
      assert.ok(await until(foreseen, limitMs), "its forecast is shown, once there is one");
      await page.keyboard.press("Escape");
      assert.ok(await page.locator("#detail").isHidden());
      assert.equal(await page.evaluate("window.hacked"), undefined);
      assert.equal(await page.locator("#past-moves img").count(), 0);
      await page.locator("#fragments input").fill("");
    });

    it("is readable at 400 px, in the dark too", async () => {
      await page.setViewportSize({ width: 400, height: 800 });
      await page.emulateMedia({ colorScheme: "dark" });
      const wide = await page.evaluate("document.documentElement.scrollWidth");
      assert.ok(Number(wide) <= 400, `${wide} px wide`);
      await page.setViewportSize({ width: 1280, height: 900 });
    });

    it("shows the same in another language and time zone, with the times of there", async () => {
      const context = await browser?.newContext({ locale: "ar-EG", timezoneId: "Asia/Kathmandu" });
      assert.ok(context !== undefined);
      try {
        const foreign = await context.newPage();
        foreign.on("pageerror", (error) => complaints.push(error.message));
        await foreign.goto(url);
        const shown = async (): Promise<boolean> => (await foreign.locator("#events time").count()) > 0;
        assert.ok(await until(shown, limitMs));
        const newest = foreign.locator("#events time").first();
        const at = new Date((await newest.getAttribute("datetime")) ?? "");
        // Nepal is 5 h 45 min ahead.
        const there = new Date(at.getTime() + 345 * 60_000).toISOString().slice(11, 19);
        assert.equal(await newest.innerText(), there);
        const cells = await foreign.locator("#fragments tbody tr").first().innerText();
        assert.match(cells, /^\d+\s/);
        assert.doesNotMatch(await foreign.locator("main").innerText(), /NaN|undefined|Invalid/);
        assert.deepEqual(complaints, []);
      } finally {
        await context.close();
      }
    });

    it("stays open over a restart of the cluster, and goes on", async function () {
      this.timeout(60_000);
      assert.deepEqual(complaints, []);
      await siege.restart({ page: new URL(url).host });
      const isLive = async (): Promise<boolean> =>
        (await page.locator("#link").innerText()) === "live" &&
        /serves/.test(await page.locator("#trouble").innerText());
      assert.ok(await until(isLive, limitMs), await page.locator(".top").innerText());
      await siege.client.table("kept").put("after", {});
      assert.ok(await until(async () => (await rows()) === 6, limitMs));
    });
  });
});
