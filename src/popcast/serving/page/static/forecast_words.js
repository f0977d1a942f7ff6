// A forecast for people: the figure, its picture, how wide it is, and the chances of getting more than something.
"use strict";

const forecastWords = (() => {
  const { element, drawn, at, part } = elements;
  const LACKING = "columns that the posts lack";  // the form shows what is not told
  let svg = null, shown = null, before = null, askedAbove = "";

  const named = (facts) => wording.plain(facts.label || "popularity");
  const level = (one, name, facts) => wording.guess(one[name], facts.scale === "counts" ? one[`${name}_count`] : null);

  const TENTHS = ["", "One time", "Two times", "Three times", "Four times", "Five times", "Six times", "Seven times", "Eight times", "Nine times"];

  /** "Nine times in ten", of the share of outcomes that intervals are meant to hold. */
  function often(share) {
    const tenths = TENTHS[Math.round(share * 10)];
    if (tenths && Math.abs(share * 10 - Math.round(share * 10)) < 1e-6) return `${tenths} in ten`;
    return `${(100 * share).toFixed(1).replace(".0", "")} times in a hundred`;
  }

  /** "Nine times in ten between 210 and 7,400; half of the time between 600 and 2,500." */
  function width(one, facts) {
    if (one.lower === null || one.lower === undefined) return "How far off it may be is not known: too few posts were held out to measure it.";
    const counts = facts.scale === "counts" ? one.quantile_counts : null, q = one.quantiles;
    const of = (name) => wording.guess(q[name], counts && counts[name]);
    const half = !q || q["0.25"] === undefined ? "" : ` Half of the time between ${of("0.25")} and ${of("0.75")}.`;
    const between = `between ${level(one, "lower", facts)} and ${level(one, "upper", facts)}`;
    return `${typeof facts.coverage === "number" ? often(facts.coverage) : "Most likely"} ${between}.${half}`;
  }

  /** What became of it by the last change: "was 1,100, now ×1.13". */
  function moved(one, facts) {
    if (!before) return "";
    const change = one.prediction - before.prediction;
    if (Math.abs(change) < 0.005) return "As before the last change.";
    const text = facts.scale === "counts" ? wording.factor(2 ** change) : wording.change(change, null);
    return `${text} by the last change; it was ${level(before, "prediction", facts)}.`;
  }

  function spoken(one, facts) {
    return [`Forecast: ${level(one, "prediction", facts)} ${named(facts)}.`, width(one, facts), moved(one, facts)].join(" ");
  }

  function pastLine(one, facts) {
    const author = one.author;
    if (!author) return "No author is told: only the hill, no past to compare with.";
    if (!author.known || !author.posts) return "Nothing is known of this author's past: the forecast looks at the post alone.";
    const typical = wording.level(author.median, author.median_count);
    const dots = author.past.length < author.posts ? `the newest ${wording.count(author.past.length)} are the dots` : "the dots";
    return `Dots: what ${wording.many(author.posts, "older post")} of this author got${author.past.length < author.posts ? ` (${dots})` : ""}; half of them more than ${typical}.`;
  }

  function chanceRow(share, words) {
    const bar = element("span", { class: "chance-bar", "aria-hidden": "true" }, element("i"));
    bar.style.setProperty("--share", share.toFixed(4));
    return [element("p", { class: "chance-figure" }, wording.chance(share)), element("p", { class: "chance-words" }, words), bar];
  }

  function chances(one, facts, live) {
    const rows = [], author = one.author;
    if (author && author.chance_above_median !== null && author.chance_above_median !== undefined)
      rows.push(element("div", { class: "chance" }, chanceRow(author.chance_above_median,
        `to get more than this author's median, ${wording.level(author.median, author.median_count)}`)));
    const own = element("div", { class: "chance" });
    if (live && one.quantiles) own.append(...aboveField(one, facts, live));
    else if (one.chance_above) own.append(...chanceRow(one.chance_above.chance, `to get more than ${aboveText(one.chance_above.value, facts)}`));
    if (own.firstChild) rows.push(own);
    return rows.length ? element("div", { class: "chances" }, rows) : null;
  }

  const aboveText = (value, facts) => (facts.scale === "counts" ? wording.count(value) : wording.score(value));

  function aboveField(one, facts, live) {
    const input = element("input", { id: "above", inputmode: "decimal", autocomplete: "off", "aria-describedby": "above-fault", value: askedAbove,
      placeholder: facts.scale === "counts" ? "1,000" : "8.5" });
    const fault = element("p", { class: "fault", id: "above-fault", "aria-live": "polite" });
    const form = element("form", { class: "above", novalidate: true }, element("label", { for: "above" }, one.chance_above ? "to get more than" : "Chance to get more than"), input, element("button", { class: "quiet" }, "Ask"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = Number(input.value.trim().replaceAll(",", ""));
      if (!input.value.trim() || !Number.isFinite(value) || (facts.scale === "counts" && value < 0)) {
        fault.textContent = facts.scale === "counts" ? "A count such as 1,000." : "A score such as 8.5.";
        input.setAttribute("aria-invalid", "true");
        return;
      }
      askedAbove = input.value.trim();
      live.above(value);
    });
    if (!one.chance_above) return [form, fault];
    const figure = wording.chance(one.chance_above.chance);
    const bar = element("span", { class: "chance-bar", "aria-hidden": "true" }, element("i"));
    bar.style.setProperty("--share", one.chance_above.chance.toFixed(4));
    return [element("p", { class: "chance-figure" }, element("output", { for: "above" }, figure)), form, bar, fault];
  }

  /** live: {above(number), keep(), same} on the served page, where `same` says that the draft is the one shown already;
   * null in a page of one file. */
  function show(one, notes, facts, live) {
    if (!live || !live.same) before = live ? shown : null;
    shown = one;
    const focused = document.activeElement && document.activeElement.id;
    svg ||= drawn("svg", { class: "distribution", role: "img", "aria-labelledby": "picture-words" });
    const figure = level(one, "prediction", facts);
    part("forecast", "Forecast",
      element("p", { class: "figure" }, element("small", {}, "about"), " ", element("strong", { id: "figure" }, figure), " ", element("span", { class: "unit" }, named(facts))),
      element("p", { class: "width", id: "width" }, width(one, facts)),
      element("p", { class: "moved", id: "moved" }, moved(one, facts)),
      element("div", { class: "picture", id: "picture-place" }, svg),
      element("p", { class: "caption", id: "picture-words" }, `The hill is what may come of the post, its darker part the middle half. ${pastLine(one, facts)}`),
      ...[chances(one, facts, live)].filter(Boolean),
      ...(live && facts.keeps !== false ? [keeping(one, live)] : []),
      ...notes.filter((note) => !note.startsWith(LACKING)).map((note) => element("p", { class: "note" }, note)));
    if (focused && at(focused) && at("forecast").contains(at(focused))) at(focused).focus();
    redraw(facts);
    if (live) at("said").textContent = spoken(one, facts);
  }

  function keeping(one, live) {
    if (one.kept) return element("p", { class: "kept" }, `Kept as ${one.kept}: once its outcome is told, the record compares the two.`);
    return element("p", { class: "kept" }, element("button", { type: "button", class: "quiet", id: "keep", onclick: live.keep }, "Keep this forecast"),
      element("span", { class: "fault", id: "keep-fault", role: "alert" }));
  }

  function redraw(facts) {
    if (!shown || !svg || !svg.parentNode) return;
    const scale = distribution.scaleOf(facts);
    const above = shown.chance_above ? (scale.counts ? scale.of(shown.chance_above.value) : shown.chance_above.value) : null;
    distribution.draw(svg, Math.max(240, Math.floor(svg.parentNode.clientWidth)), shown, before, facts, above);
  }

  function forget() {
    shown = before = null;
    askedAbove = "";
  }

  return { show, redraw, forget };
})();
