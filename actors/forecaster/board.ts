// Board. Owns the latest forecast of every series, whoever made it, and the ranks that joint paths are drawn from.
// A1 news of an older slot never replaces news of a newer one. A2 what nobody has renewed for long goes; the number of series is bounded.

import { drawPaths, type SeriesPaths } from "../../src/forecast/paths.js";
import { pathCount, putCells } from "../../src/forecast/ranks.js";
import { type SeriesKey, seriesKey } from "../../src/load/book.js";
import type { ForecasterState, ForecastNews, SeriesNews } from "../../src/protocol/forecast.js";
import type { FragmentId } from "../../src/protocol/subjects.js";

export interface Posted {
  readonly key: SeriesKey;
  news: SeriesNews;
  models: readonly string[];
  readonly cells: Uint8Array;
  heardAtMs: number;
  /** Drawn when first asked for, until the next news. */
  paths: SeriesPaths | undefined;
}

export interface Board {
  post(news: ForecastNews, nowMs: number): void;
  /** Series of these fragments over a horizon, in a fixed order. */
  of(fragments: readonly FragmentId[], horizon: number): Posted[];
  forecasters(nowMs: number): readonly ForecasterState[];
  sweep(nowMs: number, keepMs: number): void;
  size(): number;
}

/** A forecaster that says nothing for this long is not shown any more. */
const shownMs = 180_000;

export function pathsOf(posted: Posted): SeriesPaths {
  if (posted.paths === undefined) {
    const steps = posted.news.steps.length / (posted.news.max.length || 1);
    posted.paths = drawPaths(steps, posted.news.steps, posted.cells, seedOf(posted.key));
  }
  return posted.paths;
}

export function createBoard(mostSeries: number): Board {
  const byFragment = new Map<FragmentId, Map<string, Posted>>();
  const forecasters = new Map<string, { state: ForecasterState; atMs: number }>();
  let size = 0;

  function put(news: SeriesNews, models: readonly string[], nowMs: number): void {
    let row = byFragment.get(news.fragment);
    if (row === undefined) {
      row = new Map();
      byFragment.set(news.fragment, row);
    }
    const name = `${news.horizon} ${news.group}`;
    let posted = row.get(name);
    if (posted === undefined) {
      if (size >= mostSeries) return;
      size++;
      const steps = news.steps.length / news.max.length;
      posted = {
        key: seriesKey(news.fragment, news.group),
        news,
        models,
        cells: new Uint8Array(pathCount * steps),
        heardAtMs: nowMs,
        paths: undefined,
      };
      row.set(name, posted);
    }
    if (news.origin < posted.news.origin) return;
    posted.news = news;
    posted.models = models;
    posted.heardAtMs = nowMs;
    posted.paths = undefined;
    if (news.ranks.length === posted.cells.length) posted.cells.set(news.ranks);
    else putCells(posted.cells, news.steps.length / news.max.length, news.origin, news.ranks);
  }

  return {
    post({ forecaster, models, series }, nowMs) {
      forecasters.set(forecaster.id, { state: forecaster, atMs: nowMs });
      for (const news of series) put(news, models, nowMs);
    },
    of(fragments, horizon) {
      return fragments.flatMap((fragment) =>
        [...(byFragment.get(fragment)?.values() ?? [])]
          .filter(({ news }) => news.horizon === horizon)
          .sort((a, b) => (a.key < b.key ? -1 : 1)),
      );
    },
    forecasters(nowMs) {
      for (const [id, { atMs }] of forecasters) if (nowMs - atMs > shownMs) forecasters.delete(id);
      return [...forecasters.values()].map(({ state }) => state).sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    sweep(nowMs, keepMs) {
      for (const [fragment, row] of byFragment) {
        for (const [name, { heardAtMs }] of row) {
          if (nowMs - heardAtMs <= keepMs) continue;
          row.delete(name);
          size--;
        }
        if (row.size === 0) byFragment.delete(fragment);
      }
    },
    size: () => size,
  };
}

function seedOf(key: SeriesKey): number {
  let seed = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) seed = Math.imul(seed ^ key.charCodeAt(at), 0x01000193);
  return seed >>> 0;
}
