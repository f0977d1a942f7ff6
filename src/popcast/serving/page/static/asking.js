// Questions to the server, with the token where it has one. What goes wrong comes back as one line.
"use strict";

const asking = (() => {
  const KEY = "popcast-token";
  let token = null;
  try { token = sessionStorage.getItem(KEY); } catch { /* kept for this page only, then */ }
  if (location.hash.startsWith("#token=")) {
    use(decodeURIComponent(location.hash.slice(7)));
    history.replaceState(null, "", location.pathname + location.search);
  }

  function use(value) {
    token = value;
    try { sessionStorage.setItem(KEY, value); } catch { /* as above */ }
  }

  class Refused extends Error {
    constructor(line, status, field) {
      super(line);
      this.status = status;
      this.field = field || null;
    }
  }

  async function answer(path, options) {
    const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    let came;
    try {
      came = await fetch(path, { ...options, headers });
    } catch (problem) {
      if (problem.name === "AbortError") throw problem;
      throw new Refused("The server does not answer. Is it still running?", 0);
    }
    const content = await came.json().catch(() => null);
    if (came.ok && content !== null) return content;
    throw new Refused((content && content.error) || `The server answers ${came.status}.`, came.status, content && content.field);
  }

  const get = (path, signal) => answer(path, { signal });
  const post = (path, content, signal) =>
    answer(path, { method: "POST", body: JSON.stringify(content), headers: { "Content-Type": "application/json" }, signal });

  return { get, post, use, Refused };
})();
