// Takes the order loss apart. Python draws the wrong orders; all else is computed here.

import { align } from "./align.js";
import { colourOf } from "./colours.js";
import {
  button,
  buttons,
  chooseByKeys,
  costScale,
  gammaSlider,
  numberedSentences,
  panel,
  powerSlider,
} from "./controls.js";
import { heatMap, inkColour, whitePath } from "./heat_map.js";
import { clamp, floats, ints, limits, unpacked, written } from "./numbers.js";
import { orderLoss, reordered } from "./order_loss.js";
import { element, keep, mount, on, oncePerFrame } from "./view.js";

const UNKNOWN = -2; // segment of a clip whose sentence is not known
const ALL_SHOWN = 48; // clips up to which each is a block of the ribbon
const TITLES = ["True order", "Wrong order", "Gradient of the loss"];
const FACTS = ["loss", "true order", "this wrong order", "preferred to it", "cheaper wrong orders"];
const GRADIENT = "Gradient in nats per unit of cost: training lowers blue costs and raises orange ones.";
const MISSING = "These orders are drawn in Python, which does not answer. Run the cell again, or save the view as a " +
  "page, which holds some orders of every kind.";

const STYLE = `
.ts { display: grid; gap: 16px; }
.ts-facts { display: flex; flex-wrap: wrap; gap: 4px 22px; }
.ts-facts strong { font-size: 15px; }
.ts-orders {
  display: flex; gap: 2px; align-items: end; height: 108px; padding: 4px 2px 0; border-radius: 6px; overflow-x: auto;
  overflow-y: hidden;
}
.ts-order {
  flex: 1 1 8px; min-width: 6px; max-width: 34px; height: var(--tall); background: var(--soft); opacity: .55;
  border-radius: 3px 3px 0 0; cursor: pointer;
}
.ts-order[data-true] { background: var(--tint); opacity: 1; cursor: default; }
.ts-order[aria-selected=true] { background: var(--accent); opacity: 1; }
.ts-key { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 12px; color: var(--soft); }
.ts-key i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-inline-end: 5px; }
.ts-panels { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 14px 18px; align-items: start; }
.ts-ribbon { display: flex; gap: 1px; margin: 2px 6px 0 var(--margin); height: 17px; }
.ts-ribbon span {
  flex: var(--clips) 0 0; min-width: 0; overflow: hidden; border-radius: 3px; font-size: 10px; line-height: 17px;
  text-align: center; color: #fff;
}
.ts-ribbon span[data-none] { background: var(--line); color: var(--soft); }
.ts-ribbon span[data-unknown] { background: none; outline: 1px dashed var(--soft); outline-offset: -1px; }
.ts .ts-words { font-size: 12px; padding-inline-start: var(--margin); min-height: 1.45em; margin-top: 2px; }
.ts-foot {
  display: flex; flex-wrap: wrap; gap: 4px 22px; align-items: center; font-size: 12px; color: var(--soft);
}
.ts-list {
  columns: 2 260px; column-gap: 24px; font-size: 12px; margin: 0; padding-inline-start: 26px; overflow-wrap: anywhere;
}
@container (max-width: 640px) {
  .ts-panels { grid-template-columns: minmax(0, 1fr); }
  .ts .ts-words { padding-inline-start: 0; }
  .tc-slider { max-width: none; }
}
`;

function render({ model, el }) {
  const root = mount(el, STYLE);
  const [n, m] = model.get("_shape"), cost = floats(model.get("_cost")), [low, high] = limits(cost);
  const view = { root, model, n, m, cost, low, high, segments: model.get("segments"), orders: [] };
  Object.assign(view, { shown: null, found: null, cursor: null });
  view.onRows = () => model.get("shuffle") === "sentences";
  view.chosen = () => clamp(model.get("order"), 0, view.orders.length - 1);
  const controls = controlsOf(view);
  assemble(view, controls);
  let waiting = 0;
  const drawChosen = oncePerFrame(() => drawShown(view));
  const draw = oncePerFrame(() => {
    controls.draw();
    const known = readOrders(view);
    clearTimeout(waiting);
    if (known) view.missing.hidden = true;
    else waiting = setTimeout(() => (view.missing.hidden = false), model.baked ? 0 : 1500);
    if (!known) return;
    view.found = orderLoss(view, view.orders, view.onRows(), model.get("gamma"), model.get("temperature"));
    drawOrders(view);
    drawChosen();
  });
  const settings = ["shuffle", "seed", "_orders", "_drawn", "gamma", "temperature"];
  on(root, model, { [settings.map((each) => `change:${each}`).join(" ")]: draw, "change:order": drawChosen });
  root.onTheme(drawChosen);
  root.onEnd(() => clearTimeout(waiting));
  draw();
  return root.dispose;
}

// ---- controls and parts

