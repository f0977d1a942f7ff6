// The page as a whole: what is asked when, and where the answers go.
"use strict";

(() => {
  const { element, at } = elements;
  const WAIT = 600;
  const embedded = (id) => (at(id) ? JSON.parse(at(id).textContent) : null);
  let facts = null, form = null, asked = null, stop = null, timer = 0, above = null, round = 0;

  function colours() {
    for (const choice of document.querySelectorAll("#theme input")) {
      choice.checked = choice.value === theme.kept();
      choice.addEventListener("change", () => theme.keep(choice.value));
    }
  }

  function head() {
    document.title = `${facts.dataset}: what will this post get?`;
    at("dataset").textContent = facts.dataset;
    about.notice(facts);
    about.show(facts);
    at("columns").hidden = false;
  }

  const waiting = (ids, on) => ids.forEach((id) => at(id).classList.toggle("waiting", on));

  function trouble(problem) {
    if (problem.name === "AbortError") return;
    if (problem.status === 401) return lock();
    form.fault(fieldOf(problem), shortened(problem.message));
  }

  /** The line without the place in the request, which stands beside the field anyway. */
  function shortened(line) {
    const text = hourMap.sentence(line.replace(/^drafts?(\[\d+\])?\.\w+: /, ""));
    return text.length > 160 ? `${text.slice(0, 159)}\u2026` : text;
  }

  /** Which field a line of the server is about. */
  function fieldOf(problem) {
    const place = problem.field || (/drafts?(?:\[\d+\])?\.(\w+)/.exec(problem.message) || [])[1];
    const told = (place || problem.message.split(": got ")[0]).toLowerCase();
    return ["author", "text", "tags", "category", "time", "numbers", "picture"].find((name) => new RegExp(`\\b${name}\\b`).test(told)) || "draft";
  }

  /** Forecasts the draft; then, beside one another, what needs longer. */
  async function ask(options) {
    clearTimeout(timer);
    const mine = ++round, draft = await form.draft();
    if (draft === null || mine !== round) return;
    if (stop) stop.abort();
    stop = new AbortController();
    const { signal } = stop, question = { drafts: [draft], ...(above === null ? {} : { above }), ...(options && options.keep ? { keep: true } : {}) };
    const late = ["reasons", "hours", "levers", "similar", "audience"];
    at("empty").hidden = true;
    if (at("reasons").hidden && !(options && options.only)) elements.part("reasons", "Why", element("p", { class: "quiet-line" }, "Looking for reasons \u2026"));
    waiting(["forecast", ...(options && options.only ? [] : late)], true);
    try {
      const found = await asking.post("forecast", question, signal);
      forecastWords.show(found.forecasts[0], found.notes || [], facts, { above: askAbove, keep, same: JSON.stringify(draft) === JSON.stringify(asked) });
      asked = draft;
      if (options && options.shown) options.shown();
      if (!(options && options.only)) await Promise.all(further(draft, signal));
    } catch (problem) {
      if (options && options.keep && at("keep-fault")) at("keep-fault").textContent = problem.message;
      else if (mine === round) trouble(problem);
    } finally {
      if (mine === round) waiting(["forecast", ...late], false);
    }
  }

  function further(draft, signal) {
    const soft = (id, made) => made.catch((problem) => {
      if (problem.name === "AbortError") return;
      if (problem.status === 401) return lock();
      elements.part(id, id === "reasons" ? "Why" : "What would change it", element("p", { class: "quiet-line" }, hourMap.sentence(problem.message)));
    });
    const all = [
      soft("reasons", asking.post("explain", { drafts: [draft] }, signal).then(explained)),
      soft("levers", asking.post("what-if", { draft }, signal).then(changed)),
    ];
    if (facts.audience) all.push(asking.post("audience", { draft }, signal).then((told) => audience.show(told, facts)).catch(() => audience.show(null, facts)));
    return all;
  }

  function explained(found) {
    reasons.show(found.explanations[0], facts);
    similarPosts.show(found.explanations[0], facts);
  }

  function changed(found) {
    const time = found.levers.find((one) => one.key === "time");
    hourMap.show(facts.uses.includes("time") ? time : null, found.note, facts.zone, form ? form.time.slot() : slotOf(asked), form ? choose : null);
    const named = { length: "text", tags: "tags", category: "category", picture: "picture" };
    levers.show(found.levers.filter((one) => one.key in named && facts.uses.includes(named[one.key])), found.note, form && facts.uses.includes("text") && asked.text ? { wording: compare } : null);
  }

  const slotOf = (draft) => (draft && draft.slot) || null;

  async function compare(text) {
    const found = await asking.post("what-if", { draft: asked, titles: [text], levers: ["title"] });
    return found.levers[0];
  }

  function choose(weekday, hour) {
    form.time.choose(weekday, hour);
    ask();
  }

  function askAbove(number) {
    above = number;
    ask({ only: true });
  }

  /** Where the forecast comes below the draft, the first one is brought into view. */
  function toForecast() {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (at("forecast").getBoundingClientRect().top > innerHeight * 0.7) at("forecast").scrollIntoView({ behavior: calm ? "auto" : "smooth" });
  }

  const keep = () => ask({ only: true, keep: true }).then(track);

  async function track() {
    try { record.show(await asking.get("track"), facts); } catch { /* a bundle without a record */ }
  }

  function lock() {
    at("token").hidden = false;
    at("columns").hidden = true;
    at("token").onsubmit = async (event) => {
      event.preventDefault();
      asking.use(at("token-value").value);
      await start();
    };
    at("token-value").focus();
  }

  async function start() {
    try {
      facts = embedded("facts") || (await asking.get("facts"));
    } catch (problem) {
      if (problem.status === 401) {
        at("token-fault").textContent = at("token").hidden ? "" : "That is not the token.";
        return lock();
      }
      at("notice").hidden = false;
      at("notice").textContent = problem.message;
      return;
    }
    at("token").hidden = true;
    head();
    form ||= draftForm.make(facts, later);
    at("draft").onsubmit = async (event) => {
      event.preventDefault();
      const first = asked === null;
      await ask({ shown: first ? toForecast : null });
    };
    at("draft").onreset = restart;
    track();
  }

  /** After the first forecast the page follows what is typed. */
  function later() {
    if (!asked) return;
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  }

  function restart() {
    clearTimeout(timer);
    if (stop) stop.abort();
    round += 1;
    asked = above = null;
    forecastWords.forget();
    for (const id of ["forecast", "reasons", "hours", "levers", "similar", "audience"]) at(id).hidden = true;
    at("empty").hidden = false;
  }

  /** A page of one file: the answers are in it. */
  function showGiven(given) {
    facts = embedded("facts");
    asked = given.draft;
    head();
    at("empty").hidden = true;
    told.show(given.draft, facts);
    forecastWords.show(given.forecast.forecasts[0], given.forecast.notes || [], facts, null);
    if (given.explain) explained(given.explain);
    if (given.what_if) changed(given.what_if);
    if (given.audience) audience.show(given.audience, facts);
  }

  let tick = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(tick);
    tick = requestAnimationFrame(() => { if (facts) { forecastWords.redraw(facts); hourMap.resize(); } });
  });
  colours();
  const given = embedded("given");
  if (given) showGiven(given);
  else start();
})();
