// The picture of a forecast: what may come of the post as a hill above the axis, what came of the author's older posts
// as dots below it, one per post. The axis has steps of equal factors where outcomes are counts.
"use strict";

const distribution = (() => {
  const { drawn } = elements;
  const HILL = 150, TOP = 26, AXIS = 30, MOST_DOTS = 92, POINTS = 160;

  /** Counts and levels: which level a count has, and the least level there is. */
  function scaleOf(facts) {
    const counts = facts.scale === "counts", shift = facts.transform === "log2(x+1)" ? 1 : 0;
    if (!counts) return { counts, least: -Infinity };
    return { counts, shift, least: shift ? 0 : -Infinity, of: (count) => Math.log2(count + shift) };
  }

  function domain(one, past, scale) {
    const levels = one.quantiles ? spreadCurve.ends(one.quantiles) : [];
    const all = [one.prediction, one.lower ?? one.prediction, one.upper ?? one.prediction, ...levels, ...past];
    const low = Math.min(...all), high = Math.max(...all), room = (high - low) * 0.02;
    return [Math.max(Math.floor((low - room) * 2) / 2, scale.least - 0.15), Math.ceil((high + room) * 2) / 2];
  }

  function ticks([low, high], scale, width) {
    if (!scale.counts) {
      const step = [0.5, 1, 2, 5, 10, 20, 50].find((one) => (high - low) / one <= width / 60) || 100;
      const first = Math.ceil(low / step);
      return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step)
        .map((level) => ({ level, text: String(level).replace("-", "\u2212") }));
    }
    const steps = (high - low) / Math.log2(10) > width / 110 ? [1] : (high - low) / Math.log2(10) > width / 190 ? [1, 3] : [1, 2, 5];
    const found = scale.shift && low <= 0 ? [0] : [];
    for (let power = -2; power < 12; power++) for (const step of steps) if (power >= 0 || !scale.shift) found.push(step * 10 ** power);
    return found.filter((count) => count === 0 || count >= 1).map((count) => ({ level: scale.of(count), text: wording.count(count) }))
      .filter(({ level }) => level >= low && level <= high);
  }

  /** Stacks of dots below the axis: [{level, x, row}], and their radius. */
  function stacked(past, x, width) {
    if (!past.length) return { dots: [], radius: 0, rows: 0 };
    for (let radius = 4.5; ; radius -= 0.25) {
      const wide = 2 * radius + 1, heights = new Map(), dots = [];
      for (const level of past) {
        const bin = Math.round(x(level) / wide), row = heights.get(bin) || 0;
        heights.set(bin, row + 1);
        dots.push({ x: Math.min(width - radius, Math.max(radius, bin * wide)), row });
      }
      const rows = Math.max(...heights.values());
      if (rows * wide <= MOST_DOTS || radius <= 1) return { dots, radius, rows };
    }
  }

  function hill(one, places, scale) {
    return one && one.quantiles ? spreadCurve.densities(one.quantiles, places, scale.least) : null;
  }

  const line = (xs, ys) => xs.map((x, i) => `${i ? "L" : "M"}${x.toFixed(1)} ${ys[i].toFixed(1)}`).join("");

  /**
   * Draws into `svg`, `width` px wide. one: a forecast of the server. before: an earlier one or null. above: level of the
   * number that the user asked about, or null. Reuses the paths that are there, so that a hill moves to its new place.
   */
  function draw(svg, width, one, before, facts, above) {
    const scale = scaleOf(facts), { counts } = scale;
    const past = (one.author && one.author.past ? one.author.past : []).map((post) => post.popularity);
    const [low, high] = domain(one, before && before.quantiles ? [...past, ...spreadCurve.ends(before.quantiles)] : past, scale);
    const x = (level) => ((level - low) / (high - low)) * width;
    const base = TOP + HILL;
    const places = Array.from({ length: POINTS }, (_, i) => low + ((high - low) * i) / (POINTS - 1)), xs = places.map(x);
    const density = hill(one, places, scale), earlier = hill(before, places, scale);
    const most = Math.max(...(density || [1]), ...(earlier || [0])) * 1.04;
    const y = (value) => base - (value / most) * HILL;
    const { dots, radius, rows } = stacked(past, x, width);
    const median = one.author && one.author.median;
    const below = rows * (2 * radius + 1);
    const height = base + AXIS + (rows ? below + 30 : 4);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    if (!svg.firstChild) svg.append(...skeleton());
    const part = (name) => svg.querySelector(`.${name}`);
    const whole = density ? `${line(xs, density.map(y))}L${width} ${base}L0 ${base}Z` : "";
    part("hill").setAttribute("d", whole);
    part("hill-half").setAttribute("d", density ? between(one, xs, density, places, y, x, base) : "");
    part("ridge").setAttribute("d", density ? line(xs, density.map(y)) : "");
    part("before").setAttribute("d", earlier ? line(xs, earlier.map(y)) : "");
    const marks = part("marks");
    marks.replaceChildren(...axis(ticks([low, high], scale, width), x, base, width), ...pointed(one, x, base, width, counts));
    if (above !== null && above > low && above < high) marks.append(...asked(x(above), base));
    if (rows) {
      const first = base + AXIS + radius + 1;
      marks.append(...dots.map((dot) => drawn("circle", { class: "past", cx: dot.x.toFixed(1), cy: (first + dot.row * (2 * radius + 1)).toFixed(1), r: radius })));
      if (median !== null && median !== undefined) marks.append(...medianMark(x(median), base, height, width, wording.level(median, one.author.median_count)));
    }
  }

  function skeleton() {
    return ["hill", "hill-half", "before", "ridge"].map((name) => drawn("path", { class: name })).concat(drawn("g", { class: "marks" }));
  }

  /** The middle half of the hill. */
  function between(one, xs, density, places, y, x, base) {
    const from = one.quantiles["0.25"], to = one.quantiles["0.75"];
    if (from === undefined || to === undefined) return "";
    const height = (at) => {
      const i = Math.min(places.length - 2, Math.max(0, places.findIndex((one) => one > at) - 1));
      return density[i] + ((density[i + 1] - density[i]) * (at - places[i])) / (places[i + 1] - places[i]);
    };
    const at = Array.from({ length: 60 }, (_, i) => from + ((to - from) * i) / 59);
    return `${line(at.map(x), at.map((one) => y(height(one))))}L${x(to).toFixed(1)} ${base}L${x(from).toFixed(1)} ${base}Z`;
  }

  function axis(found, x, base, width) {
    const marks = [drawn("path", { class: "axis", d: `M0 ${base}.5H${width}` })];
    for (const { level, text } of found) {
      const at = x(level);
      if (at < 8 || at > width - 8) continue;
      const [anchor, place] = anchored(at, width, 4 * text.length + 2);  // none is cut off at an end
      marks.push(drawn("path", { class: "tick", d: `M${at.toFixed(1)} ${base}v5` }),
        drawn("text", { class: "tick-text", x: place.toFixed(1), y: base + 19, "text-anchor": anchor }, text));
    }
    return marks;
  }

  const anchored = (at, width, half) => (at < half ? ["start", Math.max(0, at - 6)] : at > width - half ? ["end", Math.min(width, at + 6)] : ["middle", at]);

  function pointed(one, x, base, width, counts) {
    const at = x(one.prediction), [anchor, place] = anchored(at, width, 40);
    const marks = [];
    if (!one.quantiles && one.lower !== null && one.lower !== undefined)
      marks.push(drawn("path", { class: "reach", d: `M${x(one.lower).toFixed(1)} ${base - 24}H${x(one.upper).toFixed(1)}` }));
    marks.push(drawn("path", { class: "point", d: `M${at.toFixed(1)} ${base}V${TOP - 6}` }),
      drawn("text", { class: "point-text", x: place.toFixed(1), y: TOP - 14, "text-anchor": anchor }, wording.guess(one.prediction, counts ? one.prediction_count : null)));
    return marks;
  }

  const asked = (at, base) => [drawn("path", { class: "asked", d: `M${at.toFixed(1)} ${base}V${TOP + 8}` }), drawn("circle", { class: "asked-dot", cx: at.toFixed(1), cy: TOP + 8, r: 3 })];

  function medianMark(at, base, height, width, text) {
    const [anchor, place] = anchored(at, width, 80);
    return [drawn("path", { class: "median", d: `M${at.toFixed(1)} ${base + AXIS - 4}V${height - 18}` }),
      drawn("text", { class: "median-text", x: place.toFixed(1), y: height - 4, "text-anchor": anchor }, `author's median ${text}`)];
  }

  return { draw, scaleOf };
})();
