// The contributions to the score of a video for a paragraph, as in `tempclr.tasks.retrieval`.

import { align } from "./align.js";
import { sum } from "./numbers.js";

/**
 * Returns, for costs { n, m, cost } and how a sentence contributes to a score ("none", "best clip", "path", "alignment"),
 *   shares  what each sentence contributes; null where no sentence has a share of its own
 *   rest    remainder of the score
 *   path    cells of the alignment
 *   picked  cells that belong together without being a path
 */
export function scoreOf({ n, m, cost }, contribution, gamma) {
  if (contribution === "none") return { path: [], picked: [], shares: null, rest: 0 };
  const shares = new Float64Array(n), size = n + m;
  if (contribution === "best clip") {
    const picked = [];
    for (let i = 0; i < n; i++) {
      let best = 0;
      for (let j = 1; j < m; j++) if (cost[i * m + j] < cost[i * m + best]) best = j;
      shares[i] = (1 - cost[i * m + best]) / n;
      picked.push([i, best]);
    }
    return { path: [], picked, shares, rest: 0 };
  }
  const hard = contribution === "path", found = align(cost, n, m, { gamma: hard ? 0 : gamma });
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) shares[i] -= (found.alignment[i * m + j] * cost[i * m + j]) / size;
  }
  return { path: found.path, picked: [], shares, rest: hard ? 0 : -found.value / size - sum(shares) };
}

/** Returns a score computed from what adds to it; NaN where that is not known. */
export const totalOf = ({ shares, rest }) => (shares ? sum(shares) + rest : NaN);
