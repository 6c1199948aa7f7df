// Chronicle. Owns the last things that happened, in words, for people who watch: deaths and restarts, moves, leaders, incidents.
// R1 it is bounded; the newest is last.

export interface Happening {
  readonly atMs: number;
  readonly kind: "notice" | "move" | "leader" | "incident";
  readonly text: string;
}

export interface Chronicle {
  note(kind: Happening["kind"], text: string, atMs?: number): void;
  all(): readonly Happening[];
}

const kept = 200;
const longestText = 300;

export function createChronicle(): Chronicle {
  let all: readonly Happening[] = [];
  return {
    note(kind, text, atMs = Date.now()) {
      all = [...all, { atMs, kind, text: text.slice(0, longestText) }].slice(-kept);
    },
    all: () => all,
  };
}
