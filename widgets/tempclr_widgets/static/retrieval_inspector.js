// One paragraph and the videos that were ranked for it: why the first one beat the right one.

import { buttons, chooseByKeys } from "./controls.js";
import { floats, ints, written } from "./numbers.js";
import { scoreOf } from "./scores.js";
import { comparisonOf } from "./two_videos.js";
import { element, keep, label, mount, on, oncePerFrame } from "./view.js";

const LISTED = 400; // paragraphs in the list at most; a search narrows it

const STYLE = `
.tr { display: grid; gap: 14px; }
.tr-main {
  display: grid; grid-template-columns: minmax(200px, 290px) minmax(0, 1fr); gap: 20px; align-items: start;
}
.tr-side { display: grid; gap: 8px; }
.tr-side input[type=search] {
  font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 6px;
  padding: 4px 8px; width: 100%;
}
.tr-side label { font-size: 12px; display: flex; gap: 6px; align-items: center; }
.tr-list { overflow-y: auto; border: 1px solid var(--line); border-radius: 6px; overscroll-behavior: contain; }
.tr-queries { max-height: 420px; }
.tr-row, .tr-video { display: grid; grid-template-columns: minmax(0, 1fr) auto; padding: 4px 10px; cursor: pointer; }
.tr-row { gap: 0 10px; border-bottom: 1px solid var(--faint); }
.tr-row small, .tr-video small { grid-column: 1 / -1; color: var(--soft); font-size: 11px; }
.tr-row[aria-selected=true] { background: var(--wash); box-shadow: inset 4px 0 var(--accent); }
.tr-good { color: var(--soft); }
.tr-bad { color: var(--accent); font-weight: 600; }
.tr-ranked { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 6px; border: 0; }
.tr-video { gap: 0 8px; border: 1px solid var(--line); border-radius: 6px; }
.tr-video[aria-selected=true] { border-color: var(--accent); background: var(--wash); }
.tr-video[data-right] { border-color: var(--tint); cursor: default; }
.tr-video[data-right] small { color: var(--tint); font-weight: 600; }
.tr-panels { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px 20px; }
.tr table { border-collapse: collapse; width: 100%; font-size: 12px; }
.tr th, .tr td { text-align: end; padding: 3px 8px; }
.tr th { font-weight: 500; color: var(--soft); border-bottom: 1px solid var(--line); }
.tr td { border-bottom: 1px solid var(--faint); }
.tr th:first-child, .tr td:first-child { text-align: start; }
.tr td:first-child { overflow-wrap: anywhere; min-width: 120px; }
.tr h4 { overflow-wrap: anywhere; }
.tr tfoot td { font-weight: 600; border-bottom: 0; }
.tr-bar { position: relative; width: 30%; min-width: 90px; }
.tr-bar i { position: absolute; top: 5px; height: 10px; border-radius: 2px; }
.tr-bar::before {
  content: ""; position: absolute; left: 50%; top: 0; bottom: 0; border-inline-start: 1px solid var(--line);
}
.tr-scroll { overflow-x: auto; }
.tr-right { display: grid; gap: 14px; min-width: 0; }
.tr .tr-found { font-size: 12px; min-height: 1.45em; }
@container (max-width: 640px) {
  .tr-main, .tr-panels { grid-template-columns: minmax(0, 1fr); }
  .tr-queries { max-height: 220px; }
}
`;

function render({ model, el }) {
  const root = mount(el, STYLE);
  const view = viewOf(root, model), { names, sentences } = view;
  view.searched = names.map((name, q) => [name, ...sentences[q]].join("\n").toLowerCase());
  view.listed = [];

  const options = view.choices.map(([name, , hint]) => [name, name, hint]);
  const scores = buttons({ name: "score", options, change: (value) => keep(model, { score: value, rival: -1 }) });
  const side = sideOf(view), compared = comparisonOf(view);
  view.heading = element("div");
  view.videos = element("div", {
    class: "tr-ranked",
    role: "listbox",
    tabindex: 0,
    "aria-label": "ranked videos. Arrow keys choose one to compare.",
  });
  chooseByKeys(view.videos, {
    choices: () => view.ranked().map(({ video }) => video).filter((video) => video !== view.query()),
    now: view.rival,
    choose: (video) => keep(model, { rival: video }),
  });
  const right = element("div", { class: "tr-right" }, view.heading, view.videos, ...compared.boxes);
  const bar = element("div", { class: "tc-bar" }, scores.box);
  root.append(element("div", { class: "tr" }, bar, element("div", { class: "tr-main" }, side, right)));

  const draw = oncePerFrame(() => {
    scores.set(model.get("score"));
    view.read();
    compared.forget();
    drawQueries(view);
    drawVideos(view);
    drawHeading(view);
    compared.draw();
  });
  const settings = ["score", "query", "rival", "search", "wrong_only", "gamma", "_first_scores", "_costs"];
  on(root, model, { [settings.map((each) => `change:${each}`).join(" ")]: draw });
  root.onTheme(compared.draw);
  draw();
  return root.dispose;
}

