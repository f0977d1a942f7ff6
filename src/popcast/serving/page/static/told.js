// The draft of a page in one file: what was told, to be read, not changed.
"use strict";

const told = (() => {
  const { element, at } = elements;

  function show(draft, facts) {
    const when = draft.time ? draft.time.replace("T", " ").slice(0, 16) : null;
    const zone = draft.time && !/(Z|[+-]\d\d:?\d\d)$/.test(draft.time) ? `, ${facts.zone}` : "";
    const rows = [
      ["Author", draft.author], ["Text", draft.text], ["Tags", draft.tags && draft.tags.length ? draft.tags.map(wording.tag).join(" ") : null],
      ["Category", draft.category], ["Time of posting", when && when + zone],
      ...Object.entries(draft.numbers || {}).map(([name, value]) => [wording.plain(name), wording.count(value)]),
      ["Picture or video", draft.picture && draft.picture.name],
    ];
    at("told").replaceChildren(...rows.filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  }

  return { show };
})();
