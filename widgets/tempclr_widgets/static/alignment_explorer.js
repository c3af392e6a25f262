// Explores one alignment with linked sentences, clips and costs. The kernel aligns; without one, the page does.

import { answersOf } from "./answers.js";
import { rgb, SERIES, WHITE } from "./colours.js";
import { bandSlider, button, buttons, costScale, dropSlider, gammaSlider, select, slider } from "./controls.js";
import { filmStrip } from "./film_strip.js";
import { heatMap, inkColour } from "./heat_map.js";
import { areaOf, brushWords, linkedTo, pathWords, shareWords } from "./linked.js";
import { clamp, floats, limits, written } from "./numbers.js";
import { sentenceList } from "./sentence_list.js";
import { element, keep, mount, on, oncePerFrame } from "./view.js";

const ZOOM = "; or Ctrl and wheel, and Alt and drag to move";

const STYLE = `
.tx { display: grid; gap: 14px; }
.tx-main {
  display: grid; grid-template-columns: minmax(190px, 270px) minmax(0, 1fr); gap: 18px; align-items: start;
}
.tx-panels {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); gap: 14px 18px;
}
.tx-panel { min-width: 0; }
.tx .tc-head { gap: 0 12px; align-items: baseline; }
.tx-dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-inline-end: 6px; }
.tx .tx-found { min-height: 1.45em; padding-inline-start: var(--margin); font-size: 12px; }
.tx-foot {
  display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; font-size: 12px; color: var(--soft);
  padding-inline-start: var(--margin); margin-top: 6px;
}
.tx-tools { display: inline-flex; gap: 4px; margin-inline-start: auto; }
.tx-tools button { padding: 1px 9px; min-height: 24px; font-size: 12px; color: var(--ink); }
@container (max-width: 640px) {
  .tx-main { grid-template-columns: minmax(0, 1fr); }
  .tx .tx-found, .tx-foot { padding-inline-start: 0; }
  .tc-slider { flex-basis: 40%; max-width: none; }
}
`;

function render({ model, el }) {
  const root = mount(el, STYLE + sentenceList.style + filmStrip.style);
  const [n, m] = model.get("_shape"), cost = floats(model.get("_cost")), sentences = model.get("sentences");
  const [low, high] = limits(cost), choices = model.get("_choices");
  const view = { root, model, n, m, cost, low, high, choices, panels: [], source: element("span") };
  view.names = () => model.get("alignments");
  view.nameOf = (key) => choices.find(([each]) => each === key)[1];
  view.answers = answersOf(root, model, {
    cost,
    n,
    m,
    told(source) {
      view.source.textContent = source;
      view.drawAnswers();
    },
  });
  view.first = () => view.answers.of(view.names()[0]);
  view.drawAnswers = oncePerFrame(() => drawAnswers(view));
  view.drawBrush = oncePerFrame(() => drawBrush(view));
  view.setBrush = (axis, first, last) => keep(model, { brush: axis ? [axis, first, last] : [] });
  view.controls = controlsOf(view);
  assemble(view, sentences);

  on(root, model, {
    "change:alignments change:arrangement": () => build(view),
    "change:gamma change:band change:drop_cost change:drops": () => (view.controls.draw(), view.answers.recompute()),
    "change:ink": () => (view.controls.draw(), view.drawAnswers()),
    "change:brush change:cursor": () => noteBrush(view),
    "msg:custom": view.answers.hear,
  });
  root.onTheme(view.drawAnswers);
  build(view);
  if (areaKept(model)) view.strip.look(areaKept(model));
  return root.dispose;
}

/** Returns the brush as { axis, first, last }; axis is "" for none. */
function brushOf(model) {
  const [axis, first, last] = model.get("brush");
  return axis ? { axis, first, last } : { axis: "" };
}

/** Returns the current cell, or null. */
const cursorOf = (model) => (model.get("cursor").length ? model.get("cursor") : null);

/** Returns the area that was zoomed to, or null. */
function areaKept(model) {
  const [top, bottom, left, right] = model.get("area");
  return bottom === undefined ? null : { top, bottom, left, right };
}

// ---- controls and parts

