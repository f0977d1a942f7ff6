// Numbers, chances and moments in the words of people. Counts are counts here, whatever scale they are forecast on.
"use strict";

const wording = (() => {
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const large = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

  /** 1,240 up to ten thousand, 12.4K above. */
  function count(value) {
    if (!(value < 1e15)) return "more than 999T";
    if (value >= 9999.5) return large.format(value).replace("K", "k");
    return whole.format(Math.max(0, value));
  }

  /** A count that is a guess: three figures of it, 1,240 or 12.4k. */
  const about = (value) => count(value < 1 ? value : Number(value.toPrecision(3)));

  const score = (value) => signed(value.toFixed(2));
  const signed = (text) => text.replace("-", "\u2212");

  /** A value on the log2 scale beside its count; the count where there is one. `guess` is what is forecast. */
  const level = (value, asCount) => (asCount === null || asCount === undefined ? score(value) : count(asCount));
  const guess = (value, asCount) => (asCount === null || asCount === undefined ? score(value) : about(asCount));

  /** ×1.4: two figures that tell, and two decimals near 1. */
  function factor(value) {
    if (value >= 99.5) return `×${count(value)}`;
    if (value >= 9.95) return `×${value.toFixed(0)}`;
    if (value >= 1.995) return `×${value.toFixed(1)}`;
    return value >= 0.095 ? `×${value.toFixed(2)}` : `×${value.toPrecision(1)}`;
  }

  /** What changes by `value` on the log2 scale: a factor where there is one, else a difference of scores. */
  function change(value, asFactor) {
    if (asFactor !== null && asFactor !== undefined) return factor(asFactor);
    const text = value.toFixed(2);
    return Number(text) > 0 ? `+${text}` : signed(text.replace("-0.00", "0.00"));
  }

  function chance(share) {
    if (share < 0.01) return "below 1%";
    return share > 0.99 ? "above 99%" : `${Math.round(share * 100)}%`;
  }

  const many = (number, one, more) => `${count(number)} ${number === 1 ? one : more || `${one}s`}`;

  function day(text, zone) {
    const made = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: zone });
    return made.format(new Date(text));
  }

  const hour = (number) => `${String(number).padStart(2, "0")}:00`;
  const tag = (name) => (name.startsWith("#") ? name : `#${name}`);
  const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
  const plain = (name) => name.replaceAll("_", " ");

  return { count, about, score, level, guess, factor, change, chance, many, day, hour, plain, tag, WEEKDAYS };
})();
