// When the post goes out: date, hour and zone. A draft says its moment in the bundle's zone, or with an offset.
"use strict";

const timeField = (() => {
  const { element, at } = elements;
  const two = (number) => String(number).padStart(2, "0");

  /** Year to minute of a moment in a zone. */
  function parts(moment, zone) {
    const names = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
    const found = Object.fromEntries(new Intl.DateTimeFormat("en-CA", names).formatToParts(moment).map((one) => [one.type, one.value]));
    return { date: `${found.year}-${found.month}-${found.day}`, clock: `${found.hour}:${found.minute}` };
  }

  /** The moment at which clocks of a zone show date and clock. */
  function moment(date, clock, zone) {
    const wanted = Date.parse(`${date}T${clock}Z`);
    let found = wanted;
    for (let i = 0; i < 3; i++) {
      const seen = parts(new Date(found), zone);
      found += wanted - Date.parse(`${seen.date}T${seen.clock}Z`);
    }
    return new Date(found);
  }

  /** Where a draft's time starts: the next full hour, or where the known posts end if that is long ago. */
  function first(newest) {
    const day = 86400000, end = newest ? Date.parse(newest) : NaN, now = Date.now();
    return end < now - 60 * day ? new Date((Math.floor(end / day) + 1.5) * day) : new Date(Math.ceil(now / 3600000) * 3600000);
  }

  /** newest: moment of the newest known post, or null. */
  function make(zone, newest, changed) {
    const date = at("date"), clock = at("clock"), zones = at("zone");
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    const names = [...new Set([zone, own, "UTC"])];
    const words = (name) => (name === zone ? `${name}, as the posts` : name === own ? `${name}, as here` : name);
    zones.replaceChildren(...names.map((name) => element("option", { value: name }, words(name))));
    let last = zone;

    zones.addEventListener("change", () => {
      if (date.value && clock.value) put(moment(date.value, clock.value, last), zones.value);
      last = zones.value;
      changed();
    });
    for (const one of [date, clock]) one.addEventListener("input", changed);

    function put(when, where) {
      ({ date: date.value, clock: clock.value } = parts(when, where));
    }

    /** ISO text of the draft's time; null where none is told. Throws one line where it is half told. */
    function value() {
      if (date.validity.badInput || clock.validity.badInput || Boolean(date.value) !== Boolean(clock.value))
        throw new Error("A time needs both a date and an hour.");
      if (!date.value) return null;
      if (zones.value === zone) return `${date.value}T${clock.value}`;
      return moment(date.value, clock.value, zones.value).toISOString();
    }

    /** Weekday (Monday 0) and hour in the bundle's zone; null where no time is told. */
    function slot() {
      if (!date.value || !clock.value) return null;
      const seen = zones.value === zone ? { date: date.value, clock: clock.value } : parts(moment(date.value, clock.value, zones.value), zone);
      return { weekday: (new Date(`${seen.date}T00:00Z`).getUTCDay() + 6) % 7, hour: Number(seen.clock.slice(0, 2)) };
    }

    /** Another hour, on that weekday of the same week, in the bundle's zone. */
    function choose(weekday, hour) {
      const now = slot() || { weekday, hour };
      if (!date.value) put(first(newest), zone);
      else if (zones.value !== zone) put(moment(date.value, clock.value || "12:00", zones.value), zone);
      zones.value = last = zone;
      const there = slot() || now;
      const day = new Date(Date.parse(`${date.value}T00:00Z`) + (weekday - there.weekday) * 86400000);
      date.value = `${day.getUTCFullYear()}-${two(day.getUTCMonth() + 1)}-${two(day.getUTCDate())}`;
      clock.value = `${two(hour)}:00`;
    }

    function start() {
      zones.value = last = zone;
      put(first(newest), zone);
    }

    return { value, slot, choose, start };
  }

  return { make, parts, moment };
})();
