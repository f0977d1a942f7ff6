// The record of forecasts that were kept, beside what became of them.
"use strict";

const record = (() => {
  const { element, part } = elements;

  /** How far off on average: a factor where outcomes are counts. */
  const off = (value, facts) => (value === null || value === undefined ? "not known" : facts.scale === "counts" ? wording.factor(2 ** value) : `\u00b1${value.toFixed(2)}`);
  const share = (value) => (value === null || value === undefined ? "not known" : `${Math.round(100 * value)}%`);

  function tile(figure, words) {
    return element("div", {}, element("p", { class: "chance-figure" }, figure), element("p", { class: "chance-words" }, words));
  }

  function weeks(rows, facts) {
    if (!rows.length) return null;
    const of = (row) => [String(row.posts), off(row.mae, facts), share(row.coverage)];
    return element("details", {}, element("summary", {}, "Week by week"), element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Week by week" },
      element("table", { class: "plain" }, element("thead", {}, element("tr", {}, ["Week of", "Posts", "Off by", "Inside"].map((name) => element("th", { scope: "col" }, name)))),
        element("tbody", {}, rows.map((row) => element("tr", {}, element("th", { scope: "row" }, row.week), of(row).map((text) => element("td", {}, text))))))));
  }

  function show(tracked, facts) {
    if (!tracked || !tracked.kept) return part("record", "Record of kept forecasts");
    const { figures, test, counts } = tracked;
    const tiles = [tile(wording.count(tracked.kept), `${tracked.kept === 1 ? "forecast is" : "forecasts are"} kept; ${wording.count(counts.compared)} compared, ${wording.count(counts.waiting)} waiting for an outcome`)];
    if (figures) {
      const before = test && test.mae !== null && test.mae !== undefined ? `; ${off(test.mae, facts)} on posts held out` : "";
      tiles.push(tile(off(figures.mae, facts), `off on average${before}`));
      if (figures.coverage !== null) tiles.push(tile(share(figures.coverage), `of outcomes inside their interval; ${share(figures.nominal)} were meant to be`));
    }
    part("record", "Record of kept forecasts", element("div", { class: "crowd" }, tiles), element("p", { class: "verdict" }, tracked.verdict.line),
      ...[weeks(tracked.weeks || [], facts)].filter(Boolean), ...(tracked.notes || []).map((line) => element("p", { class: "note" }, hourMap.sentence(line))));
  }

  return { show };
})();
