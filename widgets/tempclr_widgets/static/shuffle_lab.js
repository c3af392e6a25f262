// The order loss, taken apart: wrong orders drawn in Python, everything about them computed here.

import { align } from "./align.js";
import { buttons, bytesOf, clamp, colourOf, element, floats, keep, label, limits, mount, on, oncePerFrame, slider, written } from "./view.js";
import { heatMap } from "./heat_map.js";

const NAMES = {
  segments: ["Segments", "whole segments of clips change places"], clips: ["Clips", "clips change places within their segment"],
  both: ["Both", "segments change places, and clips within them"], sentences: ["Sentences", "sentences change places, clips stay"],
  swaps: ["Swaps", "two neighbouring segments change places: the hardest"], blocks: ["Blocks", "a run of segments moves elsewhere"], reversed: ["Reversed", "segments from last to first"],
};
const ALL_SHOWN = 48; // clips up to which each is a block of the ribbon

const STYLE = `
.ts { display: grid; gap: 16px; }
.ts-facts { display: flex; flex-wrap: wrap; gap: 4px 22px; } .ts-facts strong { font-size: 15px; }
.ts-orders { display: flex; gap: 2px; align-items: end; height: 108px; padding: 4px 2px 0; border-radius: 6px; overflow-x: auto; overflow-y: hidden; }
.ts-order { flex: 1 1 8px; min-width: 6px; max-width: 34px; height: var(--tall); background: var(--soft); opacity: .55; border-radius: 3px 3px 0 0; cursor: pointer; }
.ts-order[data-true] { background: var(--tint); opacity: 1; cursor: default; } .ts-order[aria-selected=true] { background: var(--accent); opacity: 1; }
.ts-key { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 12px; color: var(--soft); } .ts-key i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-inline-end: 5px; }
.ts-panels { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 14px 18px; align-items: start; }
.ts-name { display: flex; flex-wrap: wrap; gap: 0 10px; padding-inline-start: 38px; margin-bottom: 4px; }
.ts-ribbon { display: flex; gap: 1px; margin: 2px 6px 0 38px; height: 17px; } .ts-ribbon span { flex: var(--clips) 0 0; min-width: 0; overflow: hidden; border-radius: 3px; font-size: 10px; line-height: 17px; text-align: center; color: #fff; }
.ts-ribbon span[data-none] { background: var(--line); color: var(--soft); }
.ts .ts-words { font-size: 12px; padding-inline-start: 38px; min-height: 1.45em; margin-top: 2px; }
.ts-foot { display: flex; flex-wrap: wrap; gap: 4px 22px; align-items: center; font-size: 12px; color: var(--soft); }
.ts-scale { display: inline-flex; gap: 6px; align-items: center; } .ts-scale canvas { width: 110px; height: 8px; border-radius: 4px; }
.ts-list { columns: 2 260px; column-gap: 24px; font-size: 12px; margin: 0; padding-inline-start: 26px; overflow-wrap: anywhere; }
@container (max-width: 640px) { .ts-panels { grid-template-columns: minmax(0, 1fr); } .ts-name, .ts .ts-words { padding-inline-start: 0; } .tc-slider { max-width: none; } }
`;

