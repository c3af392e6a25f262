// Two curves to draw, and what soft-DTW and its relatives make of them.

import { align, OPTIONS } from "./align.js";
import { bandSlider, buttons, dropSlider, gammaSlider, panel, select, slider } from "./controls.js";
import { curvesOf, matchedOf, resampled, round } from "./curves.js";
import { heatMap, inkLayer, whitePath } from "./heat_map.js";
import { clamp, counted, limits, short, written } from "./numbers.js";
import { element, keep, mount, on, oncePerFrame } from "./view.js";

const bell = (at, middle, width) => Math.exp(-(((at - middle) / width) ** 2) / 2);
const wave = (at) => Math.sin(2 * Math.PI * 2 * at);
// each as two functions of 0 to 1 and two numbers of steps
const EXAMPLES = {
  "a bump, later and slower": [(t) => bell(t, 0.35, 0.11), (t) => bell(t, 0.65, 0.14), 24, 30],
  "two bumps, closer": [
    (t) => bell(t, 0.25, 0.07) + 0.7 * bell(t, 0.75, 0.07),
    (t) => bell(t, 0.4, 0.06) + 0.7 * bell(t, 0.65, 0.06),
    32,
    32,
  ],
  "a wave, warped in time": [wave, (t) => wave(t ** 1.7), 32, 40],
  "a part of the other": [
    (t) => wave(0.25 + t / 2),
    (t) => (t < 0.3 || t > 0.7 ? 0.15 : wave(0.25 + (t - 0.3) / 0.8)),
    18,
    45,
  ],
  "with an outlier": [
    (t) => bell(t, 0.5, 0.16),
    (t) => (Math.abs(t - 0.2) < 0.02 ? -1 : bell(t, 0.5, 0.16)),
    26,
    26,
  ],
  "nothing alike": [(t) => 0.8 * Math.sin(21 * t), (t) => 1 - 2 * t, 24, 24],
};
const WIDE = [-1.2, 1.2]; // values that can be drawn
const TITLES = ["Costs and cheapest path", "Alignment"];

const STYLE = `
.tp { display: grid; gap: 14px; }
.tp-curves { position: relative; touch-action: none; user-select: none; }
.tp-curves canvas {
  display: block; width: 100%; border-radius: 6px; background: var(--raised); cursor: crosshair;
}
.tp-hold { position: absolute; inset-inline: 0; height: 46%; border-radius: 6px; pointer-events: none; }
.tp-hold[data-curve=x] { top: 0; }
.tp-hold[data-curve=y] { bottom: 0; }
.tp-hold:focus-visible { outline: 2px solid var(--accent); outline-offset: -3px; }
.tp-maps { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px 22px; }
.tp .tp-found { font-size: 12px; min-height: 1.45em; }
.tp-key { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 12px; color: var(--soft); margin-top: 4px; }
@container (max-width: 640px) {
  .tp-maps { grid-template-columns: minmax(0, 1fr); }
  .tc-slider { flex-basis: 40%; max-width: none; }
}
`;

function render({ model, el }) {
  const root = mount(el, STYLE);
  const view = { root, model, found: null, cost: null, maps: [], shape: "", range: WIDE };
  const controls = controlsOf(view);
  const curves = curvesOf(root, model, { range: () => view.range, alignment: () => view.found?.alignment ?? null });
  view.facts = ["hard", "soft"].map((name) => element("span", { class: "tc-soft", "data-kind": name }));
  view.places = [element("div"), element("div")];
  view.note = element("p", { class: "tp-found tc-soft" });
  const panels = TITLES.map((name, k) => panel(name, [view.facts[k]], view.places[k]));
  const drawn = element("div", {}, ...curves.boxes), maps = element("div", { class: "tp-maps" }, ...panels);
  root.append(element("div", { class: "tp" }, ...controls.boxes, drawn, maps, view.note));

  const draw = oncePerFrame(() => {
    compute(view);
    curves.limit();
    controls.draw();
    drawMaps(view);
    curves.words.textContent = leftOut(view);
    curves.draw();
    drawCursor(view);
  });
  const settings = ["x", "y", "alignment", "gamma", "band", "drop_cost"];
  on(root, model, {
    [settings.map((each) => `change:${each}`).join(" ")]: draw,
    "change:cursor": () => drawCursor(view),
  });
  root.onTheme(draw);
  draw();
  return root.dispose;
}

