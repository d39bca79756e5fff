/** Numbers, lengths and moments as people read them. */

/** Seconds of a protobuf Duration in JSON, such as "12.500s"; 0 if there is none. */
export function seconds(duration) {
  const value = Number.parseFloat(duration ?? "");
  return Number.isFinite(value) ? value : 0;
}

/** `3:07`, or `1:03:07` from one hour on (or when `long`). */
export function clock(totalSeconds, long = false) {
  const whole = Math.max(0, Math.floor(totalSeconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours || long ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A time in words for a screen reader: `3 minutes 7 seconds`. */
export function spokenTime(totalSeconds) {
  const whole = Math.max(0, Math.floor(totalSeconds));
  const parts = [
    [Math.floor(whole / 3600), "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ].filter(([count]) => count);
  return parts.map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`).join(" ") || "0 seconds";
}

/** `about 4 min left` */
export function timeLeft(totalSeconds) {
  if (totalSeconds < 10) return "a few seconds left";
  if (totalSeconds < 60) return "less than a minute left";
  const minutes = Math.round(totalSeconds / 60);
  if (minutes < 60) return `about ${minutes} min left`;
  return `about ${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

const UNITS = [
  [1e9, "GB"],
  [1e6, "MB"],
  [1e3, "kB"],
];

/** `12.3 MB`; `of 40.1 MB` shares its unit: `12.3 of 40.1 MB`. */
export function bytes(count, total = 0) {
  const [size, unit] = UNITS.find(([least]) => Math.max(count, total) >= least) ?? [1, "bytes"];
  const number = (value) => (size === 1 ? String(value) : (value / size).toFixed(1));
  return total ? `${number(count)} of ${number(total)} ${unit}` : `${number(count)} ${unit}`;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const day = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** `2 hours ago`, `yesterday`, `Mar 3, 2026`. @param {number} at  milliseconds */
export function ago(at, now = Date.now()) {
  const past = Math.max(0, (now - at) / 1000);
  if (past < 60) return "just now";
  if (past < 3600) return relative.format(-Math.floor(past / 60), "minute");
  if (past < 86_400) return relative.format(-Math.floor(past / 3600), "hour");
  if (past < 7 * 86_400) return relative.format(-Math.floor(past / 86_400), "day");
  return day.format(at);
}

export const fullMoment = (at) => moment.format(at);

const languages = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

/** `German` for `de`. */
export function languageName(tag) {
  try {
    return languages.of(tag) ?? tag;
  } catch {
    return tag;
  }
}

export const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
