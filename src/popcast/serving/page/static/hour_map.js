// When to post: every hour of the week as a cell that can be chosen, and as a table. Silent where hours differ by chance.
"use strict";

const hourMap = (() => {
  const { element, part, at } = elements;
  const NARROW = 560, STEPS = 4;
  let answer = null, now = null, chosen = null, narrow = null, place = null;

  const key = (one) => `${one.weekday}-${one.hour}`;
  const moment = (one) => `${wording.WEEKDAYS[one.weekday]} ${wording.hour(one.hour)}`;

  function told(option) {
    if (option.difference === null) return option.posts === null ? "nothing to say" : `too few posts to say (${option.posts})`;
    const range = `${wording.change(option.lower, option.lower_factor)} to ${wording.change(option.upper, option.upper_factor)}`;
    const chance = option.clear ? "" : ", within chance";
    return `${wording.change(option.difference, option.factor)} (${range}${chance})`;
  }

  function colour(option, most) {
    if (option.difference === null) return "none";
    const depth = Math.ceil((STEPS * Math.abs(option.difference)) / most);
    if (!option.clear || !depth) return "same";
    return `${option.difference < 0 ? "less" : "more"}-${Math.min(STEPS, depth)}`;
  }

  function cell(option, most) {
    const slot = option.change, current = now && key(slot) === key(now);
    const made = element("button", {
      type: "button", class: `hour ${colour(option, most)}${current ? " now" : ""}`, "data-slot": key(slot), tabindex: "-1",
      "aria-label": `${moment(slot)}: ${told(option)}${current ? ", the hour of the draft" : ""}`, "aria-pressed": chosen ? String(Boolean(current)) : null,
    });
    const say = () => { at("hour-said").textContent = `${moment(slot)}: ${told(option)}`; };
    made.addEventListener("focus", say);
    made.addEventListener("pointerenter", say);
    if (chosen) made.addEventListener("click", () => { place = key(slot); chosen(slot.weekday, slot.hour); });
    return made;
  }

  function grid(options) {
    const found = new Map(options.map((one) => [key(one.change), one]));
    const most = Math.max(...options.filter((one) => one.clear).map((one) => Math.abs(one.difference)), 0.01);
    const hours = Array.from({ length: 24 }, (_, i) => i), days = wording.WEEKDAYS.map((_, i) => i);
    const [rows, columns] = narrow ? [hours, days] : [days, hours];
    const name = (value, isDay) => (isDay ? element("abbr", { title: wording.WEEKDAYS[value] }, wording.WEEKDAYS[value].slice(0, 3)) : String(value).padStart(2, "0"));
    const at = (row, column) => found.get(narrow ? `${column}-${row}` : `${row}-${column}`);
    const table = element("table", { class: `hours ${narrow ? "tall" : ""}`, role: "grid", "aria-label": `Hours of the week, in ${answer.zone}` },
      element("thead", {}, element("tr", {}, element("td", {}), columns.map((column) => element("th", { scope: "col" }, name(column, narrow))))),
      element("tbody", {}, rows.map((row) => element("tr", {}, element("th", { scope: "row" }, name(row, !narrow)),
        columns.map((column) => element("td", {}, at(row, column) ? cell(at(row, column), most) : null))))));
    table.addEventListener("keydown", walk);
    return table;
  }

  /** Arrow keys, Home and End among the cells, of which one is in the order of Tab. */
  function walk(event) {
    const cells = [...event.currentTarget.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("button")]);
    const row = cells.findIndex((one) => one.includes(event.target));
    if (row < 0) return;
    const column = cells[row].indexOf(event.target), last = cells[row].length - 1;
    const steps = { ArrowRight: [row, Math.min(last, column + 1)], ArrowLeft: [row, Math.max(0, column - 1)], ArrowDown: [Math.min(cells.length - 1, row + 1), column],
      ArrowUp: [Math.max(0, row - 1), column], Home: [row, 0], End: [row, last] };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [r, c] = steps[event.key];
    event.target.tabIndex = -1;
    cells[r][c].tabIndex = 0;
    cells[r][c].focus();
  }

  function legend() {
    const cells = ["less-4", "less-2", "same", "more-2", "more-4"].map((name) => element("i", { class: `hour ${name}` }));
    return element("p", { class: "legend", "aria-hidden": "true" }, "less", cells, "more", element("i", { class: "hour none" }), "too few posts");
  }

  function table(options) {
    const rows = [...options].filter((one) => one.difference !== null).sort((a, b) => b.difference - a.difference);
    const range = (one) => `${wording.change(one.lower, one.lower_factor)} to ${wording.change(one.upper, one.upper_factor)}`;
    return element("details", {}, element("summary", {}, "All hours as a table"),
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "All hours as a table" }, element("table", { class: "plain" },
        element("thead", {}, element("tr", {}, ["Hour", "Difference", "Interval (95%)", "Beyond chance", "Posts"].map((name) => element("th", { scope: "col" }, name)))),
        element("tbody", {}, rows.map((one) => element("tr", {}, element("th", { scope: "row" }, moment(one.change)), element("td", {}, wording.change(one.difference, one.factor)),
          element("td", {}, range(one)), element("td", {}, one.clear ? "yes" : "no"), element("td", {}, one.posts === null ? "" : String(one.posts))))))));
  }

  function render() {
    const { lever } = answer, best = lever.options.filter((one) => one.clear).sort((a, b) => b.difference - a.difference);
    if (!lever.found || !best.length) return part("hours", "When", element("p", { class: "quiet-line" }, sentence(lever.said)));
    narrow = document.documentElement.clientWidth < NARROW + 100;
    const held = document.activeElement && document.activeElement.dataset && document.activeElement.dataset.slot;
    const better = best.filter((one) => one.difference > 0).length;
    const first = better ? `${wording.many(better, "hour is", "hours are")} better than the draft's beyond chance, ${moment(best[0].change)} most: ${told(best[0])}. ` : "No hour is better than the draft's beyond chance; some are worse. ";
    const intro = element("p", { class: "soft" }, `${first}In ${answer.zone}.${chosen ? " Choose a cell to post at that hour." : ""}`);
    const made = grid(lever.options);
    part("hours", "When", intro, made, element("p", { class: "hour-said", id: "hour-said" }, now ? `The draft: ${moment(now)}` : "Point at an hour, or walk with the arrow keys."),
      legend(), table(lever.options), element("p", { class: "note" }, answer.note));
    const home = made.querySelector(`[data-slot="${place || (now ? key(now) : key(best[0].change))}"]`) || made.querySelector("button");
    home.tabIndex = 0;
    if (held || place) home.focus({ preventScroll: true });
    place = null;
  }

  const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

  /** lever: the answer about time. slot: of the draft, or null. choose(weekday, hour): null where it cannot be changed. */
  function show(lever, note, zone, slot, choose) {
    answer = lever && { lever, note, zone };
    now = slot;
    chosen = choose;
    if (answer) render();
    else part("hours", "When");
  }

  function resize() {
    if (answer && answer.lever.found && narrow !== null && narrow !== document.documentElement.clientWidth < NARROW + 100) render();
  }

  return { show, resize, told, sentence };
})();
