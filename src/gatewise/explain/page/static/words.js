// Texts and numbers in the reader's language.

let texts = {};
let language = "en";
let known = {};

export function setTexts(all) {
  known = all;
}

export function setLanguage(lang) {
  language = known[lang] ? lang : "en";
  texts = known[language] ?? {};
  const root = document.documentElement;
  if (root.lang !== language) root.lang = language;
}

export const currentLanguage = () => language;

// The text of a key, its {placeholders} filled.
export function say(key, values = {}) {
  const text = texts[key] ?? known.en?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

const comma = (text) => (language === "de" ? text.replace(".", ",") : text).replace("-", "−");

// A number with so many decimals; large ones shorter, so that columns stay narrow.
export function decimal(value, digits = 2) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size >= 10 ** 6) return comma(value.toExponential(1));
  const shown = Math.max(0, digits - (size >= 1000 ? 3 : size >= 100 ? 2 : size >= 10 ? 1 : 0));
  const text = value.toFixed(shown);
  return comma(/^-0(\.0*)?$/.test(text) ? text.slice(1) : text);
}

// A count in groups of three from five digits on.
export function count(number) {
  const text = String(number);
  if (text.length < 5) return text;
  return text.replace(/\B(?=(\d{3})+$)/g, language === "de" ? "." : ",");
}

const LOW = "₀₁₂₃₄₅₆₇₈₉";
export const low = (number) => String(number).replace(/\d/g, (digit) => LOW[digit]);

// Which of `n` things to show in `room` places: all, or the first few, a gap (null) and the last; `chosen` is
// among them.
export function shown(n, room, chosen = 0) {
  if (n <= room) return Array.from({ length: n }, (_, k) => k);
  const first = Array.from({ length: Math.max(1, room - 2) }, (_, k) => k);
  if (chosen >= first.length && chosen < n - 1) {
    if (room < 5) return [chosen, null, n - 1];
    return [...first.slice(0, -2), null, chosen, chosen === n - 2 ? undefined : null, n - 1].filter(
      (k) => k !== undefined,
    );
  }
  return [...first, null, n - 1];
}
