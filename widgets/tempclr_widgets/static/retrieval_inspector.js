// One paragraph and the videos that were ranked for it: why the first one beat the right one.

import { align } from "./align.js";
import { buttons, bytesOf, clamp, element, floats, keep, label, limits, mount, on, oncePerFrame, written } from "./view.js";
import { heatMap } from "./heat_map.js";

const MEASURES = ["mean-pool", "Cap.Avg.", "DTW", "soft-DTW"];
const HINTS = {
  "mean-pool": "cosine of the mean sentence and the mean clip: order does not count", "Cap.Avg.": "mean over sentences of the most similar clip: order does not count",
  DTW: "minus the cost of the cheapest alignment, by sentences and clips", "soft-DTW": "minus the soft minimum over alignments, by sentences and clips",
};
const LISTED = 400; // paragraphs in the list at most; a search narrows it

const STYLE = `
.tr { display: grid; gap: 14px; }
.tr-main { display: grid; grid-template-columns: minmax(200px, 290px) minmax(0, 1fr); gap: 20px; align-items: start; }
.tr-side { display: grid; gap: 8px; } .tr-side input[type=search] { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 6px; padding: 4px 8px; width: 100%; }
.tr-side label { font-size: 12px; display: flex; gap: 6px; align-items: center; }
.tr-list { overflow-y: auto; border: 1px solid var(--line); border-radius: 6px; overscroll-behavior: contain; } .tr-queries { max-height: 420px; }
.tr-row { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 10px; padding: 4px 10px; cursor: pointer; border-bottom: 1px solid color-mix(in srgb, var(--line) 55%, transparent); }
.tr-row bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .tr-row small { grid-column: 1 / -1; color: var(--soft); font-size: 11px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tr-row[aria-selected=true] { background: var(--wash); box-shadow: inset 4px 0 var(--accent); } .tr-good { color: var(--soft); } .tr-bad { color: var(--accent); font-weight: 600; }
.tr-ranked { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 6px; border: 0; }
.tr-video { border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px; cursor: pointer; display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 8px; } .tr-video bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tr-video[aria-selected=true] { border-color: var(--accent); background: var(--wash); } .tr-video[data-right] { border-color: var(--tint); cursor: default; } .tr-video small { grid-column: 1 / -1; color: var(--soft); font-size: 11px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .tr-video[data-right] small { color: var(--tint); font-weight: 600; }
.tr-panels { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px 20px; } .tr-name { display: flex; flex-wrap: wrap; gap: 0 10px; padding-inline-start: 38px; margin-bottom: 4px; overflow-wrap: anywhere; }
.tr table { border-collapse: collapse; width: 100%; font-size: 12px; } .tr th { font-weight: 500; color: var(--soft); text-align: end; padding: 3px 8px; border-bottom: 1px solid var(--line); } .tr th:first-child, .tr td:first-child { text-align: start; } .tr td:first-child { overflow-wrap: anywhere; min-width: 120px; } .tr h4 { overflow-wrap: anywhere; }
.tr td { text-align: end; padding: 3px 8px; border-bottom: 1px solid color-mix(in srgb, var(--line) 55%, transparent); } .tr tfoot td { font-weight: 600; border-bottom: 0; }
.tr-bar { position: relative; width: 30%; min-width: 90px; } .tr-bar i { position: absolute; top: 5px; height: 10px; border-radius: 2px; } .tr-bar::before { content: ""; position: absolute; left: 50%; top: 0; bottom: 0; border-inline-start: 1px solid var(--line); }
.tr-scroll { overflow-x: auto; } .tr-right { display: grid; gap: 14px; min-width: 0; } .tr .tr-found { font-size: 12px; min-height: 1.45em; }
@container (max-width: 640px) { .tr-main, .tr-panels { grid-template-columns: minmax(0, 1fr); } .tr-queries { max-height: 220px; } .tr-name { padding-inline-start: 0; } }
`;

