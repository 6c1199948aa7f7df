// Page. Owns the life of the page: its one connection to the server, and when what is drawn. After a break it comes again by itself.

import type { TopicName, Topics } from "../topics.js";
import { createDetail } from "./detail.js";
import { find, setText } from "./dom.js";
import { createFragmentTable } from "./fragments.js";
import { createOperator } from "./orders.js";
import { createPanels } from "./panels.js";
import { awaitPicture } from "./plots.js";
import { createRing } from "./ring.js";
import { createState, take } from "./state.js";

const topics: readonly TopicName[] = ["status", "shape", "past", "load", "sizes", "outlook", "moves", "events", "plan"];
const againMs = 2_000;
const detailEveryMs = 2_000;

const state = createState();
let due = false;

/** Once per frame, however much came; a page in the background draws nothing. */
function changed(): void {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
}

const detail = createDetail(state, changed);
const canvas = find("ring");
const ring =
  canvas instanceof HTMLCanvasElement
    ? createRing(canvas, find("ring-caption"), state, detail.chosen, detail.open)
    : undefined;
const fragments = createFragmentTable(state, detail.chosen, detail.open);
const panels = createPanels(state, detail.open);
const operator = createOperator(state, changed);

function draw(): void {
  ring?.draw();
  fragments.draw();
  panels.draw();
  operator.draw();
  document.documentElement.dataset.drawn = String(Math.round(performance.now()));
  if (state.shape !== undefined) awaitPicture();
}

function connect(): void {
  const source = new EventSource("/events");
  source.addEventListener("open", () => link("live"));
  source.addEventListener("error", () => {
    link("lost: trying again");
    // An answer that is no stream ends it for good; the cluster may just be starting.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, againMs);
  });
  for (const topic of topics) source.addEventListener(topic, (event) => hear(topic, event));
}

function hear<T extends TopicName>(topic: T, event: Event): void {
  if (!(event instanceof MessageEvent) || typeof event.data !== "string") return;
  const news: Topics[T] = JSON.parse(event.data);
  take(state, topic, news);
  changed();
}

function link(words: string): void {
  const element = find("link");
  element.classList.toggle("bad", words !== "live");
  setText(element, words);
}

/** The theme is always said on the root: what was chosen here, else what the system wishes. */
function themes(): void {
  const root = document.documentElement;
  const wish = matchMedia("(prefers-color-scheme: dark)");
  const show = (): void => {
    const kept = localStorage.getItem("theme");
    root.dataset.theme = kept === "dark" || kept === "light" ? kept : wish.matches ? "dark" : "light";
    changed();
  };
  find("theme").addEventListener("click", () => {
    localStorage.setItem("theme", root.dataset.theme === "dark" ? "light" : "dark");
    show();
  });
  wish.addEventListener("change", show);
  show();
}

themes();
connect();
window.addEventListener("resize", () => {
  panels.resize();
  changed();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
  event.preventDefault();
  document.querySelector<HTMLInputElement>("#fragments input")?.focus();
});
setInterval(() => void detail.refresh(), detailEveryMs);
