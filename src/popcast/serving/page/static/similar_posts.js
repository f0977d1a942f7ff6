// Older posts that read most like the draft, with what they got.
"use strict";

const similarPosts = (() => {
  const { element, part } = elements;

  function row(one, zone) {
    const alike = `${Math.round(one.similarity * 100)}% alike`;
    const meta = [one.author, one.posted_at && wording.day(one.posted_at, zone), alike].filter(Boolean).join(" · ");
    return element("li", {}, element("p", { class: "outcome" }, wording.level(one.popularity, one.count)),
      element("div", {}, element("p", { class: "like-title" }, one.title || one.id), element("p", { class: "soft" }, meta)));
  }

  function show(explanation, facts) {
    const found = explanation.similar || [];
    const silent = (explanation.said || []).filter((line) => line.startsWith("no similar posts"));
    if (found.length) part("similar", "Similar posts, and what they got", element("ol", { class: "likes" }, found.map((one) => row(one, facts.zone))));
    else part("similar", "Similar posts", ...silent.map((line) => element("p", { class: "quiet-line" }, hourMap.sentence(line))));
  }

  return { show };
})();
