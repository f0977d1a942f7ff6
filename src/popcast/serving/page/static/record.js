// The record of forecasts that were kept, beside what became of them.
"use strict";

const record = (() => {
  const { element, part } = elements;
  function show(tracked, facts) {
    part("record", "Record of kept forecasts");
  }
  return { show };
})();
