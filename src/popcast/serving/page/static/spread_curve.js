// From a few quantiles to a smooth density: a monotone cubic through (normal score, quantile), then a kernel over its draws.
"use strict";

const spreadCurve = (() => {
  /** The inverse of the normal distribution function, to 4e-4: Abramowitz and Stegun, 26.2.23. */
  function normalScore(share) {
    const tail = Math.min(share, 1 - share), t = Math.sqrt(-2 * Math.log(tail));
    const found = t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t ** 3);
    return share < 0.5 ? -found : found;
  }

  /** Monotone cubic through points with rising x (Fritsch and Carlson 1980), straight beyond its ends. */
  function monotone(x, y) {
    const n = x.length, rise = [], slope = [];
    for (let i = 0; i + 1 < n; i++) rise.push((y[i + 1] - y[i]) / (x[i + 1] - x[i]));
    for (let i = 0; i < n; i++) {
      if (i === 0 || i === n - 1) slope.push(rise[Math.min(i, n - 2)]);
      else slope.push(rise[i - 1] * rise[i] <= 0 ? 0 : (2 * rise[i - 1] * rise[i]) / (rise[i - 1] + rise[i]));
    }
    return (at) => {
      if (at <= x[0]) return y[0] + (at - x[0]) * slope[0];
      if (at >= x[n - 1]) return y[n - 1] + (at - x[n - 1]) * slope[n - 1];
      const i = x.findIndex((one) => one > at) - 1, wide = x[i + 1] - x[i], t = (at - x[i]) / wide;
      return y[i] * (1 + 2 * t) * (1 - t) ** 2 + y[i + 1] * t * t * (3 - 2 * t)
        + wide * (slope[i] * t * (1 - t) ** 2 + slope[i + 1] * t * t * (t - 1));
    };
  }

  function ofScore(quantiles) {
    const known = Object.entries(quantiles).map(([level, value]) => [Number(level), value]).sort((a, b) => a[0] - b[0]);
    return monotone(known.map((one) => normalScore(one[0])), known.map((one) => one[1]));
  }

  const DRAWS = 240;

  /** Evenly many outcomes of each probability, and how wide the kernel around each is. */
  function drawn(quantiles, least) {
    const value = ofScore(quantiles);
    const draws = Array.from({ length: DRAWS }, (_, i) => Math.max(least, value(normalScore((i + 0.5) / DRAWS))));
    return [draws, Math.max(0.05, 0.36 * (draws[180] - draws[60]))];
  }

  /** Where a hill begins and ends. */
  function ends(quantiles) {
    const [draws, wide] = drawn(quantiles, -Infinity);
    return [draws[1] - 1.6 * wide, draws[DRAWS - 2] + 1.6 * wide];
  }

  /** Densities at each of `places`, from level -> quantile. least: outcomes cannot be lower. */
  function densities(quantiles, places, least) {
    const [draws, wide] = drawn(quantiles, least);
    const near = (place, draw) => Math.exp(-0.5 * ((place - draw) / wide) ** 2);
    return places.map((place) => {
      if (place < least) return 0;
      const mirrored = Number.isFinite(least) ? (draw) => near(place, 2 * least - draw) : () => 0;
      return draws.reduce((sum, draw) => sum + near(place, draw) + mirrored(draw), 0) / (DRAWS * wide * 2.5066);
    });
  }

  return { densities, ends };
})();