function render({ model, el }) {
  const root = mount(el, STYLE);
  const names = model.get("names"), sentences = model.get("sentences"), count = names.length;
  let ranks, rightScores, firstScores, first, top;
  const searched = names.map((name, q) => [name, ...sentences[q]].join("\n").toLowerCase());
  let maps = [], drawn = "", listed = [], parts = null;

  const at = () => MEASURES.indexOf(model.get("measure")), query = () => model.get("query");
  const rankOf = (q, k = at()) => ranks[k * count + q];
  const ranked = (k = at()) => Array.from({ length: top }, (_, place) => ({ video: first[(k * count + query()) * top + place], score: firstScores[(k * count + query()) * top + place] }));
  const rival = () => (model.get("rival") >= 0 ? model.get("rival") : (ranked().find(({ video }) => video !== query()) ?? { video: -1 }).video);

  // ---- parts

  const measures = buttons({ name: "measure", options: MEASURES.map((name) => [name, name, HINTS[name]]), change: (value) => keep(model, { measure: value, rival: -1 }) });
  const search = element("input", { type: "search", placeholder: "Find paragraphs", "aria-label": "find paragraphs by their text", value: model.get("search") });
  search.addEventListener("input", () => keep(model, { search: search.value }));
  const wrong = element("input", { type: "checkbox" });
  wrong.addEventListener("change", () => keep(model, { wrong_only: wrong.checked }));
  const queries = element("div", { class: "tr-list tr-queries", role: "listbox", tabindex: 0, "aria-label": "paragraphs. Arrow keys choose one." });
  const summary = element("p", { class: "tc-soft", ".style": "font-size: 12px" });
  const side = element("div", { class: "tr-side" }, search, element("label", {}, wrong, "only those that missed their video"), queries, summary);
  const heading = element("div");
  const videos = element("div", { class: "tr-ranked", role: "listbox", tabindex: 0, "aria-label": "ranked videos. Arrow keys choose one to compare." });
  const values = [element("span", { class: "tc-soft", "data-panel": "right" }), element("span", { class: "tc-soft", "data-panel": "other" })];
  const titles = [element("strong", {}, "Right video"), element("strong", {}, "Other video")], places = [element("div"), element("div")];
  const panels = element("div", { class: "tr-panels" }, ...[0, 1].map((k) => element("section", { "aria-label": ["right video", "other video"][k] }, element("div", { class: "tr-name" }, titles[k], values[k]), places[k])));
  const table = element("table"), words = element("p", { class: "tr-found tc-soft" }), missing = element("p", { class: "tc-problem", hidden: true });
  root.append(element("div", { class: "tr" }, element("div", { class: "tc-bar" }, measures.box), element("div", { class: "tr-main" }, side, element("div", { class: "tr-right" }, heading, videos, missing, panels, words, element("div", { class: "tr-scroll" }, table)))));

  function readRanks() {
    const bytes = model.get("_first");
    [ranks, rightScores, firstScores] = ["_ranks", "_right_scores", "_first_scores"].map((name) => floats(model.get(name)));
    first = new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    top = first.length / (MEASURES.length * count);
  }

  // ---- lists

  function drawQueries() {
    const text = model.get("search").trim().toLowerCase(), only = model.get("wrong_only");
    if (search.value !== model.get("search")) search.value = model.get("search");
    wrong.checked = only;
    const all = names.map((_, q) => q).filter((q) => (!only || rankOf(q) > 1) && (!text || searched[q].includes(text)));
    listed = all.slice(0, LISTED);
    queries.replaceChildren(...listed.map((q) => {
      const rank = rankOf(q), good = rank <= 1;
      const row = element("div", { class: "tr-row", role: "option", id: `${root.id}-q${q}`, "data-query": q, "aria-selected": String(q === query()) }, label(names[q]), element("span", { class: good ? "tr-good" : "tr-bad" }, `rank ${rankText(rank)}`), element("small", {}, ...sentences[q].flatMap((text, k) => [k ? " · " : "", label(text)])));
      row.addEventListener("click", () => keep(model, { query: q, rival: -1 }));
      return row;
    }));
    if (listed.includes(query())) queries.setAttribute("aria-activedescendant", `${root.id}-q${query()}`);
    else queries.removeAttribute("aria-activedescendant");
    let hits = 0;
    for (let q = 0; q < count; q++) hits += rankOf(q) <= 1;
    summary.textContent = `${all.length === count ? count : `${all.length} of ${count}`} paragraphs${all.length > LISTED ? `, the first ${LISTED} listed` : ""}. By ${model.get("measure")}, ${hits} of ${count} find their video first.`;
  }

  function drawVideos() {
    const own = query(), list = ranked(), inside = list.some(({ video }) => video === own);
    const shown = inside ? list : [...list, { video: own, score: rightScores[at() * count + own] }];
    videos.replaceChildren(...shown.map(({ video, score }, place) => {
      const right = video === own;
      const card = element("div", { class: "tr-video", role: "option", id: `${root.id}-v${video}`, "data-video": video, "data-right": right, "aria-disabled": right || null, "aria-selected": String(video === rival()) }, label(`${right ? rankText(rankOf(own)) : place + 1}. ${names[video]}`), element("span", {}, written(score)), element("small", {}, right ? "right" : sentences[video].length ? label(sentences[video][0]) : ""));
      if (!right) card.addEventListener("click", () => keep(model, { rival: video }));
      return card;
    }));
    videos.setAttribute("aria-activedescendant", `${root.id}-v${rival()}`);
    heading.replaceChildren(element("h4", {}, label(names[own])), element("p", { class: "tc-soft" }, ...MEASURES.flatMap((name, k) => [k ? " · " : "rank of the right video: ", element("span", { "data-rank": name, class: rankOf(own, k) > 1 ? "tr-bad" : "tr-good" }, `${name} ${rankText(rankOf(own, k))}`)])));
  }

  const byKeys = (box, choices, now, choose) => box.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key], all = choices();
    if (by === undefined || !all.length) return;
    event.preventDefault();
    choose(all[clamp(all.indexOf(now()) + by, 0, all.length - 1)]);
    box.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  });
  byKeys(queries, () => listed, query, (q) => keep(model, { query: q, rival: -1 }));
  byKeys(videos, () => ranked().map(({ video }) => video).filter((video) => video !== query()), rival, (video) => keep(model, { rival: video }));

  // ---- both videos

  /** Costs of the paragraph with a video; null if they are not here. */
  function costOf(video) {
    const kept = model.get("_costs")[String(query())], place = kept ? kept.videos.indexOf(video) : -1;
    if (place < 0) return null;
    const n = sentences[query()].length, all = floats(kept.costs.base64 === undefined ? kept.costs : bytesOf(kept.costs.base64));
    const from = kept.clips.slice(0, place).reduce((sum, m) => sum + n * m, 0), m = kept.clips[place];
    return { n, m, cost: all.subarray(from, from + n * m) };
  }

  /** The score of a video by the measure, its alignment, and what each sentence contributes to the score. */
  function scored({ n, m, cost }) {
    const kind = model.get("measure"), shares = new Float64Array(n), size = n + m;
    if (kind === "mean-pool") return { path: [], shares: null, weights: null };
    if (kind === "Cap.Avg.") {
      const path = [];
      for (let i = 0; i < n; i++) {
        let best = 0;
        for (let j = 1; j < m; j++) if (cost[i * m + j] < cost[i * m + best]) best = j;
        shares[i] = (1 - cost[i * m + best]) / n;
        path.push([i, best]);
      }
      return { path: [], picked: path, shares };
    }
    const found = align(cost, n, m, { gamma: kind === "DTW" ? 0 : model.get("gamma") });
    let sum = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) shares[i] -= (found.alignment[i * m + j] * cost[i * m + j]) / size;
    for (const share of shares) sum += share;
    return { path: found.path, shares, rest: kind === "DTW" ? 0 : -found.value / size - sum };
  }

  const drawPair = oncePerFrame(() => {
    const pairs = [query(), rival()], costs = pairs.map(costOf);
    const known = costs.every((each) => each !== null);
    missing.hidden = known || pairs[1] < 0;
    missing.textContent = model.baked ? "This page does not hold the costs of this pair: it keeps those of the paragraphs that were answered worst." : "The costs of this pair come from Python: run the cell again if it does not answer.";
    panels.hidden = table.hidden = !known;
    if (!known) return;
    const found = costs.map(scored), [low, high] = limits([...costs[0].cost, ...costs[1].cost]);
    const shape = costs.map(({ n, m }) => `${n} ${m}`).join();
    if (drawn !== shape) {
      drawn = shape;
      maps.forEach((map) => map.end());
      const wide = Math.max(...costs.map(({ m }) => m));
      maps = costs.map(({ n, m }, k) => heatMap(root, { name: ["Right video", "Other video"][k], n, m, height: (width) => clamp((width * n) / wide, Math.min(120, n * 30), 300), cursor: (i, j, kind) => visit(k, i, j, kind), brush: () => visit(k) }));
      maps.forEach((map, k) => places[k].replaceChildren(map.box));
    }
    maps.forEach((map, k) => map.show({ layers: [{ values: costs[k].cost, low, high }], paths: [{ cells: found[k].path, colour: "#ffffff", shift: 0 }, ...(found[k].picked ?? []).map((cell) => ({ cells: [cell], colour: "#ffffff", shift: 0 }))], cursor: null }));
    parts = { costs };
    const scores = pairs.map((video, k) => (k === 0 ? rightScores[at() * count + video] : (ranked().find((each) => each.video === video)?.score ?? NaN)));
    const computed = found.map(({ shares, rest }) => (shares ? shares.reduce((a, b) => a + b, 0) + (rest ?? 0) : NaN));
    values.forEach((value, k) => (value.textContent = `${names[pairs[k]]} · score ${written(Number.isNaN(scores[k]) ? computed[k] : scores[k])}`));
    drawTable(found, scores.map((score, k) => (Number.isNaN(score) ? computed[k] : score)));
  });

  function drawTable(found, scores) {
    const cell = (text, attributes = {}) => element("td", attributes, text);
    const head = element("thead", {}, element("tr", {}, ...["what adds to the score", "right", "other", "right − other", ""].map((text) => element("th", { scope: "col" }, text))));
    const rows = [];
    if (found.every(({ shares }) => shares)) {
      const lines = sentences[query()].map((text, i) => [label(text || "(empty)"), found[0].shares[i], found[1].shares[i]]);
      if (found.some(({ rest }) => rest)) lines.push(["smoothing: many alignments instead of one", found[0].rest, found[1].rest]);
      const most = Math.max(...lines.map(([, a, b]) => Math.abs(a - b)), 1e-9);
      for (const [name, a, b] of lines) {
        const share = (50 * Math.abs(a - b)) / most, bar = element("i", { ".style": `width: ${share}%; left: ${a >= b ? 50 : 50 - share}%; background: var(${a >= b ? "--tint" : "--accent"})` });
        rows.push(element("tr", {}, element("td", {}, name), cell(written(a)), cell(written(b)), cell(signed(a - b)), element("td", { class: "tr-bar", "aria-hidden": "true" }, bar)));
      }
    } else rows.push(element("tr", {}, cell("Mean-pool compares the mean of all steps: no sentence has a share of its own.", { colspan: 5 })));
    const foot = element("tfoot", {}, element("tr", {}, cell("score"), cell(written(scores[0])), cell(written(scores[1])), cell(signed(scores[0] - scores[1]), { "data-difference": true }), cell(scores[0] > scores[1] ? "the right one wins" : scores[0] < scores[1] ? "the other one wins" : "a tie")));
    table.replaceChildren(head, element("tbody", {}, ...rows), foot);
  }

  function visit(k, i, j, kind) {
    maps.forEach((map, other) => map.show({ cursor: other === k && i !== undefined ? [i, j] : null }));
    const { m, cost } = parts.costs[k];
    words.textContent = i === undefined ? "" : `${["right", "other"][k]} video, sentence ${i}, clip ${j}: cost ${written(cost[i * m + j])}`;
    if (kind === "key") root.say(words.textContent);
  }

  const drawAll = oncePerFrame(() => {
    measures.set(model.get("measure"));
    readRanks();
    words.textContent = "";
    drawQueries();
    drawVideos();
    drawPair();
  });
  on(root, model, { "change:measure change:query change:rival change:search change:wrong_only change:gamma change:_first_scores change:_costs": drawAll });
  root.onTheme(drawPair);
  drawAll();
  return root.dispose;
}

/** A rank; ties make halves of it. */
function rankText(rank) {
  return Number.isInteger(rank) ? String(rank) : rank.toFixed(1);
}

/** A difference with its sign. */
function signed(value) {
  return `${value > 0 ? "+" : ""}${written(value)}`;
}

export default { render };
