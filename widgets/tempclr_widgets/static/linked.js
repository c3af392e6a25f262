// What a brush selects on the other axis, the clips of sentences or the sentences of clips, and its description.

import { written } from "./numbers.js";

/**
 * Returns, for a brush and an answer, how much of each step of the other side is aligned with it, as `rows` or
 * `columns`; the brush's share of the alignment, 0 to 1; and the mean cost of what is aligned. Without a brush or an
 * answer the result is empty.
 */
export function linkedTo({ axis, first, last }, answer, { cost, n, m }) {
  if (!axis || !answer) return {};
  const rows = axis === "rows", found = new Float32Array(rows ? m : n);
  let mass = 0, total = 0, cells = 0;
  const [top, bottom, left, right] = rows ? [first, last, 0, m - 1] : [0, n - 1, first, last];
  for (let i = top; i <= bottom; i++) {
    for (let j = left; j <= right; j++) {
      const weight = answer.alignment[i * m + j];
      found[rows ? j : i] += weight;
      mass += weight;
      if (!(weight > 0)) continue;
      total += weight * cost[i * m + j];
      cells += weight;
    }
  }
  const share = answer.mass ? mass / answer.mass : 0;
  return { [rows ? "columns" : "rows"]: found, share, mean: cells ? total / cells : Infinity };
}

/** Returns the steps of the other side that the hard path gives a brush, as text. */
export function pathWords({ axis, first, last }, answer) {
  const other = axis === "rows" ? 1 : 0, own = 1 - other, what = axis === "rows" ? "clip" : "sentence";
  const found = answer.path.filter((cell) => cell[own] >= first && cell[own] <= last).map((cell) => cell[other]);
  if (!found.length) return `no ${what} on the path`;
  const from = found.reduce((a, b) => Math.min(a, b)), to = found.reduce((a, b) => Math.max(a, b));
  return from === to ? `${what} ${from}` : `${what}s ${from}–${to}`;
}

/** Returns a share of the alignment as text. */
export const shareWords = (share) => `${(100 * share).toFixed(1)} % of the alignment`;

/** Returns what a panel says of a brush. */
export function brushWords(brush, answer, { share, mean }) {
  return `${pathWords(brush, answer)}, ${shareWords(share)}, mean cost ${written(mean)}`;
}

/** Returns the area that shows a brush and what is linked to it, with some room around them. */
export function areaOf({ axis, first, last }, linked, { n, m }) {
  const rows = axis === "rows", weights = (rows ? linked.columns : linked.rows) ?? [];
  const lit = [...weights.keys()].filter((k) => weights[k] > 0.05);
  const span = (from, to, steps) => {
    const extra = Math.max(1, (to - from + 1) * 0.15);
    return [Math.max(0, from - extra), Math.min(steps, to + 1 + extra)];
  };
  const own = span(first, last, rows ? n : m), count = rows ? m : n;
  const other = lit.length ? span(lit[0], lit.at(-1), count) : [0, count];
  const [[top, bottom], [left, right]] = rows ? [own, other] : [other, own];
  return { top, bottom, left, right };
}
