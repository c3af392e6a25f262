// One alignment, explored: sentences, clips and costs, linked. The kernel aligns; without one, align.js does.

import { align, KINDS } from "./align.js";
import { SERIES, buttons, clamp, colourOf, element, floats, keep, limits, mount, on, oncePerFrame, slider, written } from "./view.js";
import { heatMap } from "./heat_map.js";
import { sentenceList } from "./sentence_list.js";
import { filmStrip } from "./film_strip.js";

const NAMES = { dtw: "Soft-DTW", otam: "OTAM", drop_dtw: "Drop-DTW", subsequence_dtw: "Subsequence" };
const HINTS = {
  dtw: "all sentences with all clips", otam: "every clip once, sentences may be left out at the ends",
  drop_dtw: "steps may be dropped, at a price", subsequence_dtw: "all sentences with the clips that fit best",
};
const PATIENCE = 1200; // ms after which a kernel that does not answer is not waited for

const STYLE = `
.tx { display: grid; gap: 14px; }
.tx-main { display: grid; grid-template-columns: minmax(190px, 270px) minmax(0, 1fr); gap: 18px; align-items: start; }
.tx-panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); gap: 14px 18px; }
.tx-panel { min-width: 0; } .tx-head { display: flex; flex-wrap: wrap; gap: 0 12px; align-items: baseline; margin-bottom: 4px; padding-inline-start: 38px; }
.tx-dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-inline-end: 6px; }
.tx .tx-found { min-height: 1.45em; padding-inline-start: 38px; font-size: 12px; }
.tx-foot { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; font-size: 12px; color: var(--soft); padding-inline-start: 38px; margin-top: 6px; }
.tx-scale { display: inline-flex; gap: 6px; align-items: center; } .tx-scale canvas { width: 110px; height: 8px; border-radius: 4px; }
.tx-tools { display: inline-flex; gap: 4px; margin-inline-start: auto; } .tx-tools button { padding: 1px 9px; min-height: 24px; font-size: 12px; color: var(--ink); }
@container (max-width: 640px) { .tx-main { grid-template-columns: minmax(0, 1fr); } .tx-head, .tx .tx-found, .tx-foot { padding-inline-start: 0; } .tc-slider { flex-basis: 40%; max-width: none; } }
`;

