// Move watch. Owns the view of moves while they run: bars on a terminal, else a line for each step; nothing is asked more often than twice a second.

import { setTimeout as pause } from "node:timers/promises";
import cliProgress from "cli-progress";
import type { Client, MoveInfo } from "../../cluster/client/index.js";
import { bytesText, shareDone, timeLeft } from "./move-lines.js";
import { write, writeJson } from "./output.js";

const pauseMs = 500;

export interface Watched {
  readonly json: boolean;
  /** Which moves are shown. */
  readonly shown: (move: MoveInfo) => boolean;
  /** True when there is nothing more to wait for. */
  readonly over: (active: readonly MoveInfo[]) => boolean | Promise<boolean>;
}

/** Shows moves until `over`, or until it is interrupted. Gives those that ended meanwhile. */
export async function watchMoves(client: Client, { json, shown, over }: Watched): Promise<readonly MoveInfo[]> {
  const screen = !json && process.stderr.isTTY === true ? bars() : lines(json);
  const before = new Set((await client.cluster.moves(true)).map(({ move }) => move));
  const ended: MoveInfo[] = [];
  try {
    for (;;) {
      const active = (await client.cluster.moves()).filter(shown);
      const past = (await client.cluster.moves(true)).filter((move) => shown(move) && !before.has(move.move));
      for (const move of past) before.add(move.move);
      ended.push(...past);
      await screen.show(active, past);
      if (await over(active)) return ended;
      await pause(pauseMs);
    }
  } finally {
    screen.end();
  }
}

interface Screen {
  show(active: readonly MoveInfo[], ended: readonly MoveInfo[]): Promise<void>;
  end(): void;
}

/** One line for each step of a move, as it is seen. */
function lines(json: boolean): Screen {
  const seen = new Map<number, string>();
  const tell = (move: MoveInfo, step: string, note: string): Promise<void> =>
    json ? writeJson(move) : write(`${nameOf(move)}: ${step}${note === "" ? "" : ` (${note})`}\n`);
  return {
    async show(active, ended) {
      for (const move of active) {
        const state = `${move.phase} ${move.waitsFor}`;
        if (seen.get(move.move) === state) continue;
        seen.set(move.move, state);
        await tell(move, move.phase, move.waitsFor === "" ? "" : `waits for ${move.waitsFor}`);
      }
      for (const move of ended) await tell(move, move.outcome ?? "ended", move.end ?? "");
    },
    end: () => undefined,
  };
}

function nameOf({ move, table, fragment, from, to }: MoveInfo): string {
  return `move ${move}  ${table}/${fragment}  ${from} → ${to}`;
}

function bars(): Screen {
  const multi = new cliProgress.MultiBar(
    {
      format: "{name}  {bar} {percentage} %  {phase}  {amounts}",
      hideCursor: true,
      clearOnComplete: false,
      stream: process.stderr,
    },
    cliProgress.Presets.shades_classic,
  );
  const known = new Map<number, cliProgress.SingleBar>();
  return {
    async show(active, ended) {
      for (const move of active) {
        const bar = known.get(move.move) ?? multi.create(1000, 0, payload(move));
        known.set(move.move, bar);
        bar.update(Math.round(doneOf(move) * 1000), payload(move));
      }
      for (const move of ended) {
        known.get(move.move)?.update(1000, { name: nameOf(move), phase: move.outcome ?? "", amounts: move.end ?? "" });
      }
    },
    end: () => multi.stop(),
  };
}

/** After the copy only steps are left. */
function doneOf(move: MoveInfo): number {
  return move.phase === "copying" || move.phase === "pulling" ? (shareDone(move) ?? 0) : 1;
}

function payload(move: MoveInfo): { name: string; phase: string; amounts: string } {
  const { progress } = move;
  const amounts =
    progress === undefined
      ? move.waitsFor
      : `${progress.rows} of ${progress.totalRows} rows, ${bytesText(progress.bytes)}, lag ${progress.lagLsn}, ${bytesText(progress.bytesPerSecond)}/s, ${timeLeft(move) || "?"} left`;
  return { name: nameOf(move), phase: move.phase, amounts };
}
