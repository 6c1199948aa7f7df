// DOM. Owns how elements are made and changed: text goes in as text, never as markup.

type Attributes = Readonly<Record<string, string | number | boolean | ((event: Event) => void)>>;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** Writes only what is other than before: a page that stands still costs nothing. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** An element that stands in the page's HTML. */
export function find(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no ${id}`);
  return element;
}

/** A bar that is full to a share of it. */
export function bar(share: number, words: string): HTMLElement {
  const meter = make("progress", { max: 1, value: Math.min(1, Math.max(0, share)), title: words });
  meter.setAttribute("aria-label", words);
  return meter;
}
