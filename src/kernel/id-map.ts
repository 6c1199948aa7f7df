// Id map. Owns what is under way, by a number that only grows: requests, messages, jobs. Takes the place of a `Map` where things come and go by the thousands.
// When a Map makes room for what comes, V8 leaves its old table behind, with all that stood in it and a way to the table that followed. As soon as one such table
// has grown old, the collector of young objects keeps every table after it, and so each thing that ever was under way, until the next collection of the whole
// heap. Here nothing is left behind.
// D1 an id is looked for at its place in a ring; one whose place a younger one needs moves to a Map for those that take long, of which there are few.
// D2 the ring grows to twice what is under way, up to a limit.

/** Any whole number from 0 to 2^53, each used once; they should come about in order. */
export class IdMap<T> {
  private ids: number[] = [];
  private values: (T | undefined)[] = [];
  private mask = -1;
  private inRing = 0;
  private readonly late = new Map<number, T>();

  get size(): number {
    return this.inRing + this.late.size;
  }

  has(id: number): boolean {
    return (id >= 0 && this.ids[id & this.mask] === id) || this.late.has(id);
  }

  get(id: number): T | undefined {
    const at = id & this.mask;
    if (this.ids[at] === id) return this.values[at];
    return this.late.size === 0 ? undefined : this.late.get(id);
  }

  set(id: number, value: T): void {
    if (this.late.size > 0 && this.late.has(id)) {
      this.late.set(id, value);
      return;
    }
    if (2 * this.inRing >= this.ids.length && this.ids.length < mostPlaces) this.grow();
    this.place(id, value);
  }

  /** Whether it was there. */
  delete(id: number): boolean {
    const at = id & this.mask;
    if (id < 0 || this.ids[at] !== id) return this.late.size > 0 && this.late.delete(id);
    this.ids[at] = nobody;
    this.values[at] = undefined;
    this.inRing--;
    return true;
  }

  /** What is there now, those that take long first. */
  entries(): [id: number, value: T][] {
    const all = [...this.late];
    for (const [at, id] of this.ids.entries()) if (id !== nobody) all.push([id, this.values[at] as T]);
    return all;
  }

  private place(id: number, value: T): void {
    const at = id & this.mask;
    const held = this.ids[at] as number;
    if (held === nobody) this.inRing++;
    else if (held !== id) this.late.set(held, this.values[at] as T);
    this.ids[at] = id;
    this.values[at] = value;
  }

  private grow(): void {
    const { ids, values } = this;
    const places = Math.max(fewestPlaces, 2 * ids.length);
    this.ids = new Array<number>(places).fill(nobody);
    this.values = new Array<T | undefined>(places).fill(undefined);
    this.mask = places - 1;
    this.inRing = 0;
    for (const [at, id] of ids.entries()) if (id !== nobody) this.place(id, values[at] as T);
  }
}

const nobody = -1;
const fewestPlaces = 8;
const mostPlaces = 65_536;