/** Makes the controls. Returns { boxes, scale, draw }. */
function controlsOf({ model, n, m, low, high, choices }) {
  const set = (key) => (value) => keep(model, { [key]: value });
  const alignments = buttons({ name: "align by", several: true, options: choices, change: set("alignments") });
  const arranged = [["beside", "Side by side"], ["blended", "Blended"]];
  const arrangement = buttons({ name: "arrange", options: arranged, change: set("arrangement") });
  const widest = Math.max(1, Math.min(n, m));
  const [least, most] = [Math.min(0, low), Math.max(high, model.get("drop_cost"), low + 1e-3)];
  const gamma = gammaSlider(model), band = bandSlider(model, { widest, step: widest > 20 ? 1 : 0.5 });
  const dropHint = "drop cost: price of leaving out a step";
  const drop = dropSlider(model, { hint: dropHint, min: least, max: most, step: (most - least) / 200 });
  const dropped = [["y", "drop clips"], ["x", "drop sentences"], ["xy", "drop both"]];
  const drops = select({ name: "which steps may be dropped", options: dropped, change: set("drops") });
  const ink = slider({
    name: "cost ↔ alignment",
    hint: "what the colours show: at the left costs, at the right the soft alignment",
    min: 0,
    max: 1,
    step: 0.05,
    show: (value) => (value === 0 ? "cost" : value === 1 ? "alignment" : `${Math.round(100 * value)} %`),
    change: set("ink"),
  });
  const draw = () => {
    const shown = model.get("alignments");
    gamma.set(model.get("gamma"));
    band.set(model.get("band"));
    drop.set(model.get("drop_cost"));
    ink.set(model.get("ink"));
    alignments.set(shown);
    arrangement.set(model.get("arrangement"));
    drops.value = model.get("drops");
    band.box.hidden = !shown.includes("dtw");
    drop.box.hidden = drops.hidden = !shown.includes("drop_dtw");
  };
  const bar = element("div", { class: "tc-bar" }, alignments.box, arrangement.box);
  const sliders = element("div", { class: "tc-bar" }, gamma.box, ink.box, band.box, drop.box, drops);
  return { boxes: [bar, sliders], scale: costScale(low, high), draw };
}

/** Puts the parts of the view in their places. */
function assemble(view, sentences) {
  const { root, model, m, source, controls } = view;
  const brushRows = (first, last) => view.setBrush(first < 0 ? "" : "rows", first, last);
  const list = sentenceList(root, { sentences, m, brush: brushRows });
  const toClip = (j) => keep(model, { cursor: [rowAt(view, j), j] });
  const strip = filmStrip(root, model, { m, sentences, brush: view.setBrush, point: toClip });
  const place = element("div", { class: "tx-panels" }), map = () => view.panels[0].map;
  const tool = (text, hint, act) => button(text, hint, act, { named: true });
  const tools = element(
    "span",
    { class: "tx-tools" },
    tool("−", `zoom out${ZOOM}`, () => map().zoom(2)),
    tool("+", `zoom in${ZOOM}`, () => map().zoom(0.5)),
    tool("Fit", "show all cells", () => map().fit()),
    tool("To brush", "zoom to what is brushed", () => zoomToBrush(view)),
  );
  const foot = element("div", { class: "tx-foot" }, controls.scale, source, tools);
  const main = element("div", { class: "tx-main" }, list.box, element("div", {}, place, foot));
  root.append(element("div", { class: "tx" }, ...controls.boxes, main, strip.box));
  Object.assign(view, { list, strip, place });
}

/** Makes one panel per alignment, or one for all. */
function build(view) {
  const { model } = view, blended = model.get("arrangement") === "blended";
  const groups = blended ? [view.names()] : view.names().map((name) => [name]);
  view.panels.forEach(({ map }) => map.end());
  view.panels = groups.map((group) => panelOf(view, group, groups.length));
  view.place.replaceChildren(...view.panels.map(({ panel }) => panel));
  const area = areaKept(model);
  if (area) view.panels.forEach(({ map }) => map.look(area));
  view.controls.draw();
  view.answers.recompute();
}

/** Returns the panel of a group of alignments: { group, map, numbers, found, panel }. */
function panelOf(view, group, count) {
  const { root, n, m } = view, name = group.map(view.nameOf).join(" and ");
  const numbers = group.map((each) => element("span", { class: "tc-soft", "data-kind": each }));
  const dot = (each) => element("i", { class: "tx-dot", ".style": `background: ${inkOf(view, each)}` });
  const heads = group.map((each, k) => {
    const dots = group.length > 1 ? [dot(each)] : [];
    return element("span", {}, ...dots, element("strong", {}, view.nameOf(each)), " ", numbers[k]);
  });
  const found = element("p", { class: "tx-found tc-soft" }), [least, most] = count > 1 ? [220, 300] : [300, 380];
  const map = heatMap(root, {
    name,
    n,
    m,
    cursor: (i, j, kind) => point(view, i, j, kind),
    brush: view.setBrush,
    window: (area) => moved(view, map, area),
    height: (width) => clamp(width * clamp(n / m, 0.3, 1), Math.min(least, n * 36), most),
  });
  const head = element("div", { class: "tc-head" }, ...heads);
  const panel = element("section", { class: "tx-panel", "aria-label": name }, head, map.box, found);
  return { group, map, numbers, found, panel };
}

/** Returns the colour of an alignment among others. */
const inkOf = ({ choices }, name) => SERIES[choices.findIndex(([each]) => each === name)];

