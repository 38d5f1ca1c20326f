// Figures and times in few characters; what is not known is "?", never 0.

/** USD to the cent, below a cent to two significant digits: `$1.20`, `$0.00082`, `?`. */
export function money(cost, unpriced = 0) {
  if (cost === null || cost === undefined) return "?";
  const amount = Number(cost);
  const more = unpriced ? "+?" : "";
  if (amount === 0 || Math.abs(amount) >= 0.00995) {
    return `$${amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}${more}`;
  }
  return `$${amount.toFixed(Math.min(20, 1 - Math.floor(Math.log10(Math.abs(amount)))))}${more}`;
}

/** What a group of calls cost: a dash where none of them was billed. */
export function spent(cost, unpriced) {
  return cost === null && !unpriced ? "–" : money(cost, unpriced);
}

/** Why a cost is not known, or not whole; an empty text where it is. */
export function moneyReason(cost, unpriced, calls) {
  if (cost === null && !calls) return "No model was called";
  if (unpriced) return `${several(unpriced, "call")} without a known price`;
  return cost === null ? "No call has a known price" : "";
}

/** `<1ms`, `12ms`, `4.2s`, `3m 5s`, `2h 10m`, `3d 4h`; a dash for what is not known. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds > 0 && seconds < 0.0005) return "<1ms";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  for (const [size, unit, below, lesser] of [[86400, "d", 3600, "h"], [3600, "h", 60, "m"], [60, "m", 1, "s"]]) {
    if (whole >= size) return `${Math.floor(whole / size)}${unit} ${Math.floor((whole % size) / below)}${lesser}`;
  }
  return `${whole}s`;
}

/** A time on an axis whose ticks are so far apart: `4.2s`, and `1:00:52` where minutes alone would all be the same. */
export function clock(seconds, step) {
  if (seconds < 60 || step >= 60) return duration(seconds);
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, two(whole % 60)];
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** A number in at most five characters: `950`, `12.4k`, `3.1M`. */
export function count(number) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (number >= size) return `${(number / size).toFixed(1).replace(/\.0$/, "")}${unit}`;
  }
  return String(number);
}

/** `1 call`, `2 calls`. */
export function several(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

/** How long ago a time was: `12s ago`, `5h ago`; a date where that is longer than a week. */
export function ago(time, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  if (seconds < 1) return "now";
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "m"]]) {
    if (seconds >= 7 * 86400) return new Date(time).toLocaleDateString([], { dateStyle: "medium" });
    if (seconds >= size) return `${Math.floor(seconds / size)}${unit} ago`;
  }
  return `${Math.floor(seconds)}s ago`;
}

/** A time in the zone of the reader, whole. */
export function local(time) {
  return time === null ? "–" : new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}

/** A part of a whole, as `93%`. */
export function share(part, whole) {
  return whole > 0 ? `${Math.round((100 * part) / whole)}%` : "0%";
}

/** Bytes as `25.3 GB`. */
export function bytes(number) {
  return `${(number / 1e9).toFixed(1)} GB`;
}
