// Why the forecast is what it is: from some post to this one by factors, and the words that carry it.
"use strict";

const reasons = (() => {
  const { element, bar, part } = elements;

  function words(found) {
    if (!found.length) return [];
    const most = Math.max(...found.map((one) => Math.abs(one.value)));
    const depth = (one) => Math.max(1, Math.ceil((3 * Math.abs(one.value)) / most));
    return [element("h3", {}, "Words that carry it"),
      element("p", { class: "soft" }, "Each is how the forecast stands to that of the same post without the word."),
      element("ul", { class: "words" }, found.map((one) =>
        element("li", { class: `word ${one.value < 0 ? "less" : "more"}-${depth(one)}` },
          element("span", {}, one.field === "tags" ? wording.tag(one.word) : one.word), element("b", {}, wording.change(one.value, one.factor)))))];
  }

  function show(explanation, facts) {
    const counts = facts.scale === "counts", all = explanation.contributions;
    const shown = all.filter((one) => Math.abs(one.value) >= 0.005), values = shown.map((one) => one.value);
    const shift = facts.transform === "log2(x+1)" ? 1 : 0;
    const some = counts ? wording.about(2 ** explanation.baseline - shift) : wording.score(explanation.baseline);
    const rest = all.length - shown.length;
    part("reasons", "Why",
      element("p", { class: "soft" }, counts ? `Some post of these gets ${some}. What this one tells multiplies that:` : `Some post of these gets ${some}. What this one tells adds to that:`),
      element("ol", { class: "bars" }, shown.map((one) =>
        element("li", {}, element("span", { class: "bar-name" }, one.name), bar(one.value, values),
          element("span", { class: `bar-figure ${one.value < 0 ? "less" : "more"}` }, wording.change(one.value, one.factor))))),
      ...(rest ? [element("p", { class: "soft" }, `${wording.many(rest, "other thing")} changes hardly anything.`.replace("things changes", "things change"))] : []),
      ...words(explanation.words || []),
      ...(explanation.said || []).filter((line) => !line.startsWith("no similar posts")).map((line) => element("p", { class: "note" }, line)));
  }

  return { show };
})();
