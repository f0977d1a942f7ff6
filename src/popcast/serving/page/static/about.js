// What the forecasts rest on: data, members, scores on held-out posts, what is generated or a stand-in.
"use strict";

const about = (() => {
  const { element, at } = elements;
  const NAMES = { mae: "MAE", src: "SRC", nmse: "nMSE", rmse: "RMSE", mape: "MAPE", coverage: "coverage" };

  const number = (value) => (typeof value === "number" ? (Number.isInteger(value) ? wording.count(value) : value.toFixed(4)) : String(value));

  function pairs(title, found) {
    const rows = Object.entries(found || {}).filter(([, value]) => value !== null && value !== undefined);
    if (!rows.length) return null;
    return element("div", {}, element("h3", {}, title), element("dl", { class: "facts" }, rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, number(value))))));
  }

  /** Scores of the test part by the names that people know. */
  function scores(found) {
    const of = Object.entries(found || {}).map(([name, value]) => [name.replace(/^test\./, ""), value]);
    return Object.fromEntries(of.filter(([name]) => name in NAMES).map(([name, value]) => [NAMES[name], value]));
  }

  function notice(facts) {
    const lines = [...(facts.stand_ins || [])];
    if (facts.generated && !lines.some((line) => line.includes("generated"))) lines.unshift("The posts are generated.");
    if (facts.generated) lines.push("What is forecast from them says nothing about real ones.");
    const place = at("notice");
    place.hidden = !lines.length;
    place.textContent = lines.join(" ");
  }

  function show(facts) {
    const card = facts.card || {};
    const weights = card.weights || (Array.isArray(card.members) ? null : card.members);
    const left = Object.entries(facts.left_out || {});
    const parts = [pairs("Members and weights", weights), pairs("On posts that were held out", scores(card.scores || card.test)), pairs("Reference rows", card.references || card.reference)];
    at("about").hidden = false;
    at("about").replaceChildren(
      element("details", {}, element("summary", {}, "What this rests on"), element("div", { class: "about-parts" }, parts.filter(Boolean)),
        left.length ? element("ul", { class: "quiet-list" }, left.map(([name, why]) => element("li", {}, `${name} is left out: ${why}.`))) : null),
      element("p", { class: "soft" }, `popcast ${facts.popcast || ""}. A forecast is a guess with a width, from what went together in older posts.`));
  }

  return { show, notice };
})();
