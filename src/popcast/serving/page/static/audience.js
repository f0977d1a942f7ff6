// The simulated audience, called what it is: who was shown the draft, what they did, how their interest moved.
"use strict";

const audience = (() => {
  const { element, drawn, part, bar } = elements;
  const SAID = 8, MOST = 10;

  /** The mean interest after each round, 0 to MOST, as a line. */
  function mood(values) {
    const x = (i) => 8 + (values.length > 1 ? (184 * i) / (values.length - 1) : 92), y = (value) => 50 - 44 * Math.max(0, Math.min(1, value / MOST));
    return drawn("svg", { class: "mood", viewBox: "0 0 200 56", width: 200, height: 56, "aria-hidden": "true", focusable: "false" },
      drawn("path", { class: "zero", d: "M0 50H200" }), drawn("path", { class: "mood-line", d: values.map((value, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join("") }),
      values.map((value, i) => drawn("circle", { cx: x(i).toFixed(1), cy: y(value).toFixed(1), r: 3.5 })));
  }

  function actions(counts) {
    const rows = Object.entries(counts).sort((a, b) => b[1] - a[1]), values = rows.map(([, count]) => count);
    return element("ol", { class: "bars counted" }, rows.map(([name, count]) =>
      element("li", {}, element("span", { class: "bar-name" }, wording.plain(name)), bar(count, values, 0), element("span", { class: "bar-figure" }, wording.count(count)))));
  }

  function said(rounds) {
    const told = rounds.flatMap((round) => round.asked).filter((one) => one.ok && one.text).slice(-SAID);
    if (!told.length) return null;
    return element("details", {}, element("summary", {}, "What some of them say"), element("ul", { class: "said" }, told.map((one) =>
      element("li", {}, element("p", { class: "soft" }, `${one.name}, ${one.role}: ${wording.plain(one.action)}`), element("p", {}, one.text)))));
  }

  function show(told) {
    const post = told && told.posts && told.posts[0];
    if (!post) return part("audience", "Simulated audience");
    const rules = told.kind === "rules" ? "Simulated audience, by rules" : "Simulated audience";
    const first = post.mean_field[0], last = post.mean_field.at(-1);
    part("audience", rules, element("p", { class: "soft" }, `${told.note}.`.replace("..", ".")),
      element("div", { class: "crowd" },
        element("div", {}, element("p", { class: "chance-figure" }, `${Math.round(100 * post.interested)}%`), element("p", { class: "chance-words" }, `interested after ${wording.many(post.rounds.length, "round")}`)),
        element("div", {}, mood(post.mean_field), element("p", { class: "chance-words" }, `mean interest, ${first.toFixed(1)} and then ${last.toFixed(1)} of ${MOST}`))),
      actions(post.actions), ...[said(post.rounds)].filter(Boolean));
  }

  return { show };
})();