/** Makes the controls. Returns { boxes, draw }. */
function controlsOf(view) {
  const { model } = view;
  const options = model.get("_choices"), change = (value) => keep(model, { alignment: value });
  const alignments = buttons({ name: "align by", options, change });
  const named = [["", "Examples…"], ...Object.keys(EXAMPLES).map((name) => [name, name])];
  const examples = select({
    name: "example curves",
    options: named,
    change(name) {
      const [x, y, n, m] = EXAMPLES[name];
      const values = (shape, steps) => Array.from({ length: steps }, (_, k) => round(shape(k / (steps - 1))));
      view.range = WIDE;
      keep(model, { x: values(x, n), y: values(y, m), cursor: [] });
      examples.value = "";
    },
  });
  const ends = model.get("_limits"), [cheapest, dearest] = ends.drop_cost, [shortest, longest] = ends.steps;
  const gamma = gammaSlider(model, { hard: true }), band = bandSlider(model, { widest: ends.band[1], step: 1 });
  const dropHint = "drop cost: price of leaving out a step of y";
  const drop = dropSlider(model, { hint: dropHint, min: cheapest, max: dearest, step: 0.01 });
  const lengths = ["x", "y"].map((name) =>
    slider({
      name: `steps of ${name}`,
      min: shortest,
      max: longest,
      step: 1,
      change: (value) => keep(model, { [name]: resampled(model.get(name), value), cursor: [] }),
    })
  );
  const draw = () => {
    const name = model.get("alignment");
    alignments.set(name);
    gamma.set(model.get("gamma"));
    band.set(model.get("band"));
    drop.set(model.get("drop_cost"));
    ["x", "y"].forEach((each, k) => lengths[k].set(model.get(each).length));
    band.box.hidden = name !== "dtw";
    drop.box.hidden = name !== "drop_dtw";
  };
  const sliders = [gamma.box, band.box, drop.box, ...lengths.map(({ box }) => box)];
  const bars = [[alignments.box, examples], sliders];
  return { boxes: bars.map((boxes) => element("div", { class: "tc-bar" }, ...boxes)), draw };
}

/** Aligns the curves as they are. */
function compute(view) {
  const { model } = view, x = model.get("x"), y = model.get("y"), n = x.length, m = y.length;
  const [low, high] = limits([...x, ...y]), name = model.get("alignment"), band = model.get("band");
  // the range never shrinks, or a step that was lowered could not be raised again
  view.range = [Math.min(view.range[0], low), Math.max(view.range[1], high)];
  view.cost = new Float64Array(n * m);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) view.cost[i * m + j] = (x[i] - y[j]) ** 2;
  const dropY = name === "drop_dtw" ? model.get("drop_cost") : null;
  const options = { gamma: model.get("gamma"), band: band < 0 ? null : band, dropX: null, dropY };
  view.found = align(view.cost, n, m, OPTIONS[name](options));
}

function drawMaps(view) {
  const { root, model, cost, found, facts, places } = view, gamma = model.get("gamma");
  const n = model.get("x").length, m = model.get("y").length, shape = `${n} ${m}`, [low, high] = limits(cost);
  if (view.shape !== shape) {
    view.shape = shape;
    view.maps.forEach((map) => map.end());
    const height = (wide) => clamp(wide * clamp(n / m, 0.5, 1), 160, 340);
    const options = { n, m, rowName: "x step", columnName: "y step", height };
    const cursor = (i, j, kind) => visit(view, i, j, kind), brush = () => keep(model, { cursor: [] });
    view.maps = TITLES.map((name) => heatMap(root, { name, ...options, cursor, brush }));
    view.maps.forEach((map, k) => places[k].replaceChildren(map.box));
  }
  const [costs, alignment] = view.maps;
  costs.show({ layers: [{ values: cost, low, high }], paths: whitePath(found.path) });
  alignment.show({ layers: [inkLayer(root, found.alignment)], paths: [] });
  const [, name] = model.get("_choices").find(([key]) => key === model.get("alignment"));
  facts[0].textContent = `${name}, hard: ${written(found.hard)}`;
  facts[1].textContent = `${gamma === 0 ? "hard" : `soft, gamma ${short(gamma)}`}: ${written(found.value)}`;
}

/** Returns how many steps no alignment matches, as text. */
function leftOut({ model, found }) {
  if (found.value === Infinity) return "No alignment is allowed.";
  const n = model.get("x").length, m = model.get("y").length;
  const [x, y] = ["x", "y"].map((name) => matchedOf(name, found.alignment, n, m).filter((sum) => sum < 0.5).length);
  return x || y ? `Left out (hollow): ${counted(x, "step")} of x, ${y} of y.` : "";
}

// ---- one cell

function visit(view, i, j, kind) {
  if (kind === "hover") return describe(view, i, j);
  keep(view.model, { cursor: [i, j] });
  if (kind !== "key") return;
  describe(view, i, j);
  view.root.say(view.note.textContent);
}

/** Says what is known of a cell. */
function describe({ model, cost, found, note }, i, j) {
  const x = model.get("x")[i].toFixed(2), y = model.get("y")[j].toFixed(2), cell = i * model.get("y").length + j;
  const matched = `cost ${written(cost[cell])}, matched ${written(found.alignment[cell])} times`;
  note.textContent = `step ${i} of x (${x}) with step ${j} of y (${y}): ${matched}`;
}

function drawCursor(view) {
  const { model, maps, note } = view, [i, j] = model.get("cursor");
  const inside = i < model.get("x").length && j < model.get("y").length;
  maps.forEach((map) => map.show({ cursor: inside ? [i, j] : null }));
  if (inside) describe(view, i, j);
  else note.textContent = "";
}

export default { render };
