// Words. Owns how numbers, sizes and times are written on the page.

export function rate(perSecond: number | undefined): string {
  if (perSecond === undefined) return "–";
  if (perSecond >= 100_000) return `${Math.round(perSecond / 1000)}k`;
  if (perSecond >= 10_000) return `${(perSecond / 1000).toFixed(1)}k`;
  return perSecond >= 100 || perSecond === 0 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "–" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

export function size(bytes: number | undefined): string {
  if (bytes === undefined) return "–";
  let at = 0;
  let amount = bytes;
  while (amount >= 1024 && at < units.length - 1) {
    amount /= 1024;
    at++;
  }
  return `${amount >= 100 || at === 0 ? amount.toFixed(0) : amount.toFixed(1)} ${units[at] ?? ""}`;
}

/** Time of day here, whatever the language. */
export function clock(ms: number): string {
  const at = new Date(ms);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