function render({ model, el }) {
  const root = mount(el, STYLE);
  const [n, m] = model.get("_shape"), cost = floats(model.get("_cost")), sentences = model.get("sentences"), segments = model.get("segments");
  const [low, high] = limits(cost);
  let orders = [], shown = null, found = null, cursor = null, waiting = 0;

  // ---- controls

  const kinds = buttons({ name: "change", options: model.get("kinds").map((kind) => [kind, ...NAMES[kind]]), change: (value) => keep(model, { shuffle: value, order: 0 }) });
  const draw = element("button", { type: "button", title: "draw other wrong orders" }, "Draw others");
  draw.addEventListener("click", () => {
    const seed = model.get("seed") + 1;
    keep(model, { seed: model.baked && !draws()[`${model.get("shuffle")} ${seed}`] ? firstSeed() : seed, order: 0 });
    root.say("Other orders are drawn.");
  });
  const power = (name, hint, min, max, key) => slider({
    name, hint, min, max, step: 0.05, place: Math.log10, show: (value) => String(Number(value.toPrecision(3))),
    read: (at) => clamp(Number((10 ** Number(at)).toPrecision(3)), 10 ** min, 10 ** max), change: (value) => keep(model, { [key]: value }),
  });
  const gamma = power("gamma", "gamma: smoothing, in the unit of the cost", -3, 1, "gamma");
  const temperature = power("temperature", "temperature of the loss, in the unit of the summed cost", -2, 1, "temperature");
  const draws = () => model.get("_draws") ?? {};
  const firstSeed = () => Math.min(...Object.keys(draws()).map((name) => Number(name.split(" ")[1])));

  // ---- parts

  const fact = (name) => {
    const value = element("strong");
    return { box: element("span", { "data-fact": name }, element("span", { class: "tc-soft" }, `${name} `), value), value };
  };
  const facts = Object.fromEntries(["loss", "true order", "this wrong order", "told from it", "cheaper wrong orders"].map((name) => [name, fact(name)]));
  const bars = element("div", { class: "ts-orders", role: "listbox", tabindex: 0, "aria-label": "wrong orders by cost. Arrow keys choose one." });
  const dot = (colour, text) => element("span", {}, element("i", { ".style": `background: var(${colour})` }), text);
  const key = element("div", { class: "ts-key" }, "soft-DTW of each order, the cheapest first:", dot("--tint", "true order"), dot("--accent", "shown"), dot("--soft", "other wrong orders"));
  const height = (wide) => clamp(wide * clamp(n / m, 0.4, 1), Math.min(150, n * 30), 280);
  const panels = ["True order", "Wrong order", "Gradient of the loss"].map((name, k) => {
    const value = element("span", { class: "tc-soft", "data-panel": k }), ribbon = element("div", { class: "ts-ribbon", "aria-hidden": "true" }), words = element("p", { class: "ts-words tc-soft" });
    const map = heatMap(root, { name, n, m, height, cursor: (i, j, kind) => visit(k, i, j, kind), brush: () => visit(k) });
    return { map, value, ribbon, words, box: element("section", { "aria-label": name }, element("div", { class: "ts-name" }, element("strong", {}, name), value), map.box, ribbon, words) };
  });
  const scale = element("span", { class: "ts-scale" });
  const missing = element("p", { class: "tc-problem", role: "alert", hidden: true }, "These orders are drawn in Python, which does not answer: run the cell again, or save the view as a page, which holds some of every kind.");
  root.onEnd(() => clearTimeout(waiting));
  const list = element("ol", { class: "ts-list", start: 0, "aria-label": "sentences" }, ...sentences.map((text) => element("li", {}, label(text || "(empty)"))));
  root.append(element("div", { class: "ts" },
    element("div", { class: "tc-bar" }, kinds.box, draw), element("div", { class: "tc-bar" }, gamma.box, temperature.box),
    missing, element("div", { class: "ts-facts" }, ...Object.values(facts).map(({ box }) => box)), element("div", {}, bars, key),
    element("div", { class: "ts-panels" }, ...panels.map(({ box }) => box)), element("div", { class: "ts-foot" }, scale, "Gradient in nats per unit of cost: blue costs are lowered by training, orange ones raised."), list));

  // ---- what there is

  const onRows = () => model.get("shuffle") === "sentences";
  const chosen = () => clamp(model.get("order"), 0, orders.length - 1);

  function readOrders() {
    const kind = model.get("shuffle"), [known, seed] = model.get("_drawn"), steps = kind === "sentences" ? n : m;
    let bytes = known === kind && seed === model.get("seed") ? model.get("_orders") : null;
    if (!bytes && model.baked) {
      const kept = draws()[`${kind} ${model.get("seed")}`];
      bytes = kept && bytesOf(kept.base64);
    }
    if (!bytes) return false; // the kernel is drawing
    const all = new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    orders = Array.from({ length: all.length / steps }, (_, k) => all.subarray(k * steps, (k + 1) * steps));
    return orders.length > 0;
  }

  /** Costs with their columns, or rows, in an order. */
  function reordered(order) {
    const made = new Float32Array(n * m), rows = onRows();
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) made[i * m + j] = rows ? cost[order[i] * m + j] : cost[i * m + order[j]];
    return made;
  }

  /** Distances, the loss, and the gradient of the loss on the costs in true order. */
  function compute() {
    const g = model.get("gamma"), t = model.get("temperature"), rows = onRows();
    const all = [cost, ...orders.map(reordered)].map((each, k) => align(each, n, m, { gamma: g, path: k === 0 }));
    const values = all.map(({ value }) => value), least = Math.min(...values);
    const weights = values.map((value) => Math.exp((least - value) / t)), sum = weights.reduce((a, b) => a + b, 0);
    const shares = weights.map((weight) => weight / sum), gradient = new Float32Array(n * m);
    all.forEach(({ alignment }, k) => {
      const by = ((k === 0 ? 1 : 0) - shares[k]) / t, order = orders[k - 1];
      for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) gradient[k === 0 ? i * m + j : rows ? order[i] * m + j : i * m + order[j]] += by * alignment[i * m + j];
    });
    const loss = least === Infinity ? Infinity : (values[0] - least) / t + Math.log(sum);
    return { values, shares, gradient, loss, path: all[0].path };
  }

  // ---- drawing

  const drawAll = oncePerFrame(() => {
    draw.disabled = model.get("shuffle") === "reversed"; // there is only one
    kinds.set(model.get("shuffle")), gamma.set(model.get("gamma")), temperature.set(model.get("temperature"));
    const known = readOrders();
    clearTimeout(waiting);
    if (known) missing.hidden = true;
    else waiting = setTimeout(() => (missing.hidden = false), model.baked ? 0 : 1500);
    if (!known) return;
    found = compute();
    drawOrders();
    drawChosen();
  });

  function drawOrders() {
    const { values } = found, finite = values.filter((value) => value < Infinity), [least, most] = limits(finite);
    const ranked = values.map((_, k) => k).sort((a, b) => values[a] - values[b]);
    bars.replaceChildren(...ranked.map((k) => {
      const ground = Math.min(0, least), tall = values[k] === Infinity ? 1 : Math.max(0.03, (values[k] - ground) / (most - ground || 1));
      const bar = element("div", { class: "ts-order", id: `${root.id}-o${k}`, role: "option", "data-order": k - 1, "data-true": k === 0, "aria-disabled": k === 0 || null, ".style": `--tall: ${100 * tall}%`, "aria-label": `${k === 0 ? "true order" : `wrong order ${k}`}, ${written(values[k])}`, title: `${k === 0 ? "true order" : `wrong order ${k}`}: ${written(values[k])}` });
      if (k > 0) bar.addEventListener("click", () => keep(model, { order: k - 1 }));
      return bar;
    }));
  }

  const drawChosen = oncePerFrame(() => {
    if (!found || !orders.length) return;
    const k = chosen(), order = orders[k], { values, shares, gradient, loss } = found, made = reordered(order);
    shown = { made, order };
    for (const bar of bars.children) bar.setAttribute("aria-selected", String(Number(bar.dataset.order) === k));
    bars.setAttribute("aria-activedescendant", `${root.id}-o${k + 1}`);
    const wrong = align(made, n, m, { gamma: 0 });
    const white = { colour: "#ffffff", shift: 0 };
    panels[0].map.show({ layers: [{ values: cost, low, high }], paths: [{ cells: found.path, ...white }] });
    panels[1].map.show({ layers: [{ values: made, low, high }], paths: [{ cells: wrong.path, ...white }] });
    const most = gradient.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-12), part = (sign) => gradient.map((value) => Math.max(0, sign * value) / most);
    panels[2].map.show({ layers: [{ tints: [{ values: part(1), colour: root.colour("--tint") ?? [0, 90, 140] }, { values: part(-1), colour: root.colour("--accent") ?? [194, 65, 12] }] }], paths: [] });
    panels[0].value.textContent = written(values[0]), panels[1].value.textContent = written(values[k + 1]);
    panels[2].value.textContent = `up to ${written(most)}`;
    drawRibbon(panels[0].ribbon, null), drawRibbon(panels[1].ribbon, onRows() ? null : order), drawRibbon(panels[2].ribbon, null);
    panels[1].words.textContent = onRows() ? `sentences in the order ${[...order].slice(0, 24).join(", ")}${n > 24 ? ", …" : ""}` : "";
    facts.loss.value.textContent = `${written(loss)} nats`;
    facts["true order"].value.textContent = written(values[0]);
    facts["this wrong order"].value.textContent = written(values[k + 1]);
    facts["told from it"].value.textContent = shares[0] + shares[k + 1] > 0 ? `${Math.round((100 * shares[0]) / (shares[0] + shares[k + 1]))} %` : "no path";
    facts["cheaper wrong orders"].value.textContent = `${values.slice(1).filter((value) => value < values[0]).length} of ${orders.length}`;
    drawFound();
  });

  /** Blocks of the sentences that clips show, clip by clip or run by run. */
  function drawRibbon(box, order) {
    const runs = [];
    for (let at = 0; at < m; at++) {
      const clip = order ? order[at] : at, last = runs.at(-1);
      if (last && segments[clip] === last.segment && (m > ALL_SHOWN || clip === last.clip + 1)) (last.size += 1), (last.clip = clip);
      else runs.push({ segment: segments[clip], clip, size: 1 });
    }
    box.replaceChildren(...runs.map(({ segment, size }) => {
      const [red, green, blue] = colourOf(Math.round((165 * Math.max(0, segment)) / Math.max(1, n - 1)));
      const style = segment < 0 ? `--clips: ${size}` : `--clips: ${size}; background: rgb(${red}, ${green}, ${blue})`;
      return element("span", { ".style": style, "data-none": segment < 0, title: segment < 0 ? "background" : `clips of sentence ${segment}` }, segment < 0 ? "" : String(segment));
    }));
  }

  function visit(k, i, j, kind) {
    cursor = i === undefined ? null : { k, i, j };
    panels.forEach(({ map }, at) => map.show({ cursor: cursor && cursor.k === at ? [i, j] : null }));
    drawFound();
    if (kind === "key") root.say(panels[k].words.textContent);
  }

  function drawFound() {
    panels.forEach(({ words }, at) => {
      if (at === 1 && onRows() && cursor?.k !== 1) return;
      words.textContent = "";
    });
    if (!cursor || !found) return;
    const { k, i, j } = cursor, cell = i * m + j, wrong = k === 1;
    const clip = wrong && !onRows() ? shown.order[j] : j, row = wrong && onRows() ? shown.order[i] : i;
    const value = k === 2 ? `gradient ${written(found.gradient[cell])}` : `cost ${written((wrong ? shown.made : cost)[cell])}`;
    panels[k].words.textContent = `sentence ${row}, clip ${clip}${segments[clip] >= 0 ? ` (of sentence ${segments[clip]})` : ""}: ${value}`;
  }

  // ---- what the reader does

  bars.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || !found) return;
    event.preventDefault();
    const ranked = [...bars.children].map((bar) => Number(bar.dataset.order)).filter((order) => order >= 0);
    const next = ranked[clamp(ranked.indexOf(chosen()) + by, 0, ranked.length - 1)];
    keep(model, { order: next });
    bars.querySelector(`[data-order="${next}"]`).scrollIntoView({ block: "nearest", inline: "nearest" });
  });

  const ends = element("canvas", { width: 256, height: 1 }), context = ends.getContext("2d"), strip = context.createImageData(256, 1);
  for (let at = 0; at < 256; at++) strip.data.set([...colourOf(at), 255], 4 * at);
  context.putImageData(strip, 0, 0);
  scale.append("cost ", written(low, 2), ends, written(high, 2));

  on(root, model, { "change:shuffle change:seed change:_orders change:_drawn change:gamma change:temperature": drawAll, "change:order": drawChosen });
  root.onTheme(() => drawChosen());
  drawAll();
  return root.dispose;
}

export default { render };