function render({ model, el }) {
  const root = mount(el, STYLE + sentenceList.style + filmStrip.style);
  const [n, m] = model.get("_shape"), cost = floats(model.get("_cost")), sentences = model.get("sentences");
  const [low, high] = limits(cost);
  const answers = {}; // by kind, as of align
  const hardOnes = {}; // hard alignments computed here, by their options
  let patience = 0, asked = false;

  const settings = () => ({ gamma: model.get("gamma"), band: model.get("band"), drop: model.get("drop_cost"), drops: model.get("drops") });
  const kinds = () => model.get("measures");
  const brush = () => {
    const [axis, first, last] = model.get("brush");
    return axis ? { axis, first, last } : { axis: "" };
  };
  const cursor = () => (model.get("cursor").length ? model.get("cursor") : null);

  // ---- controls

  const measures = buttons({ name: "measure", several: true, options: Object.entries(NAMES).map(([kind, name]) => [kind, name, HINTS[kind]]), change: (value) => keep(model, { measures: value }) });
  const arrangement = buttons({ name: "arrange", options: [["beside", "Side by side"], ["blended", "Blended"]], change: (value) => keep(model, { arrangement: value }) });
  const gamma = slider({
    name: "gamma", hint: "gamma: smoothing, in the unit of the cost", min: -3, max: 1, step: 0.05, place: Math.log10,
    read: (at) => clamp(Number((10 ** Number(at)).toPrecision(3)), 0.001, 10), show: (value) => String(Number(value.toPrecision(3))), change: (value) => keep(model, { gamma: value }),
  });
  const widest = Math.max(1, Math.min(n, m));
  const band = slider({
    name: "band", hint: "band: steps off the line between the corners; at the right end all cells take part", min: 0, max: widest, step: widest > 20 ? 1 : 0.5,
    read: (at) => (Number(at) >= widest ? -1 : Number(at)), place: (value) => (value < 0 ? widest : value),
    show: (value) => (value < 0 ? "none" : `${value} step${value === 1 ? "" : "s"}`), change: (value) => keep(model, { band: value }),
  });
  const [least, most] = [Math.min(0, low), Math.max(high, model.get("drop_cost"), low + 1e-3)];
  const drop = slider({
    name: "drop cost", hint: "drop cost: price of leaving out a step", min: least, max: most, step: (most - least) / 200, change: (value) => keep(model, { drop_cost: value }),
    show: (value) => value.toFixed(2),
  });
  const drops = element("select", { "aria-label": "which steps may be dropped" }, ...[["y", "drop clips"], ["x", "drop sentences"], ["xy", "drop both"]].map(([value, text]) => element("option", { value }, text)));
  drops.addEventListener("change", () => keep(model, { drops: drops.value }));
  const ink = slider({
    name: "cost ↔ alignment", hint: "what the colours show: at the left costs, at the right the soft alignment", min: 0, max: 1, step: 0.05,
    show: (value) => (value === 0 ? "cost" : value === 1 ? "alignment" : `${Math.round(100 * value)} %`), change: (value) => keep(model, { ink: value }),
  });
  const bar = element("div", { class: "tc-bar" }, measures.box, arrangement.box);
  const sliders = element("div", { class: "tc-bar" }, gamma.box, ink.box, band.box, drop.box, drops);

  // ---- parts

  const list = sentenceList(root, { sentences, m, brush: (first, last) => setBrush(first < 0 ? "" : "rows", first, last) });
  const strip = filmStrip(root, model, { n, m, sentences, brush: setBrush, point: (j) => point(rowAt(j), j, "strip") });
  const panels = element("div", { class: "tx-panels" });
  const scale = costScale();
  const source = element("span");
  const tool = (text, hint, act) => {
    const button = element("button", { type: "button", "aria-label": hint, title: hint }, text);
    button.addEventListener("click", act);
    return button;
  };
  const tools = element("span", { class: "tx-tools" },
    tool("−", "zoom out; or Ctrl and wheel, and Alt and drag to move", () => parts[0].map.zoom(2)), tool("+", "zoom in; or Ctrl and wheel, and Alt and drag to move", () => parts[0].map.zoom(0.5)), tool("Fit", "show all cells", () => parts[0].map.fit()), tool("To brush", "zoom to what is brushed", zoomToBrush));
  const foot = element("div", { class: "tx-foot" }, scale, source, tools);
  root.append(element("div", { class: "tx" }, bar, sliders, element("div", { class: "tx-main" }, list.box, element("div", {}, panels, foot)), strip.box));

  let parts = []; // panels, each with its map and the kinds of alignment in it
  /** One panel per measure, or one for all. */
  function build() {
    const blended = model.get("arrangement") === "blended", groups = blended ? [kinds()] : kinds().map((kind) => [kind]);
    parts.forEach(({ map }) => map.end());
    parts = groups.map((group) => panelOf(group, groups.length));
    panels.replaceChildren(...parts.map(({ panel }) => panel));
    const area = areaKept();
    if (area) parts.forEach(({ map }) => map.look(area));
    drawControls();
    recompute();
  }

  function panelOf(group, count) {
    const name = group.map((kind) => NAMES[kind]).join(" and ");
    const numbers = group.map((kind) => element("span", { class: "tc-soft", "data-kind": kind }));
    const dot = (kind) => (group.length > 1 ? [element("i", { class: "tx-dot", ".style": `background: ${inkOf(kind)}` })] : []);
    const heads = group.map((kind, k) => element("span", {}, ...dot(kind), element("strong", {}, NAMES[kind]), " ", numbers[k]));
    const found = element("p", { class: "tx-found tc-soft" });
    const map = heatMap(root, {
      name, n, m, cursor: point, brush: setBrush, window: (area) => moved(map, area),
      height: (width) => clamp(width * clamp(n / m, 0.3, 1), Math.min(count > 1 ? 220 : 300, n * 36), count > 1 ? 300 : 380),
    });
    const panel = element("section", { class: "tx-panel", "aria-label": name }, element("div", { class: "tx-head" }, ...heads), map.box, found);
    return { group, map, numbers, found, panel };
  }

  function areaKept() {
    const [top, bottom, left, right] = model.get("area");
    return bottom === undefined ? null : { top, bottom, left, right };
  }

  function inkOf(kind) {
    return SERIES[Object.keys(NAMES).indexOf(kind)];
  }

  // ---- answers: from the kernel, or computed here

  /** The kernel answers to what was changed by itself, once it knows of it; only the first answer is asked for. */
  function recompute() {
    clearTimeout(patience);
    if (model.baked) return computeHere();
    try {
      if (!asked) model.send({ ask: kinds() });
      asked = true;
    } catch {
      return computeHere(); // no kernel
    }
    patience = setTimeout(computeHere, PATIENCE);
  }

  const computeHere = oncePerFrame(() => {
    const { gamma, band, drop, drops } = settings();
    for (const kind of kinds()) {
      const options = { gamma, band: band < 0 ? null : band, dropX: drops.includes("x") ? drop : null, dropY: drops.includes("y") ? drop : null };
      const key = JSON.stringify([kind, kind === "dtw" ? band : kind === "drop_dtw" ? [drop, drops] : 0]);
      const known = hardOnes[kind]?.key === key ? hardOnes[kind] : null;
      const found = align(cost, n, m, { ...KINDS[kind](options), path: !known });
      hardOnes[kind] = known ?? { key, hard: found.hard, path: found.path };
      accept(kind, { ...found, ...hardOnes[kind] });
    }
    source.textContent = "aligned in this page";
    drawAnswers();
  });

  function onMessage(message, buffers) {
    if (!message.answers) return;
    clearTimeout(patience);
    message.answers.forEach(({ kind, value, hard }, k) => {
      const cells = new Int32Array(buffers[2 * k + 1].buffer.slice(buffers[2 * k + 1].byteOffset, buffers[2 * k + 1].byteOffset + buffers[2 * k + 1].byteLength));
      const path = Array.from({ length: cells.length / 2 }, (_, at) => [cells[2 * at], cells[2 * at + 1]]);
      accept(kind, { value: value ?? Infinity, hard: hard ?? Infinity, path, alignment: floats(buffers[2 * k]) });
    });
    source.textContent = "aligned by the kernel";
    drawAnswers();
  }

  function accept(kind, found) {
    let mass = 0;
    for (const weight of found.alignment) mass += weight;
    const first = new Int32Array(n).fill(-1), last = new Int32Array(n).fill(-1), row = new Int32Array(m).fill(-1);
    for (const [i, j] of found.path) {
      if (first[i] < 0) first[i] = j;
      last[i] = j;
      if (row[j] < 0) row[j] = i;
    }
    answers[kind] = { ...found, mass, first, last, row };
  }

  const primary = () => answers[kinds()[0]];
  /** The sentence of a clip on the hard path, else the nearest before it. */
  function rowAt(j) {
    const rows = primary()?.row;
    if (!rows) return 0;
    for (let at = j; at >= 0; at--) if (rows[at] >= 0) return rows[at];
    return 0;
  }

  // ---- what the reader does

  function setBrush(axis, first, last) {
    keep(model, { brush: axis ? [axis, first, last] : [] });
  }

  function point(i, j, kind) {
    if (kind === "hover") return strip.peek(j, i);
    const changes = { cursor: [i, j] };
    if (kind === "click") changes.brush = ["rows", i, i];
    keep(model, changes);
  }

  function moved(from, area) {
    for (const { map } of parts) if (map !== from) map.look(area);
    strip.look(area);
    const whole = area.top === 0 && area.bottom === n && area.left === 0 && area.right === m;
    keep(model, { area: whole ? [] : [area.top, area.bottom, area.left, area.right] });
  }

  function zoomToBrush() {
    const { axis, first, last } = brush(), answer = primary();
    if (!axis || !answer) return root.say("Nothing is brushed.");
    const linked = weights();
    const found = (axis === "rows" ? linked.columns : linked.rows) ?? [];
    const lit = [...found.keys()].filter((k) => found[k] > 0.05);
    const span = (from, to, steps) => {
      const extra = Math.max(1, (to - from + 1) * 0.15);
      return [Math.max(0, from - extra), Math.min(steps, to + 1 + extra)];
    };
    const own = span(first, last, axis === "rows" ? n : m), other = lit.length ? span(lit[0], lit.at(-1), axis === "rows" ? m : n) : [0, axis === "rows" ? m : n];
    const [rows, columns] = axis === "rows" ? [own, other] : [other, own];
    const area = { top: rows[0], bottom: rows[1], left: columns[0], right: columns[1] };
    parts[0].map.look(area);
    moved(parts[0].map, parts[0].map.area());
  }

  // ---- what is linked

  /** For the brush, how much of each step of the other side is aligned with it, and its share of the alignment. */
  function weights(answer = primary()) {
    const { axis, first, last } = brush();
    if (!axis || !answer) return {};
    const rows = axis === "rows", found = new Float32Array(rows ? m : n);
    let mass = 0, total = 0, cells = 0;
    const [top, bottom, left, right] = rows ? [first, last, 0, m - 1] : [0, n - 1, first, last];
    for (let i = top; i <= bottom; i++) {
      for (let j = left; j <= right; j++) {
        const weight = answer.alignment[i * m + j];
        found[rows ? j : i] += weight;
        mass += weight;
        if (weight > 0) (total += weight * cost[i * m + j]), (cells += weight);
      }
    }
    return { [rows ? "columns" : "rows"]: found, share: answer.mass ? mass / answer.mass : 0, mean: cells ? total / cells : Infinity };
  }

  /** The steps on the hard path that belong to the brush, as text. */
  function pathWords(answer) {
    const { axis, first, last } = brush();
    const other = axis === "rows" ? 1 : 0, own = 1 - other;
    const found = answer.path.filter((cell) => cell[own] >= first && cell[own] <= last).map((cell) => cell[other]);
    const what = axis === "rows" ? "clip" : "sentence";
    if (!found.length) return `no ${what} on the path`;
    const [from, to] = [Math.min(...found), Math.max(...found)];
    return from === to ? `${what} ${from}` : `${what}s ${from}–${to}`;
  }

  // ---- drawing

  function drawControls() {
    const { gamma: g, band: b, drop: d, drops: which } = settings();
    gamma.set(g), band.set(b), drop.set(d), ink.set(model.get("ink"));
    measures.set(kinds()), arrangement.set(model.get("arrangement"));
    drops.value = which;
    band.box.hidden = !kinds().includes("dtw");
    drop.box.hidden = drops.hidden = !kinds().includes("drop_dtw");
  }

  const drawAnswers = oncePerFrame(() => {
    const inked = model.get("ink");
    for (const { group, map, numbers } of parts) {
      const blended = group.length > 1;
      const found = group.filter((kind) => answers[kind]);
      group.forEach((kind, k) => {
        const answer = answers[kind];
        numbers[k].textContent = !answer ? "…" : answer.value === Infinity ? "no path" : `${written(answer.value)} · hard ${written(answer.hard)}`;
      });
      map.show({
        layers: [
          { values: cost, low, high, opacity: 1 - inked },
          { tints: found.map((kind) => ({ values: answers[kind].alignment, colour: blended ? rgb(inkOf(kind)) : root.colour("--tint") })), opacity: Math.min(1, inked * 1.25) },
        ],
        paths: inked < 1 || blended ? found.map((kind, k) => ({ cells: answers[kind].path, colour: blended ? inkOf(kind) : "#ffffff", shift: 5 * (k - (found.length - 1) / 2) })) : [],
      });
    }
    scale.style.opacity = 1 - 0.8 * inked;
    list.spans(primary());
    strip.spans(primary());
    drawBrush();
  });

  const drawBrush = oncePerFrame(() => {
    const now = brush(), here = cursor(), linked = weights();
    for (const { group, map, found } of parts) {
      const own = weights(answers[group[0]]);
      map.show({ brush: now, cursor: here, linked: own });
      found.textContent = !now.axis ? "" : group.filter((kind) => answers[kind]).map((kind) => {
        const each = weights(answers[kind]);
        return `${group.length > 1 ? `${NAMES[kind]}: ` : ""}${pathWords(answers[kind])}, ${(100 * each.share).toFixed(1)} % of the alignment, mean cost ${written(each.mean)}`;
      }).join("; ");
    }
    list.mark(now, linked.rows, linked.share);
    strip.mark(now, linked.columns, here);
    speak(now, here, linked);
  });

  /** Let the next key know where the last one led, before it is drawn. */
  function noteBrush() {
    for (const { map } of parts) map.show({ brush: brush(), cursor: cursor() });
    strip.note(brush(), cursor());
    drawBrush();
  }

  let spoken = "";
  function speak(now, here, linked) {
    const answer = primary();
    if (!answer) return;
    const parts = [];
    if (now.axis) parts.push(`${now.axis === "rows" ? "sentence" : "clip"} ${now.first}${now.last > now.first ? ` to ${now.last}` : ""}: ${pathWords(answer)}, ${(100 * linked.share).toFixed(1)} % of the alignment`);
    if (here) parts.push(`sentence ${here[0]}, clip ${here[1]}: cost ${cost[here[0] * m + here[1]] === Infinity ? "forbidden" : written(cost[here[0] * m + here[1]])}, aligned ${written(answer.alignment[here[0] * m + here[1]])}`);
    const text = parts.join(". ");
    if (text && text !== spoken) root.say(text);
    spoken = text;
    strip.tell(here, here && cost[here[0] * m + here[1]], here && answer.alignment[here[0] * m + here[1]]);
  }

  function costScale() {
    const canvas = element("canvas", { ".width": 256, ".height": 1, role: "img", "aria-label": "colours of costs, from low to high" });
    const context = canvas.getContext("2d"), image = context.createImageData(256, 1);
    for (let at = 0; at < 256; at++) image.data.set([...colourOf(at), 255], 4 * at);
    context.putImageData(image, 0, 0);
    return element("span", { class: "tx-scale" }, "cost", element("span", {}, written(low, 2)), canvas, element("span", {}, written(high, 2)));
  }

  // ---- what changes

  on(root, model, {
    "change:measures change:arrangement": build,
    "change:gamma change:band change:drop_cost change:drops": () => (drawControls(), recompute()),
    "change:ink": () => (drawControls(), drawAnswers()),
    "change:brush change:cursor": noteBrush,
    "msg:custom": onMessage,
  });
  root.onTheme(drawAnswers);
  root.onEnd(() => clearTimeout(patience));
  build();
  if (areaKept()) strip.look(areaKept());
  return root.dispose;
}

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

export default { render };
