// Progress. Owns the bar on stderr: only on a terminal, never in JSON.

import cliProgress from "cli-progress";

export interface Progress {
  update(done: number, rows: number): void;
  end(): void;
}

const silent: Progress = { update: () => undefined, end: () => undefined };

/** `total` in the unit of `update`; unknown where nobody can know it. */
export function startProgress(shown: boolean, total: number | undefined): Progress {
  if (!shown || process.stderr.isTTY !== true) return silent;
  const started = performance.now();
  const format =
    total === undefined
      ? "{rows} rows  {rate} rows/s"
      : "{bar} {percentage} %  {rows} rows  {rate} rows/s  {eta_formatted} left";
  const bar = new cliProgress.SingleBar(
    { format, hideCursor: true, fps: 5, etaBuffer: 200, stream: process.stderr, clearOnComplete: true },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total ?? 1, 0, { rows: 0, rate: 0 });
  return {
    update(done, rows) {
      const seconds = (performance.now() - started) / 1000;
      bar.update(total === undefined ? 0 : Math.min(done, total), {
        rows,
        rate: Math.round(rows / Math.max(seconds, 0.001)),
      });
    },
    end: () => bar.stop(),
  };
}
