// The form: what a draft may tell, as the bundle has it, and what is told.
"use strict";

const draftForm = (() => {
  const { element, at } = elements;
  const FIELDS = ["author", "text", "tags", "category", "time", "numbers", "picture"];

  /** A form for the bundle's `facts`; changed(): called after each change. */
  function make(facts, changed) {
    const uses = new Set([...facts.uses, ...(facts.numbers.length ? ["numbers"] : [])]);
    for (const field of document.querySelectorAll("[data-use]")) field.hidden = !uses.has(field.dataset.use);
    const tags = tagsField.make(facts.tags || [], changed);
    const time = timeField.make(facts.zone, facts.to || (facts.card && facts.card.to), changed);
    const picture = pictureField.make(facts.picture_bytes || 8e6, changed);
    numberFields(facts.numbers, changed);
    authorField(facts, changed);
    const near = async (text) =>
      (facts.categories || []).filter((one) => one.name.toLowerCase().includes(text.toLowerCase())).slice(0, 12)
        .map((one) => ({ value: one.name, detail: wording.many(one.posts, "post") }));
    suggestions.suggest(at("category"), "Categories that are often used", near, changed);
    for (const id of ["text", "author", "category"]) at(id).addEventListener("input", changed);
    if (uses.has("time")) time.start();

    /** The draft as the server takes it; null where a field is at fault, which is then said beside it. */
    async function draft() {
      clear();
      const told = {};
      for (const name of ["author", "text", "category"])
        if (uses.has(name) && at(name).value.trim()) told[name] = at(name).value.trim();
      if (uses.has("tags") && tags.value().length) told.tags = tags.value();
      try {
        const when = uses.has("time") ? time.value() : null;
        if (when) told.time = when;
      } catch (problem) {
        return fault("time", problem.message);
      }
      const numbers = numbersTold(facts.numbers);
      if (numbers === null) return fault("numbers", "Each of them must be a number such as 1234.5.");
      if (Object.keys(numbers).length) told.numbers = numbers;
      const picked = uses.has("picture") ? await picture.value() : null;
      if (picked) told.picture = picked;
      if (Object.keys(told).every((name) => name === "time")) return fault("draft", `Tell at least ${least(uses)}.`);
      return told;
    }

    at("draft").addEventListener("reset", () => {
      clear();
      tags.set([]);
      picture.off();
      at("author-about").textContent = "";
      setTimeout(() => uses.has("time") && time.start());
    });
    return { draft, fault, time };
  }

  function least(uses) {
    const names = ["text", "author", "picture", "category"].filter((name) => uses.has(name)).slice(0, 3);
    const words = { text: "a text", author: "an author", picture: "a picture", category: "a category" };
    return names.map((name) => words[name]).join(" or ") || "one thing";
  }

  function clear() {
    for (const name of [...FIELDS, "draft"]) {
      at(`${name}-fault`).textContent = "";
      const input = at(name === "time" ? "clock" : name);
      if (input && input.matches("input, textarea")) input.removeAttribute("aria-invalid");
    }
  }

  /** Says one line beside the field that it is about, or below the form. */
  function fault(name, line) {
    const place = FIELDS.includes(name) ? name : "draft";
    at(`${place}-fault`).textContent = line;
    const input = at(place === "time" ? "clock" : place);
    if (input && input.matches("input, textarea")) input.setAttribute("aria-invalid", "true");
    return null;
  }

  function numberFields(names, changed) {
    at("numbers").replaceChildren(...names.map((name, i) =>
      element("div", {}, element("label", { for: `number-${i}`, class: "small" }, wording.plain(name)),
        element("input", { id: `number-${i}`, inputmode: "decimal", autocomplete: "off", oninput: changed }))));
  }

  /** Name -> number of those that are told; null where one is no number. */
  function numbersTold(names) {
    const told = {};
    for (const [i, name] of names.entries()) {
      const text = at(`number-${i}`).value.trim().replaceAll(/(?<=\d),(?=\d{3}(\D|$))/g, "");
      if (!text) continue;
      if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) {
        at("numbers-part").open = true;
        return null;
      }
      told[name] = Number(text);
    }
    return told;
  }

  function authorField(facts, changed) {
    const about = (one) => {
      const typical = one.median === null || one.median === undefined ? "" : `, typically ${wording.level(one.median, one.median_count)}`;
      return `${wording.many(one.posts, "post")}${typical}`;
    };
    let seen = new Map();
    const source = async (text) => {
      const found = (await asking.get(`authors?like=${encodeURIComponent(text)}&most=8`)).authors;
      seen = new Map(found.map((one) => [one.author, one]));
      return found.map((one) => ({ value: one.author, detail: about(one) }));
    };
    const say = () => {
      const one = seen.get(at("author").value.trim());
      at("author-about").textContent = one ? `${about(one)}. Last seen ${wording.day(one.newest, facts.zone)}.` : "";
    };
    at("author").addEventListener("input", say);
    suggestions.suggest(at("author"), "Authors whose posts are known", source, () => { say(); changed(); });
  }

  return { make };
})();
