// Elements of the page and of its pictures. Whatever is put in is text: nothing that people wrote is read as markup.
"use strict";

const elements = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  function filled(made, attributes, content) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "class") made.setAttribute("class", value);
      else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...content.flat().filter((one) => one !== null && one !== undefined && one !== ""));
    return made;
  }

  const element = (tag, attributes, ...content) => filled(document.createElement(tag), attributes, content);
  const drawn = (tag, attributes, ...content) => filled(document.createElementNS(SVG, tag), attributes, content);
  const at = (id) => document.getElementById(id);

  /** Shows a part with a heading and content, or hides it where there is none. */
  function part(id, title, ...content) {
    const place = at(id);
    place.hidden = !content.length;
    place.classList.remove("waiting");
    if (content.length) place.replaceChildren(element("h2", { id: `${id}-title` }, title), ...content);
  }

  /** A bar to the right (more) or left (less) of a line. values: all that stand below one another, so that the line stands
   * where they need it; `room` is the least share of the longest bar that either side has. */
  function bar(value, values, room = 0.25) {
    const most = Math.max(...values.map(Math.abs), 1e-9), side = (sign) => Math.max(room * most, ...values.map((one) => sign * one));
    const made = element("span", { class: `bar ${value < 0 ? "less" : "more"}`, "aria-hidden": "true" }, element("i"));
    made.style.setProperty("--zero", (side(-1) / (side(-1) + side(1))).toFixed(4));
    made.style.setProperty("--share", (Math.abs(value) / (side(-1) + side(1))).toFixed(4));
    return made;
  }

  return { element, drawn, at, part, bar };
})();
