// A field with suggestions: the combobox of the ARIA Authoring Practices, with a list that opens below.
"use strict";

const suggestions = (() => {
  const { element } = elements;
  let numbered = 0;

  /**
   * Gives `input` suggestions. source(text): a promise of [{value, detail}]; chosen(value): called when one is taken.
   * The field stays free: any other text may stand in it.
   */
  function suggest(input, label, source, chosen) {
    const id = `suggested-${++numbered}`;
    const list = element("ul", { id, role: "listbox", "aria-label": label, class: "suggested", hidden: true });
    const place = element("div", { class: "suggesting" });
    input.replaceWith(place);
    place.append(input, list);
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", id]])
      input.setAttribute(name, value);
    let found = [], active = -1, asked = 0, timer = 0;

    function mark(index) {
      active = index;
      [...list.children].forEach((one, i) => one.setAttribute("aria-selected", String(i === active)));
      if (active < 0) return input.removeAttribute("aria-activedescendant");
      input.setAttribute("aria-activedescendant", list.children[active].id);
      list.children[active].scrollIntoView({ block: "nearest" });
    }

    function close() {
      clearTimeout(timer);
      asked += 1;
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      mark(-1);
    }

    function take(index) {
      input.value = found[index].value;
      close();
      chosen(input.value);
    }

    function show(options) {
      found = options;
      list.replaceChildren(...options.map((one, i) =>
        element("li", { id: `${id}-${i}`, role: "option", "aria-selected": "false", onpointerdown: (event) => { event.preventDefault(); take(i); } },
          element("span", {}, one.value), one.detail ? element("small", {}, one.detail) : null)));
      list.hidden = !options.length;
      input.setAttribute("aria-expanded", String(options.length > 0));
      mark(-1);
    }

    async function look() {
      const mine = ++asked;
      try {
        const options = await source(input.value.trim());
        if (mine === asked && document.activeElement === input) show(options);
      } catch { /* no suggestions: the field works without them */ }
    }

    function later() {
      clearTimeout(timer);
      timer = setTimeout(look, 120);
    }

    input.addEventListener("input", later);
    input.addEventListener("click", () => list.hidden && later());
    input.addEventListener("blur", close);
    input.addEventListener("keydown", (event) => {
      const open = !list.hidden;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (!open) return look();
        const step = event.key === "ArrowDown" ? 1 : -1;
        mark(active < 0 && step < 0 ? found.length - 1 : (active + step + found.length) % found.length);
      } else if (event.key === "Enter" && open && active >= 0) {
        event.preventDefault();
        event.stopImmediatePropagation();
        take(active);
      } else if (event.key === "Escape" && open) {
        event.preventDefault();
        close();
      }
    });
  }

  return { suggest };
})();
