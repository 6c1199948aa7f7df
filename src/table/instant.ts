// Instant. Owns the one spelling of points in time that people may write: ISO-8601 with a zone, or a bare date (midnight UTC).
// A time without a zone is refused: it would mean another instant on another machine.

const spelling = /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d))?$/;

/** The instant that `text` spells, or undefined when it spells none (or one finer than a millisecond). */
export function parseInstant(text: string): Date | undefined {
  const parts = spelling.exec(text);
  if (parts === null || parts[1] === "-000000") return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map((part) => Number(part ?? 0)) as Six;
  const fraction = (parts[7] ?? "").padEnd(9, "0");
  if (!fraction.endsWith("000000")) return undefined;
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day);
  local.setUTCHours(hour, minute, second, Number(fraction.slice(0, 3)));
  if (local.getUTCMonth() !== month - 1 || local.getUTCDate() !== day) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const zoneMs = zoneOffsetMs(parts[8] ?? "Z");
  if (zoneMs === undefined) return undefined;
  const instant = new Date(local.getTime() - zoneMs);
  return Number.isNaN(instant.getTime()) ? undefined : instant;
}

type Six = [number, number, number, number, number, number];

function zoneOffsetMs(zone: string): number | undefined {
  if (zone === "Z") return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(4, 6));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
