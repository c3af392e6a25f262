// One pair at several steps of a training: its costs and alignment, with a slider through time.

import { align } from "./align.js";
import { button, gammaSlider, numberedSentences, panel, slider } from "./controls.js";
import { heatMap, inkLayer, whitePath } from "./heat_map.js";
import { clamp, floats, limits, written } from "./numbers.js";
import { element, keep, oncePerFrame, still } from "./view.js";

const FRAME = 350; // ms per look during playback
const TITLES = ["Costs and path", "Soft alignment"];

/**
 * Makes the pair; `drawn` is called when another look is shown. Returns
 *   box          the element
 *   read()       take up the looks of the model
 *   draw()       show the chosen look
 *   shownStep()  the step of the look that is shown, or null
 */
export function pairOf(root, model, drawn) {
  const pair = { root, model, looks: [], range: [0, 1], maps: null, cursor: null, visits: null };
  pair.at = () => {
    const last = pair.looks.length - 1;
    return model.get("look") < 0 ? last : Math.min(model.get("look"), last);
  };
  pair.choose = (at) => keep(model, { look: at >= pair.looks.length - 1 ? -1 : at });
  const box = build(pair);
  const draw = oncePerFrame(() => {
    if (!pair.looks.length) return;
    show(pair);
    drawn();
  });
  const shownStep = () => (pair.looks.length ? pair.looks[pair.at()].step : null);
  return { box, read: () => readLooks(pair), draw, shownStep };
}

/** Builds the elements and keeps them in the pair. Returns the outermost. */
function build(pair) {
  const { root, model } = pair;
  let playing = 0;
  /** Starts or stops playback. */
  const run = (go) => {
    clearInterval(playing);
    playing = 0;
    pair.play.textContent = go ? "Hold" : "Play";
    if (!go) return;
    if (pair.at() === pair.looks.length - 1) pair.choose(0);
    const next = () => (pair.at() < pair.looks.length - 1 ? pair.choose(pair.at() + 1) : run(false));
    playing = setInterval(next, FRAME);
  };
  root.onEnd(() => clearInterval(playing));
  pair.time = slider({
    name: "look at step",
    hint: "step of training at which the pair is shown",
    min: 0,
    max: 1,
    step: 1,
    show: (at) => (pair.looks.length ? `${pair.looks[clamp(at, 0, pair.looks.length - 1)].step}` : ""),
    change: (at) => (run(false), pair.choose(at)),
  });
  pair.play = button("Play", "show all steps one after the other", () => run(!playing));
  pair.gamma = gammaSlider(model);
  pair.facts = ["hard", "soft"].map((name) => element("span", { class: "tc-soft", "data-kind": name }));
  pair.found = element("p", { class: "tm-found tc-soft" });
  pair.places = [element("div"), element("div")];
  const panels = TITLES.map((name, k) => panel(name, [pair.facts[k]], pair.places[k]));
  const list = numberedSentences(model.get("sentences"));
  pair.box = element(
    "div",
    { class: "tm", hidden: true },
    element("div", { class: "tm-time" }, pair.play, pair.time.box, pair.gamma.box),
    element("div", { class: "tm-pair" }, list, ...panels),
    pair.found,
  );
  return pair.box;
}

function readLooks(pair) {
  const { root, model, places } = pair, steps = model.get("_look_steps"), [n, m] = model.get("_shape");
  const costs = steps.length ? floats(model.get("_costs")) : new Float32Array();
  if (steps.length && costs.length !== steps.length * n * m) return; // the rest of the change has not arrived yet
  pair.looks = steps.map((step, k) => ({ step, cost: costs.subarray(k * n * m, (k + 1) * n * m) }));
  pair.range = limits(costs);
  const { length } = pair.looks;
  pair.box.hidden = !length;
  pair.play.hidden = length < 2 || still(); // with reduced motion, only the slider moves through time
  pair.time.input.max = Math.max(1, length - 1);
  pair.time.input.disabled = length < 2;
  if (!length || pair.maps) return;
  const height = (wide) => clamp(wide * clamp(n / m, 0.35, 1), Math.min(150, n * 30), 300);
  const cursor = (i, j, kind) => visit(pair, i, j, kind), brush = () => visit(pair);
  pair.maps = TITLES.map((name) => heatMap(root, { name, n, m, height, cursor, brush }));
  pair.maps.forEach((map, k) => places[k].append(map.box));
}

/** Shows the look that is chosen, aligned here. */
function show(pair) {
  const { root, model, looks, range: [low, high], maps: [costs, alignment], facts } = pair;
  const [n, m] = model.get("_shape"), at = pair.at(), { cost } = looks[at];
  const found = align(cost, n, m, { gamma: model.get("gamma") });
  pair.visits = found.alignment;
  pair.time.set(at);
  pair.gamma.set(model.get("gamma"));
  costs.show({ layers: [{ values: cost, low, high }], paths: whitePath(found.path) });
  alignment.show({ layers: [inkLayer(root, found.alignment)], paths: [] });
  facts[0].textContent = `DTW ${written(found.hard)}`;
  facts[1].textContent = `soft-DTW ${written(found.value)}`;
  drawFound(pair);
}

/** Looks at a cell in both matrices; without a cell, at none. */
function visit(pair, i, j, kind) {
  pair.cursor = i === undefined ? null : [i, j];
  pair.maps.forEach((map) => map.show({ cursor: pair.cursor }));
  drawFound(pair);
  if (kind === "key") pair.root.say(pair.found.textContent);
}

/** Says what is known of the cell that is looked at. */
function drawFound(pair) {
  const { model, looks, cursor, visits, found } = pair, look = looks[pair.at()];
  if (!cursor || !look || !visits) return (found.textContent = "");
  const [i, j] = cursor, cell = i * model.get("_shape")[1] + j;
  const words = `cost ${written(look.cost[cell])}, visited ${written(visits[cell])} times`;
  found.textContent = `sentence ${i}, clip ${j}: ${words}`;
}
