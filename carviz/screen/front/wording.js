// Numbers and short sentences that the browser words by itself, by the rules of wording.py; a test
// puts thousands of numbers through both. Words come from words.js, which Python writes.
import table from "./words.js";

export const { minus: MINUS, none: NONE, significant: SIGNIFICANT } = table;
export const KIND_OF = table.kinds;

// Python rounds an exact tie to the even digit, toFixed away from zero. A double is such a tie only
// if it is a whole number of 1 / 2^(digits + 1); then what is computed here of it is exact.
function fixed(value, digits) {
  const size = Math.abs(value);
  const scaled = size * 10 ** digits;
  if (!Number.isInteger(size * 2 ** (digits + 1)) || scaled % 1 !== 0.5) return value.toFixed(digits);
  const even = 2 * Math.round(scaled / 2);
  return `${value < 0 ? "-" : ""}${(even / 10 ** digits).toFixed(digits)}`;
}

function oneDigit(value) {
  // Python's "g": the shortest of fixed and exponent, without trailing zeros.
  const [digit, power] = value.toExponential(0).split("e").map(Number);
  if (power >= -4) return (digit * 10 ** power).toFixed(Math.max(0, -power));
  return `${digit}e-${String(-power).padStart(2, "0")}`;
}

export function points(fraction, unit = true) {
  const value = 100 * fraction;
  let words = NONE;
  if (!Number.isNaN(value)) {
    const size = Math.abs(value);
    words = size > 0 && size < 0.0995 ? oneDigit(size) : fixed(size, 1);
    words = (value === 0 ? "" : value > 0 ? "+" : MINUS) + words;
  }
  return unit ? `${words} points` : words;
}

export const interval = (low, high, unit = true) => `${points(low, false)} to ${points(high, unit)}`;

export const percent = (fraction) => `${fixed(100 * fraction, 1)}%`;

export const share = (fraction) => (Number.isNaN(fraction) ? "none" : `${fixed(100 * fraction, 0)}%`);

const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

export const counted = (number, thing) => `${grouped(number)} ${thing}${number === 1 ? "" : "s"}`;

export const whole = grouped;

export function counts(lost, gained, images) {
  const parts = [[lost, "lost"], [gained, "gained"]].filter(([n]) => n);
  const said = parts.map(([n, word]) => `${grouped(n)} ${word}`).join(", ") || "none lost or gained";
  return `${said} of ${grouped(images)}`;
}

export const index = (value) =>
  Number.isNaN(value) ? "no colour index" : `colour index ${fixed(value, 2)}`;

export const kind = (mark) => table.kind_words[KIND_OF[mark]] ?? "";

export const change = (number) => table.changes[number];

export const tick = (value) =>
  Math.abs(value) > 1e-9 ? `${value > 0 ? "+" : MINUS}${shortest(Math.abs(value))}` : "0";

const shortest = (value) => String(Number(value.toPrecision(6)));
