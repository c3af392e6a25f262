// Alignments of one cost matrix: answered by the kernel, or computed in the page where no kernel answers.

import { align, OPTIONS } from "./align.js";
import { floats, ints } from "./numbers.js";
import { oncePerFrame } from "./view.js";

const PATIENCE = 1200; // ms to wait for the kernel's answer before the page computes its own

/**
 * Keeps the alignments that the explorer's model asks for; `told(source)` is called when they are known. Returns
 *   of(name)     an answer: { value, hard, alignment, path } as of `align`, and
 *                  mass         sum of the alignment
 *                  first, last  first and last clip of each sentence on the path; -1 for none
 *                  row          first sentence of each clip on the path; -1 for none
 *   recompute()  the costs are to be aligned with the model's settings
 *   hear(message, buffers)  take the kernel's answer
 */
export function answersOf(root, model, { cost, n, m, told }) {
  const known = {}; // answers by name
  const hardOnes = {}; // hard alignments computed here, by name, with the settings that they depend on
  let patience = 0, asked = false;

  const compute = oncePerFrame(() => {
    for (const name of model.get("alignments")) known[name] = completed(alignedHere(model, cost, n, m, name, hardOnes));
    told("aligned in this page");
  });

  /** The kernel answers to changes by itself once it knows of them; only the first answer is asked for. */
  function recompute() {
    clearTimeout(patience);
    if (model.baked) return compute();
    try {
      if (!asked) model.send({ ask: model.get("alignments") });
      asked = true;
    } catch {
      return compute(); // no kernel
    }
    patience = setTimeout(compute, PATIENCE);
  }

  function hear(message, buffers) {
    if (!message.answers) return;
    clearTimeout(patience);
    message.answers.forEach(({ name, value, hard }, k) => {
      const alignment = floats(buffers[2 * k]), cells = ints(buffers[2 * k + 1]);
      const path = Array.from({ length: cells.length / 2 }, (_, at) => [cells[2 * at], cells[2 * at + 1]]);
      known[name] = completed({ value: value ?? Infinity, hard: hard ?? Infinity, path, alignment });
    });
    told("aligned by the kernel");
  }

  /** Adds values to an answer that the parts of the view need often. */
  function completed(found) {
    let mass = 0;
    for (const weight of found.alignment) mass += weight;
    const first = new Int32Array(n).fill(-1), last = new Int32Array(n).fill(-1), row = new Int32Array(m).fill(-1);
    for (const [i, j] of found.path) {
      if (first[i] < 0) first[i] = j;
      last[i] = j;
      if (row[j] < 0) row[j] = i;
    }
    return { ...found, mass, first, last, row };
  }

  root.onEnd(() => clearTimeout(patience));
  return { of: (name) => known[name], recompute, hear };
}

/** Returns an alignment computed here; the hard one, which does not depend on gamma, is computed once. */
function alignedHere(model, cost, n, m, name, hardOnes) {
  const [gamma, band, drop, drops] = ["gamma", "band", "drop_cost", "drops"].map((key) => model.get(key));
  const options = {
    gamma,
    band: band < 0 ? null : band,
    dropX: drops.includes("x") ? drop : null,
    dropY: drops.includes("y") ? drop : null,
  };
  const key = JSON.stringify(name === "dtw" ? band : name === "drop_dtw" ? [drop, drops] : 0);
  const kept = hardOnes[name]?.key === key ? hardOnes[name] : null;
  const found = align(cost, n, m, { ...OPTIONS[name](options), path: !kept });
  hardOnes[name] = kept ?? { key, hard: found.hard, path: found.path };
  return { ...found, hard: hardOnes[name].hard, path: hardOnes[name].path };
}