/** Returns what the model says of the retrieval: names, ranks and scores. */
function viewOf(root, model) {
  const names = model.get("names"), sentences = model.get("sentences"), choices = model.get("_choices");
  const view = { root, model, names, sentences, choices, count: names.length };
  let ranks, rightScores, firstScores, first, top;
  view.read = () => {
    [ranks, rightScores, firstScores] = ["_ranks", "_right_scores", "_first_scores"]
      .map((name) => floats(model.get(name)));
    first = ints(model.get("_first"));
    top = first.length / (choices.length * view.count);
  };
  const row = (q, k) => k * view.count + q;
  view.at = () => choices.findIndex(([name]) => name === model.get("score"));
  view.query = () => model.get("query");
  view.rankOf = (q, k = view.at()) => ranks[row(q, k)];
  view.rightScore = () => rightScores[row(view.query(), view.at())];
  view.ranked = () => {
    const start = row(view.query(), view.at()) * top;
    return Array.from({ length: top }, (_, k) => ({ video: first[start + k], score: firstScores[start + k] }));
  };
  view.rival = () => {
    if (model.get("rival") >= 0) return model.get("rival");
    return (view.ranked().find(({ video }) => video !== view.query()) ?? { video: -1 }).video;
  };
  view.scored = (pair) => scoreOf(pair, choices[view.at()][1], model.get("gamma"));
  return view;
}

// ---- the paragraphs

/** Returns the side with the list of paragraphs and its search. */
function sideOf(view) {
  const { model } = view, find = "find paragraphs by their text";
  const text = { type: "search", placeholder: "Find paragraphs", "aria-label": find, value: model.get("search") };
  view.search = element("input", text);
  view.search.addEventListener("input", () => keep(model, { search: view.search.value }));
  view.wrong = element("input", { type: "checkbox" });
  view.wrong.addEventListener("change", () => keep(model, { wrong_only: view.wrong.checked }));
  view.queries = element("div", {
    class: "tr-list tr-queries",
    role: "listbox",
    tabindex: 0,
    "aria-label": "paragraphs. Arrow keys choose one.",
  });
  view.choose = (q) => keep(model, { query: q, rival: -1 });
  chooseByKeys(view.queries, { choices: () => view.listed, now: view.query, choose: view.choose });
  view.summary = element("p", { class: "tc-soft", ".style": "font-size: 12px" });
  const wrong = element("label", {}, view.wrong, "only those that missed their video");
  return element("div", { class: "tr-side" }, view.search, wrong, view.queries, view.summary);
}

function drawQueries(view) {
  const { root, model, names, searched, search, wrong, queries, count } = view;
  const text = model.get("search").trim().toLowerCase(), only = model.get("wrong_only");
  if (search.value !== model.get("search")) search.value = model.get("search");
  wrong.checked = only;
  const wanted = (q) => (!only || view.rankOf(q) > 1) && (!text || searched[q].includes(text));
  const all = names.map((_, q) => q).filter(wanted);
  view.listed = all.slice(0, LISTED);
  queries.replaceChildren(...view.listed.map((q) => queryRow(view, q)));
  if (view.listed.includes(view.query())) {
    queries.setAttribute("aria-activedescendant", `${root.id}-q${view.query()}`);
  } else queries.removeAttribute("aria-activedescendant");
  let hits = 0;
  for (let q = 0; q < count; q++) hits += view.rankOf(q) <= 1;
  const shown = all.length === count ? count : `${all.length} of ${count}`;
  const listed = all.length > LISTED ? `, the first ${LISTED} listed` : "";
  const found = `By ${model.get("score")}, ${hits} of ${count} find their video first.`;
  view.summary.textContent = `${shown} paragraphs${listed}. ${found}`;
}

function queryRow(view, q) {
  const rank = view.rankOf(q), texts = view.sentences[q].flatMap((text, k) => [k ? " · " : "", label(text)]);
  const attributes = { role: "option", id: `${view.root.id}-q${q}`, "aria-selected": String(q === view.query()) };
  const row = element(
    "div",
    { class: "tr-row", "data-query": q, ...attributes },
    label(view.names[q], { class: "tc-cut" }),
    element("span", { class: classOf(rank) }, `rank ${rankText(rank)}`),
    element("small", { class: "tc-cut" }, ...texts),
  );
  row.addEventListener("click", () => view.choose(q));
  return row;
}

// ---- the videos of one paragraph

function drawVideos(view) {
  const own = view.query(), list = view.ranked(), inside = list.some(({ video }) => video === own);
  const shown = inside ? list : [...list, { video: own, score: view.rightScore() }];
  view.videos.replaceChildren(...shown.map((each, place) => videoCard(view, each, place)));
  view.videos.setAttribute("aria-activedescendant", `${view.root.id}-v${view.rival()}`);
}

function videoCard({ root, model, names, sentences, query, rival, rankOf }, { video, score }, place) {
  const right = video === query(), [first] = sentences[video];
  const card = element(
    "div",
    {
      class: "tr-video",
      role: "option",
      id: `${root.id}-v${video}`,
      "data-video": video,
      "data-right": right,
      "aria-disabled": right || null,
      "aria-selected": String(video === rival()),
    },
    label(`${right ? rankText(rankOf(video)) : place + 1}. ${names[video]}`, { class: "tc-cut" }),
    element("span", {}, written(score)),
    element("small", { class: "tc-cut" }, right ? "right" : first === undefined ? "" : label(first)),
  );
  if (!right) card.addEventListener("click", () => keep(model, { rival: video }));
  return card;
}

function drawHeading({ heading, names, choices, query, rankOf }) {
  const ranks = choices.flatMap(([name], k) => {
    const rank = rankOf(query(), k), text = `${name} ${rankText(rank)}`;
    const before = k ? " · " : "rank of the right video: ";
    return [before, element("span", { "data-rank": name, class: classOf(rank) }, text)];
  });
  heading.replaceChildren(
    element("h4", {}, label(names[query()])),
    element("p", { class: "tc-soft" }, ...ranks),
  );
}

const classOf = (rank) => (rank > 1 ? "tr-bad" : "tr-good");

/** Returns a rank as text; ties make halves of it. */
const rankText = (rank) => (Number.isInteger(rank) ? String(rank) : rank.toFixed(1));

export default { render };
