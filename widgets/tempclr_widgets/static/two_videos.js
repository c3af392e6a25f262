// The right video of a paragraph and another one, side by side: their costs, and what adds to the two scores.

import { panel } from "./controls.js";
import { heatMap, whitePath } from "./heat_map.js";
import { clamp, floats, limits, unpacked, written } from "./numbers.js";
import { totalOf } from "./scores.js";
import { element, label, oncePerFrame } from "./view.js";

const TITLES = ["Right video", "Other video"];
const MISSING = {
  page: "This page does not hold the costs of this pair: it keeps those of the paragraphs that were answered worst.",
  kernel: "The costs of this pair come from Python. If it does not answer, run the cell again.",
};

/** Makes the comparison. Returns { boxes, draw(), forget() }; `forget` clears what was said of a cell. */
export function comparisonOf(view) {
  const parts = {
    ...view,
    facts: ["right", "other"].map((name) => element("span", { class: "tc-soft", "data-panel": name })),
    places: [element("div"), element("div")],
    table: element("table"),
    words: element("p", { class: "tr-found tc-soft" }),
    missing: element("p", { class: "tc-problem", hidden: true }),
    maps: [],
    shape: "",
    costs: [],
  };
  const { facts, places, table, words, missing } = parts;
  parts.panels = element("div", { class: "tr-panels" }, ...TITLES.map((name, k) => panel(name, [facts[k]], places[k])));
  const scroll = element("div", { class: "tr-scroll" }, table);
  const draw = oncePerFrame(() => drawPair(parts));
  return { boxes: [missing, parts.panels, words, scroll], draw, forget: () => (words.textContent = "") };
}

/** Returns the costs of the paragraph with a video as { n, m, cost }; null if they are not here. */
function costOf({ model, sentences, query }, video) {
  const kept = model.get("_costs")[String(query())], place = kept ? kept.videos.indexOf(video) : -1;
  if (place < 0) return null;
  const n = sentences[query()].length, m = kept.clips[place], all = floats(unpacked(kept.costs));
  const from = kept.clips.slice(0, place).reduce((total, clips) => total + n * clips, 0);
  return { n, m, cost: all.subarray(from, from + n * m) };
}

function drawPair(parts) {
  const { model, names, query, rival, ranked, rightScore, scored } = parts, pair = [query(), rival()];
  const costs = pair.map((video) => costOf(parts, video)), known = costs.every((each) => each !== null);
  parts.missing.hidden = known || pair[1] < 0;
  parts.missing.textContent = model.baked ? MISSING.page : MISSING.kernel;
  parts.panels.hidden = parts.table.hidden = !known;
  if (!known) return;
  parts.costs = costs;
  const found = costs.map(scored);
  drawMaps(parts, found);
  const kept = ranked().find((each) => each.video === pair[1])?.score ?? NaN;
  const scores = [rightScore(), kept].map((score, k) => (Number.isNaN(score) ? totalOf(found[k]) : score));
  parts.facts.forEach((fact, k) => (fact.textContent = `${names[pair[k]]} · score ${written(scores[k])}`));
  parts.table.replaceChildren(tableHead(), tableBody(parts, found), tableFoot(scores));
}

function drawMaps(parts, found) {
  const { root, costs, places } = parts, [low, high] = limits([...costs[0].cost, ...costs[1].cost]);
  const shape = costs.map(({ n, m }) => `${n} ${m}`).join();
  if (parts.shape !== shape) {
    parts.shape = shape;
    parts.maps.forEach((map) => map.end());
    const wide = Math.max(...costs.map(({ m }) => m));
    parts.maps = costs.map(({ n, m }, k) =>
      heatMap(root, {
        name: TITLES[k],
        n,
        m,
        height: (width) => clamp((width * n) / wide, Math.min(120, n * 30), 300),
        cursor: (i, j, kind) => visit(parts, k, i, j, kind),
        brush: () => visit(parts, k),
      })
    );
    parts.maps.forEach((map, k) => places[k].replaceChildren(map.box));
  }
  parts.maps.forEach((map, k) => {
    const { path, picked } = found[k], paths = [path, ...picked.map((cell) => [cell])].flatMap(whitePath);
    map.show({ layers: [{ values: costs[k].cost, low, high }], paths, cursor: null });
  });
}

/** Says what is known of a cell of one of the videos; without a cell, nothing. */
function visit({ root, maps, costs, words }, k, i, j, kind) {
  maps.forEach((map, other) => map.show({ cursor: other === k && i !== undefined ? [i, j] : null }));
  const { m, cost } = costs[k], name = TITLES[k].toLowerCase();
  const said = () => `${name}, sentence ${i}, clip ${j}: cost ${written(cost[i * m + j])}`;
  words.textContent = i === undefined ? "" : said();
  if (kind === "key") root.say(words.textContent);
}

// ---- the table

const cell = (text, attributes = {}) => element("td", attributes, text);

function tableHead() {
  const names = ["what adds to the score", "right", "other", "right − other", ""];
  return element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name))));
}

function tableBody({ sentences, query }, found) {
  if (!found.every(({ shares }) => shares)) {
    const why = "Mean-pool compares the means of all steps: no sentence has a share of its own.";
    return element("tbody", {}, element("tr", {}, cell(why, { colspan: 5 })));
  }
  const [right, other] = found;
  const lines = sentences[query()].map((text, i) => [label(text || "(empty)"), right.shares[i], other.shares[i]]);
  if (right.rest || other.rest) lines.push(["smoothing: many alignments instead of one", right.rest, other.rest]);
  const most = lines.reduce((top, [, a, b]) => Math.max(top, Math.abs(a - b)), 1e-9);
  return element("tbody", {}, ...lines.map(([name, a, b]) => tableRow(name, a, b, most)));
}

function tableRow(name, a, b, most) {
  const share = (50 * Math.abs(a - b)) / most, left = a >= b ? 50 : 50 - share;
  const colour = a >= b ? "--tint" : "--accent";
  const bar = element("i", { ".style": `width: ${share}%; left: ${left}%; background: var(${colour})` });
  const shown = element("td", { class: "tr-bar", "aria-hidden": "true" }, bar);
  return element("tr", {}, cell(name), cell(written(a)), cell(written(b)), cell(signed(a - b)), shown);
}

function tableFoot([right, other]) {
  const winner = right > other ? "the right one wins" : right < other ? "the other one wins" : "a tie";
  const difference = cell(signed(right - other), { "data-difference": true });
  const cells = [cell("score"), cell(written(right)), cell(written(other)), difference, cell(winner)];
  return element("tfoot", {}, element("tr", {}, ...cells));
}

/** Returns a difference as text with its sign. */
const signed = (value) => `${value > 0 ? "+" : ""}${written(value)}`;
