// The simulated audience, called what it is. Drawn from what the server tells, whatever parts that has.
"use strict";

const audience = (() => {
  const { element, part } = elements;
  function show(told, facts) {
    part("audience", "Simulated audience", ...(told ? [element("p", {}, told.note || "")] : []));
  }
  return { show };
})();
