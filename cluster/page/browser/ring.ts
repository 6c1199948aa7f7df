// Ring. Owns the picture of the ring: whose each piece is, where fragments lie on it and how much they are asked, the nodes by zone in the middle, and moves under way.

import { setText } from "./dom.js";
import type { State } from "./state.js";
import { rate } from "./words.js";

export interface Ring {
  draw(): void;
}

interface Spot {
  readonly id: number;
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

const lanes = 9;

/** A hue of its own for each node; neighbours differ most. */
export function nodeHue(index: number): number {
  return (205 + index * 137.5) % 360;
}

export function nodeColour(index: number): string {
  return `hsl(${nodeHue(index)} 62% 52%)`;
}

/** From cool to hot, also told apart by lightness. */
export function heat(share: number): string {
  const at = Math.sqrt(Math.min(1, Math.max(0, share)));
  return `hsl(${230 - at * 215} ${45 + at * 45}% ${60 - at * 12}%)`;
}

export function createRing(
  canvas: HTMLCanvasElement,
  caption: HTMLElement,
  state: State,
  chosen: () => number | undefined,
  choose: (id: number) => void,
): Ring {
  let spots: readonly Spot[] = [];
  let hovered: number | undefined;

  function spotAt(event: MouseEvent): number | undefined {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best: Spot | undefined;
    let nearest = 12;
    for (const spot of spots) {
      const distance = Math.hypot(spot.x - x, spot.y - y) - spot.radius;
      if (distance < nearest) {
        nearest = distance;
        best = spot;
      }
    }
    return best?.id;
  }
  canvas.addEventListener("mousemove", (event) => {
    const now = spotAt(event);
    if (now === hovered) return;
    hovered = now;
    draw();
  });
  canvas.addEventListener("mouseleave", () => {
    hovered = undefined;
    draw();
  });
  canvas.addEventListener("click", (event) => {
    const id = spotAt(event);
    if (id !== undefined) choose(id);
  });

  function draw(): void {
    const width = canvas.clientWidth;
    const scale = window.devicePixelRatio;
    if (canvas.width !== Math.round(width * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(width * scale);
    }
    const pen = canvas.getContext("2d");
    if (pen === null || state.shape === undefined) return;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, width);
    const middle = width / 2;
    const radius = middle - 6;
    drawArcs(pen, state.shape.arcs, middle, radius);
    spots = drawFragments(pen, state, middle, radius, hovered ?? chosen());
    drawNodes(pen, state, middle, radius * 0.4);
    setText(caption, captionOf(state, hovered ?? chosen()));
  }
  return { draw };
}

function ink(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function angleOf(at: number): number {
  return at * 2 * Math.PI - Math.PI / 2;
}

function drawArcs(pen: CanvasRenderingContext2D, arcs: readonly number[], middle: number, radius: number): void {
  pen.lineWidth = 7;
  for (let from = 0; from < arcs.length; ) {
    const owner = arcs[from] ?? -1;
    let to = from + 1;
    while (to < arcs.length && arcs[to] === owner) to++;
    pen.beginPath();
    pen.strokeStyle = owner < 0 ? ink("--grid") : nodeColour(owner);
    pen.arc(middle, middle, radius, angleOf(from / arcs.length), angleOf(to / arcs.length));
    pen.stroke();
    from = to;
  }
}

/** Each lies at its place on the ring; those that would cover each other lie on lanes below each other. */
function drawFragments(
  pen: CanvasRenderingContext2D,
  { shape, rates }: State,
  middle: number,
  radius: number,
  marked: number | undefined,
): Spot[] {
  const fragments = shape?.fragments ?? [];
  const most = Math.max(1, ...rates.values());
  const size = Math.max(2, Math.min(7, 90 / Math.sqrt(fragments.length + 1)));
  const ends = new Array<number>(lanes).fill(-1);
  const spots: Spot[] = [];
  for (const [id, , , , , serving, at] of [...fragments].sort((a, b) => a[6] - b[6])) {
    const gap = (size * 2.3) / (2 * Math.PI * radius * 0.75);
    const free = ends.findIndex((end) => at - end >= gap);
    const lane = free < 0 ? ends.indexOf(Math.min(...ends)) : free;
    ends[lane] = at;
    const distance = radius - 10 - size - lane * size * 2.2;
    const spot = {
      id,
      x: middle + Math.cos(angleOf(at)) * distance,
      y: middle + Math.sin(angleOf(at)) * distance,
      radius: size,
    };
    spots.push(spot);
    pen.beginPath();
    pen.arc(spot.x, spot.y, size, 0, 2 * Math.PI);
    pen.fillStyle = heat((rates.get(id) ?? 0) / most);
    if (serving === 1) pen.fill();
    if (serving === 0 || id === marked) {
      pen.lineWidth = 2;
      pen.strokeStyle = serving === 0 ? ink("--bad") : ink("--ink");
      pen.stroke();
    }
  }
  return spots;
}

function drawNodes(pen: CanvasRenderingContext2D, state: State, middle: number, radius: number): void {
  const nodes = (state.shape?.nodes ?? []).map((node, index) => ({ ...node, index }));
  nodes.sort((a, b) => (a.zone < b.zone ? -1 : a.zone > b.zone ? 1 : a.index - b.index));
  const most = Math.max(1, ...[...state.nodeLoad.values()].map(([, perSecond]) => perSecond));
  const places = new Map<string, { readonly x: number; readonly y: number }>();
  const size = Math.max(5, Math.min(20, (radius * 2.2) / Math.max(1, nodes.length)));
  nodes.forEach(({ id }, order) => {
    const angle = angleOf(order / nodes.length);
    const reach = nodes.length === 1 ? 0 : radius;
    places.set(id, { x: middle + Math.cos(angle) * reach, y: middle + Math.sin(angle) * reach });
  });
  for (const { from, to } of state.moves?.underWay ?? []) drawMove(pen, places.get(from), places.get(to));
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const { id, index, state: life, draining, zone } of nodes) {
    const place = places.get(id);
    if (place === undefined) continue;
    const perSecond = state.nodeLoad.get(id)?.[1] ?? 0;
    pen.beginPath();
    pen.arc(place.x, place.y, size * (0.6 + 0.4 * Math.sqrt(perSecond / most)), 0, 2 * Math.PI);
    pen.fillStyle = life === "up" ? nodeColour(index) : ink("--bad");
    pen.globalAlpha = draining ? 0.5 : 1;
    pen.fill();
    pen.globalAlpha = 1;
    if (nodes.length > 24) continue;
    pen.fillStyle = ink("--ink");
    pen.font = "600 12px system-ui";
    pen.fillText(id, place.x, place.y - size - 8);
    pen.font = "11px system-ui";
    pen.fillStyle = ink("--muted");
    pen.fillText(life === "up" ? `${rate(perSecond)}/s` : "down", place.x, place.y + size + 8);
    pen.fillText(zone, place.x, place.y + size + 21);
  }
}

type Place = { readonly x: number; readonly y: number } | undefined;

function drawMove(pen: CanvasRenderingContext2D, from: Place, to: Place): void {
  if (from === undefined || to === undefined) return;
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  const length = Math.hypot(to.x - from.x, to.y - from.y) - 22;
  pen.save();
  pen.translate(from.x, from.y);
  pen.rotate(angle);
  pen.strokeStyle = ink("--middle");
  pen.fillStyle = ink("--middle");
  pen.lineWidth = 2;
  pen.setLineDash([5, 4]);
  pen.beginPath();
  pen.moveTo(0, 0);
  pen.lineTo(length, 0);
  pen.stroke();
  pen.setLineDash([]);
  pen.beginPath();
  pen.moveTo(length + 6, 0);
  pen.lineTo(length - 4, -5);
  pen.lineTo(length - 4, 5);
  pen.fill();
  pen.restore();
}

function captionOf({ shape, rates, nodeLoad }: State, id: number | undefined): string {
  const row = shape?.fragments.find(([known]) => known === id);
  if (row === undefined || shape === undefined) {
    const total = [...nodeLoad.values()].reduce((sum, [, perSecond]) => sum + perSecond, 0);
    return `${shape?.fragments.length ?? 0} fragments on ${shape?.nodes.length ?? 0} nodes, ${rate(total)} operations per second`;
  }
  const [number, table, , primary, holders] = row;
  const names = holders.map((index) => shape.nodes[index]?.id ?? "?").join(", ");
  return `fragment ${number} of ${shape.tables[table]?.name ?? "?"}: ${rate(rates.get(number) ?? 0)}/s, led by ${shape.nodes[primary]?.id ?? "?"}, held by ${names}`;
}