/** Makes the controls. Returns { boxes, draw }. */
function controlsOf({ root, model }) {
  const change = (value) => keep(model, { shuffle: value, order: 0 });
  const kinds = buttons({ name: "change", options: model.get("_choices"), change });
  const gamma = gammaSlider(model), hint = "temperature of the loss, in the unit of the summed cost";
  const temperature = powerSlider(model, "temperature", { hint });
  const again = button("Draw others", "draw other wrong orders", () => {
    const seed = model.get("seed") + 1, kept = model.get("_draws") ?? {};
    const first = () => Math.min(...Object.keys(kept).map((name) => Number(name.split(" ")[1])));
    const known = !model.baked || kept[`${model.get("shuffle")} ${seed}`];
    keep(model, { seed: known ? seed : first(), order: 0 });
    root.say("Other orders are drawn.");
  });
  const draw = () => {
    again.disabled = model.get("shuffle") === "reversed"; // there is only one
    kinds.set(model.get("shuffle"));
    gamma.set(model.get("gamma"));
    temperature.set(model.get("temperature"));
  };
  const bar = (...boxes) => element("div", { class: "tc-bar" }, ...boxes);
  return { boxes: [bar(kinds.box, again), bar(gamma.box, temperature.box)], draw };
}

/** Puts the parts of the view in their places. */
function assemble(view, controls) {
  const { root, model, low, high } = view;
  view.facts = Object.fromEntries(FACTS.map((name) => [name, element("strong")]));
  const facts = FACTS.map((name) =>
    element("span", { "data-fact": name }, element("span", { class: "tc-soft" }, `${name} `), view.facts[name])
  );
  view.bars = element("div", {
    class: "ts-orders",
    role: "listbox",
    tabindex: 0,
    "aria-label": "wrong orders by cost. Arrow keys choose one.",
  });
  chooseByKeys(view.bars, {
    choices: () => [...view.bars.children].map((bar) => Number(bar.dataset.order)).filter((order) => order >= 0),
    now: view.chosen,
    choose(order) {
      keep(model, { order });
      view.bars.querySelector(`[data-order="${order}"]`).scrollIntoView({ block: "nearest", inline: "nearest" });
    },
  });
  view.panels = TITLES.map((name, k) => panelOf(view, name, k));
  view.missing = element("p", { class: "tc-problem", role: "alert", hidden: true }, MISSING);
  const dot = (colour, text) => element("span", {}, element("i", { ".style": `background: var(${colour})` }), text);
  const dots = [dot("--tint", "true order"), dot("--accent", "shown"), dot("--soft", "other wrong orders")];
  const key = element("div", { class: "ts-key" }, "soft-DTW of each order, the cheapest first:", ...dots);
  root.append(element(
    "div",
    { class: "ts" },
    ...controls.boxes,
    view.missing,
    element("div", { class: "ts-facts" }, ...facts),
    element("div", {}, view.bars, key),
    element("div", { class: "ts-panels" }, ...view.panels.map(({ box }) => box)),
    element("div", { class: "ts-foot" }, costScale(low, high), GRADIENT),
    numberedSentences(model.get("sentences"), { class: "ts-list" }),
  ));
}

/** Returns a panel: { map, value, ribbon, words, box }. */
function panelOf(view, name, k) {
  const { root, n, m } = view, value = element("span", { class: "tc-soft", "data-panel": k });
  const ribbon = element("div", { class: "ts-ribbon", "aria-hidden": "true" });
  const words = element("p", { class: "ts-words tc-soft" });
  const map = heatMap(root, {
    name,
    n,
    m,
    height: (wide) => clamp(wide * clamp(n / m, 0.4, 1), Math.min(150, n * 30), 280),
    cursor: (i, j, kind) => visit(view, k, i, j, kind),
    brush: () => visit(view, k),
  });
  return { map, value, ribbon, words, box: panel(name, [value], map.box, ribbon, words) };
}

/** Reads the orders that are to be shown. Returns whether they are there; else the kernel is drawing them. */
function readOrders(view) {
  const { model, n, m, onRows } = view, kind = model.get("shuffle"), seed = model.get("seed");
  const [known, drawn] = model.get("_drawn"), steps = onRows() ? n : m;
  let bytes = known === kind && drawn === seed ? model.get("_orders") : null;
  if (!bytes && model.baked) bytes = unpacked((model.get("_draws") ?? {})[`${kind} ${seed}`]);
  if (!bytes) return false;
  const all = ints(bytes);
  view.orders = Array.from({ length: all.length / steps }, (_, k) => all.subarray(k * steps, (k + 1) * steps));
  return view.orders.length > 0;
}

// ---- drawing

function drawOrders({ root, model, bars, found: { values } }) {
  const [least, most] = limits(values.filter((value) => value < Infinity)), ground = Math.min(0, least);
  const ranked = values.map((_, k) => k).sort((a, b) => values[a] - values[b]);
  bars.replaceChildren(...ranked.map((k) => {
    const share = (values[k] - ground) / (most - ground || 1),
      tall = values[k] === Infinity ? 1 : Math.max(0.03, share);
    const name = k === 0 ? "true order" : `wrong order ${k}`;
    const bar = element("div", {
      class: "ts-order",
      id: `${root.id}-o${k}`,
      role: "option",
      "data-order": k - 1,
      "data-true": k === 0,
      "aria-disabled": k === 0 || null,
      ".style": `--tall: ${100 * tall}%`,
      "aria-label": `${name}, ${written(values[k])}`,
      title: `${name}: ${written(values[k])}`,
    });
    if (k > 0) bar.addEventListener("click", () => keep(model, { order: k - 1 }));
    return bar;
  }));
}

