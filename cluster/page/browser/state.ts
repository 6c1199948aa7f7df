// State. Owns what the page knows: the newest of each topic, rows of large topics merged, and an hour of each node's past.

import type {
  Events,
  Load,
  LoadPoint,
  Moves,
  OutlookNews,
  Past,
  Plan,
  Shape,
  Sizes,
  Status,
  TopicName,
  Topics,
} from "../topics.js";

export interface State {
  status: Status | undefined;
  shape: Shape | undefined;
  outlook: OutlookNews | undefined;
  moves: Moves | undefined;
  events: Events | undefined;
  plan: Plan | undefined;
  readonly nodeLoad: Map<string, Load["nodes"][string]>;
  readonly rates: Map<number, number>;
  readonly sizes: Map<number, Sizes["fragments"][number]>;
  readonly past: Map<string, LoadPoint[]>;
}

const hourMs = 3_600_000;

export function createState(): State {
  return {
    status: undefined,
    shape: undefined,
    outlook: undefined,
    moves: undefined,
    events: undefined,
    plan: undefined,
    nodeLoad: new Map(),
    rates: new Map(),
    sizes: new Map(),
    past: new Map(),
  };
}

/** What the server says is trusted to have its shape: it is this cluster's own. */
export function take<T extends TopicName>(state: State, topic: T, news: Topics[T]): void {
  takers[topic](state, news);
}

const takers: { readonly [T in TopicName]: (state: State, news: Topics[T]) => void } = {
  status: (state, news) => {
    state.status = news;
  },
  shape: (state, news) => {
    state.shape = news;
    const known = new Set(news.fragments.map(([id]) => id));
    for (const id of state.rates.keys()) if (!known.has(id)) state.rates.delete(id);
    for (const id of state.sizes.keys()) if (!known.has(id)) state.sizes.delete(id);
  },
  past: takePast,
  load: takeLoad,
  sizes: (state, { fragments }) => {
    for (const [id, row] of Object.entries(fragments)) state.sizes.set(Number(id), row);
  },
  outlook: (state, news) => {
    state.outlook = news;
  },
  moves: (state, news) => {
    state.moves = news;
  },
  events: (state, news) => {
    state.events = news;
  },
  plan: (state, news) => {
    state.plan = news;
  },
};

/** Comes first after each connection: what was known before is of another time. */
function takePast(state: State, { nodes }: Past): void {
  state.nodeLoad.clear();
  state.rates.clear();
  state.sizes.clear();
  state.past.clear();
  for (const [node, points] of Object.entries(nodes)) state.past.set(node, [...points]);
}

function takeLoad(state: State, { nodes, fragments }: Load): void {
  for (const [node, row] of Object.entries(nodes)) {
    state.nodeLoad.set(node, row);
    const [atMs, perSecond, cpuShare] = row;
    const points = state.past.get(node) ?? [];
    if ((points.at(-1)?.[0] ?? 0) < atMs) points.push([atMs, perSecond, cpuShare]);
    while ((points[0]?.[0] ?? atMs) < atMs - hourMs) points.shift();
    state.past.set(node, points);
  }
  for (const [id, perSecond] of Object.entries(fragments)) state.rates.set(Number(id), perSecond);
}
