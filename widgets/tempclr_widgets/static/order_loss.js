// The order loss of one video: what each order costs, the softmax over them, and the gradient on the costs.

import { align } from "./align.js";
import { sum } from "./numbers.js";

/** Returns costs with their columns, or with `rows` their rows, in an order. */
export function reordered({ cost, n, m }, order, rows) {
  const made = new Float32Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) made[i * m + j] = rows ? cost[order[i] * m + j] : cost[i * m + order[j]];
  }
  return made;
}

/**
 * Returns { values, shares, gradient, loss, path }: the soft-DTW of the true order, first, and of each wrong one;
 * their shares of the softmax; the gradient of the loss on the costs in true order; the loss in nats; and the hard
 * path of the true order. `costs` is { cost, n, m }; with `rows`, sentences change places instead of clips.
 */
export function orderLoss(costs, orders, rows, gamma, temperature) {
  const { cost, n, m } = costs;
  const all = [cost, ...orders.map((order) => reordered(costs, order, rows))];
  const found = all.map((each, k) => align(each, n, m, { gamma, path: k === 0 }));
  const values = found.map(({ value }) => value), least = Math.min(...values);
  const weights = values.map((value) => Math.exp((least - value) / temperature)), total = sum(weights);
  const shares = weights.map((weight) => weight / total), gradient = new Float32Array(n * m);
  found.forEach(({ alignment }, k) => {
    const by = ((k === 0 ? 1 : 0) - shares[k]) / temperature, order = orders[k - 1];
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < m; j++) {
        const row = order && rows ? order[i] : i, column = order && !rows ? order[j] : j;
        gradient[row * m + column] += by * alignment[i * m + j];
      }
    }
  });
  const loss = least === Infinity ? Infinity : (values[0] - least) / temperature + Math.log(total);
  return { values, shares, gradient, loss, path: found[0].path };
}
