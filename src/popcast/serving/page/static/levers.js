// What else would change it: tags, category, length, picture, another wording. Only what held-out posts bear out.
"use strict";

const levers = (() => {
  const { element, drawn, part, at } = elements;
  const SHOWN = 5;
  const SILENT = (name) => `${name}: nothing differs by more than chance`;

  function named(change) {
    if ("picture" in change) return change.picture ? "with a picture" : "without a picture";
    if ("length" in change) return `${wording.count(change.length)} characters`;
    if ("tags" in change) return change.tags.length ? change.tags.map(wording.tag).join(" ") : "no tags";
    return String(change.category ?? change.title ?? Object.values(change)[0]);
  }

  /** A whisker from lower to upper with a dot, around the line of no difference. */
  function whisker(option, most) {
    const x = (value) => 80 + 74 * Math.max(-1, Math.min(1, value / most)), kind = option.clear ? (option.difference < 0 ? "less" : "more") : "same";
    return drawn("svg", { class: `whisker ${kind}`, viewBox: "0 0 160 16", width: 160, height: 16, "aria-hidden": "true", focusable: "false" },
      drawn("path", { class: "zero", d: "M80 1V15" }), drawn("path", { class: "range", d: `M${x(option.lower).toFixed(1)} 8H${x(option.upper).toFixed(1)}` }),
      drawn("circle", { cx: x(option.difference).toFixed(1), cy: 8, r: 4 }));
  }

  function lever(one) {
    const known = one.options.filter((option) => option.difference !== null);
    if (!known.some((option) => option.clear)) return null;
    const shown = known.sort((a, b) => Number(b.clear) - Number(a.clear) || Math.abs(b.difference) - Math.abs(a.difference)).slice(0, SHOWN);
    if (!shown.length) return null;
    const most = Math.max(...shown.map((option) => Math.max(Math.abs(option.lower), Math.abs(option.upper))), 0.1);
    return element("div", { class: "lever" }, element("h3", {}, hourMap.sentence(one.name).slice(0, -1)),
      element("ul", { class: "options" }, shown.map((option) => element("li", {}, element("span", { class: "option-name" }, named(option.change)), whisker(option, most),
        element("span", { class: "option-figure" }, hourMap.told(option))))));
  }

  function wordingForm(live) {
    const input = element("textarea", { id: "other-text", dir: "auto", rows: "2", "aria-describedby": "other-fault" });
    const fault = element("p", { class: "fault", id: "other-fault", "aria-live": "polite" }), said = element("div", { id: "other-said", role: "status" });
    const form = element("form", { class: "wording", novalidate: true }, element("label", { for: "other-text" }, "Another wording"), input, element("button", { class: "quiet" }, "Compare"), fault, said);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      fault.textContent = "";
      if (!input.value.trim()) return void (fault.textContent = "Write another text to compare.");
      try {
        const found = await live.wording(input.value.trim()), other = found.options[0];
        said.replaceChildren(element("p", {}, other && other.difference !== null ? `This wording: ${hourMap.told(other)} against the draft's.` : hourMap.sentence(found.said)));
      } catch (problem) {
        fault.textContent = problem.message;
      }
    });
    return form;
  }

  /** answers: those about anything but the time. live: {wording(text)} or null. */
  function show(answers, note, live) {
    const any = answers.some((one) => one.found && lever(one));
    const held = at("other-text") ? at("other-text").value : "";
    const made = answers.map((one) => [one, one.found ? lever(one) : null]);
    const silent = made.filter(([one, shown]) => !shown && one.key !== "title").map(([one]) => hourMap.sentence(one.options.length ? SILENT(one.name) : one.said));
    const content = made.map(([, shown]) => shown).filter(Boolean);
    if (silent.length) content.push(element("ul", { class: "quiet-list" }, [...new Set(silent)].map((line) => element("li", {}, line))));
    if (live) content.push(wordingForm(live));
    if (any) content.push(element("p", { class: "note" }, note));
    part("levers", "What else would change it", ...content);
    if (held) at("other-text").value = held;
  }

  return { show };
})();
