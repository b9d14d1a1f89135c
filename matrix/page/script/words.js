/** How figures, dates and durations are written for people. */

const MINUTE = 60;
const HOUR = 3_600_000; // milliseconds
const DAY = 24; // hours
const ZONE = /(Z|[+-]\d\d:?\d\d)$/;
const FRACTION = /\.\d+/;

/**
 * Write a duration with the unit that suits it: `4.2 ms`, `3.1 s`, `1 h 12 min`.
 * @param {number} value Seconds.
 */
export function inSeconds(value) {
  if (value < 1) {
    return `${Number((value * 1000).toPrecision(3))} ms`;
  }
  if (Math.round(value * 10) / 10 < MINUTE) {
    return `${value.toFixed(1)} s`;
  }
  const minutes = Math.floor(Math.round(value) / MINUTE);
  const rest = Math.round(value) % MINUTE;
  return minutes < MINUTE
    ? `${minutes} min ${rest} s`
    : `${Math.floor(minutes / MINUTE)} h ${minutes % MINUTE} min`;
}

/**
 * Write a forward time, always in the same unit so that several compare.
 * @param {number | null} value Seconds.
 */
export function inMilliseconds(value) {
  return value === null ? "not finite" : `${(value * 1000).toFixed(3)} ms`;
}

/**
 * Write a figure with as many digits as tell something: `812.5`, `1.2e-6`.
 * @param {number} value
 * @param {number} digits
 */
export function figure(value, digits) {
  const short = Number(value.toPrecision(digits));
  const small = short !== 0 && Math.abs(short) < 1e-4;
  return small ? short.toExponential() : String(short);
}

/**
 * Write how many times one figure is of another: `1.08`.
 * @param {number} ours
 * @param {number} theirs
 */
export function ratio(ours, theirs) {
  return timesInWords(ours / theirs);
}

/**
 * Write such a figure: `1.42`, `1.004` where two digits would hide what differs, `120`.
 * @param {number} times
 */
export function timesInWords(times) {
  if (times >= 9.95) {
    return times.toFixed(times < 99.5 ? 1 : 0);
  }
  if (times < 0.1) {
    return figure(times, 2);
  }
  const near = times !== 1 && Math.abs(times - 1) < 0.02;
  return times.toFixed(near ? 3 : 2);
}

/**
 * Write a number of bytes: `612 bytes`, `54.3 kB`, `6.5 MB`, `1.20 GB`.
 * @param {number} count
 */
export function bytesInWords(count) {
  if (count < 1000) {
    return `${count} bytes`;
  }
  if (count < 1e5) {
    return `${(count / 1e3).toFixed(1)} kB`;
  }
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`;
}

/**
 * Write how far an output is from its baseline's.
 * @param {number | null} error The relative error.
 * @param {number | null} cosine
 */
export function driftInWords(error, cosine) {
  if (error === null) {
    return "not comparable";
  }
  const angle = cosine === null ? "without a direction" : `cosine ${cosine.toFixed(6)}`;
  return `${distance(error)}: ${angle}, relative error ${figure(error, 2)}`;
}

/** @param {number} error */
function distance(error) {
  if (error === 0) {
    return "no difference";
  }
  const parts = Number((1 / error).toPrecision(2));
  return parts >= 2 ? `about 1 part in ${parts.toLocaleString("en")}` : "a different output";
}

/**
 * Write the day of a moment as `20 November 2026`; what is none stays as it is.
 * @param {string} iso
 */
export function dayInWords(iso) {
  const parts = /** @type {const} */ ({ day: "numeric", month: "long", year: "numeric" });
  return instant(iso)?.toLocaleDateString("en-GB", { ...parts, timeZone: "UTC" }) ?? iso;
}

/**
 * Write how long before one moment another was: `2 days`; empty where one is none.
 * @param {string} seen
 * @param {string} now
 */
export function ageInWords(seen, now) {
  const [then, present] = [instant(seen), instant(now)];
  if (!then || !present) {
    return "";
  }
  const hours = Math.max(Math.round((present.getTime() - then.getTime()) / HOUR), 0);
  const [number, noun] = hours < DAY ? [hours, "hour"] : [Math.round(hours / DAY), "day"];
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** @param {string} iso */
function instant(iso) {
  const whole = iso.replace(FRACTION, "");
  const dated = /^\d{4}-\d\d-\d\dT/.test(whole);
  const found = new Date(dated && !ZONE.test(whole) ? `${whole}Z` : whole);
  return dated && !Number.isNaN(found.getTime()) ? found : null;
}