/** Draws the order that is chosen, beside the true one. */
function drawShown(view) {
  const { root, n, cost, low, high, bars, panels, found, orders, onRows } = view;
  if (!found || !orders.length) return;
  const k = view.chosen(), order = orders[k], made = reordered(view, order, onRows());
  view.shown = { made, order };
  for (const bar of bars.children) bar.setAttribute("aria-selected", String(Number(bar.dataset.order) === k));
  bars.setAttribute("aria-activedescendant", `${root.id}-o${k + 1}`);
  const [right, wrong, slope] = panels, { path } = align(made, n, view.m, { gamma: 0 });
  right.map.show({ layers: [{ values: cost, low, high }], paths: whitePath(found.path) });
  wrong.map.show({ layers: [{ values: made, low, high }], paths: whitePath(path) });
  const most = found.gradient.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-12);
  const part = (sign) => found.gradient.map((value) => Math.max(0, sign * value) / most);
  const tints = [["--tint", 1], ["--accent", -1]];
  const inks = tints.map(([colour, sign]) => ({ values: part(sign), colour: inkColour(root, colour) }));
  slope.map.show({ layers: [{ tints: inks }], paths: [] });
  right.value.textContent = written(found.values[0]);
  wrong.value.textContent = written(found.values[k + 1]);
  slope.value.textContent = `up to ${written(most)}`;
  panels.forEach(({ ribbon }) => drawRibbon(view, ribbon, ribbon === wrong.ribbon && !onRows() ? order : null));
  const places = `${[...order].slice(0, 24).join(", ")}${n > 24 ? ", …" : ""}`;
  wrong.words.textContent = onRows() ? `sentences in the order ${places}` : "";
  drawFacts(view, k);
  drawWords(view);
}

function drawFacts({ facts, found: { values, shares, loss }, orders }, k) {
  const both = shares[0] + shares[k + 1], cheaper = values.slice(1).filter((value) => value < values[0]).length;
  const texts = {
    loss: `${written(loss)} nats`,
    "true order": written(values[0]),
    "this wrong order": written(values[k + 1]),
    "preferred to it": both > 0 ? `${Math.round((100 * shares[0]) / both)} %` : "no path",
    "cheaper wrong orders": `${cheaper} of ${orders.length}`,
  };
  for (const name of FACTS) facts[name].textContent = texts[name];
}

/** Draws blocks of the sentences that clips show, clip by clip or run by run. */
function drawRibbon({ n, m, segments }, box, order) {
  const runs = [];
  for (let at = 0; at < m; at++) {
    const clip = order ? order[at] : at, last = runs.at(-1);
    if (last && segments[clip] === last.segment && (m > ALL_SHOWN || clip === last.clip + 1)) {
      last.size += 1;
      last.clip = clip;
    } else runs.push({ segment: segments[clip], clip, size: 1 });
  }
  box.replaceChildren(...runs.map(({ segment, size }) => {
    const none = segment < 0,
      unknown = segment === UNKNOWN,
      [red, green, blue] = colourOf(Math.round((165 * Math.max(0, segment)) / Math.max(1, n - 1)));
    const style = `--clips: ${size}${none ? "" : `; background: rgb(${red}, ${green}, ${blue})`}`;
    const title = unknown ? "clips whose sentence is unknown" : none ? "background" : `clips of sentence ${segment}`;
    const mark = unknown ? "?" : none ? "" : String(segment);
    return element("span", { ".style": style, "data-none": none, "data-unknown": unknown, title }, mark);
  }));
}

/** Looks at a cell of a panel; without a cell, at none. */
function visit(view, k, i, j, kind) {
  view.cursor = i === undefined ? null : { k, i, j };
  view.panels.forEach(({ map }, at) => map.show({ cursor: view.cursor && at === k ? [i, j] : null }));
  drawWords(view);
  if (kind === "key") view.root.say(view.panels[k].words.textContent);
}

/** Says what is known of the cell that is looked at. */
function drawWords({ m, cost, cursor, found, shown, segments, panels, onRows }) {
  panels.forEach(({ words }, at) => {
    if (!(at === 1 && onRows() && cursor?.k !== 1)) words.textContent = "";
  });
  if (!cursor || !found) return;
  const { k, i, j } = cursor, cell = i * m + j, wrong = k === 1;
  const clip = wrong && !onRows() ? shown.order[j] : j, row = wrong && onRows() ? shown.order[i] : i;
  const price = `cost ${written((wrong ? shown.made : cost)[cell])}`;
  const value = k === 2 ? `gradient ${written(found.gradient[cell])}` : price;
  const named = segments[clip] === UNKNOWN ? " (its sentence is unknown)" : "";
  const own = segments[clip] >= 0 ? ` (of sentence ${segments[clip]})` : named;
  panels[k].words.textContent = `sentence ${row}, clip ${clip}${own}: ${value}`;
}

export default { render };
