"use strict";
// The share of wrong labels from the answers: audit/noise_rate.py in
// JavaScript.  A test compares the two.

const SHIFTS = Array.from({length: 36}, (_, i) => -3.5 + 7 * i / 35);
const SLOPES = Array.from({length: 14}, (_, i) => 0.15 + 2.25 * i / 13);
const Z = 1.959963984540054;

function logit(r) { return Math.log((r + 0.002) / (1.002 - r)); }
function expit(x) { return 1 / (1 + Math.exp(-x)); }
function logExpit(x) {
  return x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x));
}

// The posterior of (a, b) in P(wrong) = sigmoid(a + b logit r), a list of
// [a, b, weight], given answers [[r, is wrong], ...].
function calibrated(answers) {
  const grid = [];
  for (const a of SHIFTS) for (const b of SLOPES) {
    let log = -(((a - 0.3) / 1.2) ** 2) / 2 - ((Math.log(b) / 0.5) ** 2) / 2;
    for (const [r, wrong] of answers) {
      log += logExpit((wrong ? 1 : -1) * (a + b * logit(r)));
    }
    grid.push([a, b, log]);
  }
  const top = Math.max(...grid.map(g => g[2]));
  let sum = 0;
  for (const g of grid) { g[2] = Math.exp(g[2] - top); sum += g[2]; }
  for (const g of grid) g[2] /= sum;
  return grid.filter(g => g[2] > 1e-12);
}

// wrongness: r of all labels; strata: the stratum of each; inSample:
// [[stratum, is wrong], ...]; answers: [[r, is wrong], ...] of all that was
// decided.  Returns {rate, low, high, checked, wrong}, or null below 5.
function estimate(wrongness, strata, inSample, answers) {
  if (inSample.length < 5) return null;
  const grid = calibrated(answers);
  const count = strata.reduce((a, b) => Math.max(a, b), 0) + 1;
  const members = new Array(count).fill(0), expected = new Array(count).fill(0);
  const seen = new Map();
  for (let n = 0; n < wrongness.length; n++) {
    const r = wrongness[n];
    let value = seen.get(r);
    if (value === undefined) {
      const x = logit(r);
      value = 0;
      for (const [a, b, weight] of grid) value += weight * expit(a + b * x);
      seen.set(r, value);
    }
    members[strata[n]] += 1;
    expected[strata[n]] += Math.min(Math.max(value, 0), 1);
  }
  const asked = new Array(count).fill(0), hits = new Array(count).fill(0);
  for (const [stratum, wrong] of inSample) {
    asked[stratum] += 1;
    hits[stratum] += wrong ? 1 : 0;
  }
  let rate = 0, variance = 0;
  for (let h = 0; h < count; h++) {
    const share = members[h] / wrongness.length, mean = expected[h] / members[h];
    rate += share * (asked[h] ? hits[h] / asked[h] : mean);
    const shrunk = (hits[h] + 2 * mean) / (asked[h] + 2);
    let spread = shrunk * (1 - shrunk) / Math.max(asked[h], 1);
    if (asked[h]) spread *= 1 - asked[h] / members[h];
    variance += share * share * spread;
  }
  const checked = inSample.length, wrong = hits.reduce((a, b) => a + b, 0);
  const found = {rate, low: rate, high: rate, checked, wrong};
  if (variance > 0) {
    const clipped = Math.min(Math.max(rate, 0.5 / checked), 1 - 0.5 / checked);
    const size = clipped * (1 - clipped) / variance;
    const middle = (rate + Z * Z / (2 * size)) / (1 + Z * Z / size);
    const half = Z * Math.sqrt(
      rate * (1 - rate) / size + Z * Z / (4 * size * size)) / (1 + Z * Z / size);
    found.low = Math.max(middle - half, 0);
    found.high = Math.min(middle + half, 1);
  }
  return found;
}