/** Returns the sentence of a clip on the hard path, else that of the nearest clip before it. */
function rowAt(view, j) {
  const rows = view.first()?.row;
  if (!rows) return 0;
  for (let at = j; at >= 0; at--) if (rows[at] >= 0) return rows[at];
  return 0;
}

// ---- what the reader does

function point({ model, strip }, i, j, kind) {
  if (kind === "hover") return strip.peek(j, i);
  keep(model, kind === "click" ? { cursor: [i, j], brush: ["rows", i, i] } : { cursor: [i, j] });
}

/** Zooms all panels and the strip to the area of one panel. */
function moved({ model, n, m, panels, strip }, from, area) {
  for (const { map } of panels) if (map !== from) map.look(area);
  strip.look(area);
  const whole = area.top === 0 && area.bottom === n && area.left === 0 && area.right === m;
  keep(model, { area: whole ? [] : [area.top, area.bottom, area.left, area.right] });
}

function zoomToBrush(view) {
  const brush = brushOf(view.model), answer = view.first(), [{ map }] = view.panels;
  if (!brush.axis || !answer) return view.root.say("Nothing is brushed.");
  map.look(areaOf(brush, linkedTo(brush, answer, view), view));
  moved(view, map, map.area());
}

// ---- drawing

function drawAnswers(view) {
  const { root, model, cost, low, high, answers, controls, list, strip } = view, ink = model.get("ink");
  for (const { group, map, numbers } of view.panels) {
    const blended = group.length > 1, found = group.filter((name) => answers.of(name));
    const colourOf = (name) => (blended ? rgb(inkOf(view, name)) : inkColour(root, "--tint"));
    group.forEach((name, k) => (numbers[k].textContent = numbersOf(answers.of(name))));
    const tints = found.map((name) => ({ values: answers.of(name).alignment, colour: colourOf(name) }));
    const paths = found.map((name, k) => ({
      cells: answers.of(name).path,
      colour: blended ? inkOf(view, name) : WHITE,
      shift: 5 * (k - (found.length - 1) / 2),
    }));
    map.show({
      layers: [{ values: cost, low, high, opacity: 1 - ink }, { tints, opacity: Math.min(1, ink * 1.25) }],
      paths: ink < 1 || blended ? paths : [],
    });
  }
  controls.scale.style.opacity = 1 - 0.8 * ink;
  list.spans(view.first());
  strip.spans(view.first());
  view.drawBrush();
}

/** Returns the numbers of an answer as text. */
function numbersOf(answer) {
  if (!answer) return "…";
  return answer.value === Infinity ? "no path" : `${written(answer.value)} · hard ${written(answer.hard)}`;
}

function drawBrush(view) {
  const { model, answers, list, strip } = view;
  const brush = brushOf(model), cursor = cursorOf(model), linked = linkedTo(brush, view.first(), view);
  for (const { group, map, found } of view.panels) {
    map.show({ brush, cursor, linked: linkedTo(brush, answers.of(group[0]), view) });
    const words = (name) => {
      const answer = answers.of(name), before = group.length > 1 ? `${view.nameOf(name)}: ` : "";
      return before + brushWords(brush, answer, linkedTo(brush, answer, view));
    };
    found.textContent = brush.axis ? group.filter((name) => answers.of(name)).map(words).join("; ") : "";
  }
  list.mark(brush, linked.rows);
  strip.mark(brush, linked.columns, cursor);
  speak(view, brush, cursor, linked);
}

/** Updates brush and cursor before they are drawn, so that the next key press starts from them. */
function noteBrush(view) {
  const brush = brushOf(view.model), cursor = cursorOf(view.model);
  for (const { map } of view.panels) map.show({ brush, cursor });
  view.strip.note(brush, cursor);
  view.drawBrush();
}

/** Says what is brushed and which cell is looked at. */
function speak(view, brush, cursor, linked) {
  const { root, m, cost, strip } = view, answer = view.first(), said = [];
  if (!answer) return;
  if (brush.axis) {
    const what = brush.axis === "rows" ? "sentence" : "clip", to = brush.last > brush.first ? ` to ${brush.last}` : "";
    said.push(`${what} ${brush.first}${to}: ${pathWords(brush, answer)}, ${shareWords(linked.share)}`);
  }
  const cell = cursor && cursor[0] * m + cursor[1];
  if (cursor) {
    const price = cost[cell] === Infinity ? "forbidden" : written(cost[cell]);
    said.push(`sentence ${cursor[0]}, clip ${cursor[1]}: cost ${price}, aligned ${written(answer.alignment[cell])}`);
  }
  const text = said.join(". ");
  if (text && text !== view.spoken) root.say(text);
  view.spoken = text;
  if (cursor) strip.tell(cursor, cost[cell], answer.alignment[cell]);
}

export default { render };
