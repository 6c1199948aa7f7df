// Trace. Owns the running hash of what happened in a run, and its story for people when asked for.
// T1 same seed, same hash, on any machine: only kinds, targets and whole microseconds enter it.

export class Trace {
  private low = 0x811c9dc5;
  private high = 0x9e3779b9;
  private readonly recent: string[] = [];
  events = 0;

  /** `tell` gets each line as it happens; without it only the last lines are kept. */
  constructor(
    private readonly tell: ((line: string) => void) | undefined,
    private readonly keep = 0,
  ) {}

  get verbose(): boolean {
    return this.tell !== undefined || this.keep > 0;
  }

  /** One thing that happened; `story` is only called when somebody listens. */
  note(nowMs: number, where: string, what: string, story?: () => string): void {
    this.events++;
    const micros = Math.round(nowMs * 1000);
    this.mix(micros >>> 0);
    this.mixText(where);
    this.mixText(what);
    if (this.verbose) this.say(nowMs, `${where.padEnd(22)} ${what}${story === undefined ? "" : ` ${story()}`}`);
  }

  /** A line of the story that is not part of the hash. */
  say(nowMs: number, line: string): void {
    if (!this.verbose) return;
    const text = `${(nowMs / 1000).toFixed(4).padStart(9)}  ${line}`;
    this.tell?.(text);
    if (this.keep === 0) return;
    this.recent.push(text);
    if (this.recent.length > this.keep * 2) this.recent.splice(0, this.keep);
  }

  lastLines(): readonly string[] {
    return this.recent.slice(-this.keep);
  }

  get hash(): string {
    return (this.high >>> 0).toString(16).padStart(8, "0") + (this.low >>> 0).toString(16).padStart(8, "0");
  }

  private mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.mix(text.charCodeAt(i));
  }

  private mix(word: number): void {
    this.low = Math.imul(this.low ^ word, 0x01000193);
    this.high = Math.imul(this.high ^ (this.low >>> 15) ^ word, 0x85ebca6b) + 0x27d4eb2f;
  }
}
