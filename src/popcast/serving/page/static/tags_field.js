// Tags as chips: a comma or Enter ends one, Backspace in the empty field takes the last one back.
"use strict";

const tagsField = (() => {
  const { element, at } = elements;

  /** A field of tags; changed(): called after each change. Returns {value(), set(tags)}. */
  function make(known, changed) {
    const input = at("tags"), list = at("tags-list");
    let tags = [];

    function show() {
      list.replaceChildren(...tags.map((tag) =>
        element("li", {}, element("span", {}, tag),
          element("button", { type: "button", "aria-label": `Remove the tag ${tag}`, onclick: () => remove(tag) }, "\u00d7"))));
      list.hidden = !tags.length;
    }

    function remove(tag) {
      set(tags.filter((one) => one !== tag));
      input.focus();
      changed();
    }

    function set(wanted) {
      tags = [...new Set(wanted)];
      show();
    }

    function take() {
      const told = input.value.split(",").map((one) => one.trim()).filter(Boolean);
      input.value = "";
      if (!told.length) return;
      set([...tags, ...told]);
      changed();
    }

    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && input.value.trim()) {
        event.preventDefault();
        take();
      } else if (event.key === "Backspace" && !input.value && tags.length) {
        event.preventDefault();
        set(tags.slice(0, -1));
        changed();
      }
    });
    input.addEventListener("input", () => input.value.includes(",") && take());
    input.addEventListener("blur", take);
    const near = async (text) =>
      known.filter((tag) => tag.toLowerCase().includes(text.toLowerCase()) && !tags.includes(tag)).slice(0, 8).map((tag) => ({ value: tag }));
    suggestions.suggest(input, "Tags that are often used", near, take);
    show();
    return { value: () => [...tags, ...input.value.split(",").map((one) => one.trim()).filter(Boolean)], set };
  }

  return { make };
})();
