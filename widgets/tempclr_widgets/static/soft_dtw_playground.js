// Two curves to draw, and what soft-DTW and its relatives make of them.

import { align, KINDS } from "./align.js";
import { buttons, clamp, element, keep, limits, mount, on, oncePerFrame, slider, written } from "./view.js";
import { heatMap } from "./heat_map.js";

const NAMES = { dtw: "Soft-DTW", otam: "OTAM", drop_dtw: "Drop-DTW", subsequence_dtw: "Subsequence" };
const HINTS = {
  dtw: "all of x with all of y, from the first steps to the last", otam: "every step of y once; first and last steps of x may be left out",
  drop_dtw: "steps of y may be left out, at a price each", subsequence_dtw: "all of x with the part of y that fits best",
};
const bell = (at, middle, width) => Math.exp(-(((at - middle) / width) ** 2) / 2);
const wave = (at) => Math.sin(2 * Math.PI * 2 * at);
// each as two functions of 0 to 1 and two numbers of steps
const PRESETS = {
  "a bump, later and slower": [(t) => bell(t, 0.35, 0.11), (t) => bell(t, 0.65, 0.14), 24, 30],
  "two bumps, closer": [(t) => bell(t, 0.25, 0.07) + 0.7 * bell(t, 0.75, 0.07), (t) => bell(t, 0.4, 0.06) + 0.7 * bell(t, 0.65, 0.06), 32, 32],
  "a wave, warped in time": [wave, (t) => wave(t ** 1.7), 32, 40],
  "a part of the other": [(t) => wave(0.25 + t / 2), (t) => (t < 0.3 || t > 0.7 ? 0.15 : wave(0.25 + (t - 0.3) / 0.8)), 18, 45],
  "with an outlier": [(t) => bell(t, 0.5, 0.16), (t) => (Math.abs(t - 0.2) < 0.02 ? -1 : bell(t, 0.5, 0.16)), 26, 26],
  "nothing alike": [(t) => 0.8 * Math.sin(21 * t), (t) => 1 - 2 * t, 24, 24],
};
const WIDE = [-1.2, 1.2]; // values that can be drawn
const BOX = { width: 1000, height: 330, side: 26, x: [18, 138], y: [192, 312] }; // where the curves are
const MOST = 120;

const STYLE = `
.tp { display: grid; gap: 14px; }
.tp-curves { position: relative; touch-action: none; user-select: none; }
.tp-curves canvas { display: block; width: 100%; border-radius: 6px; background: var(--raised); cursor: crosshair; }
.tp-hold { position: absolute; inset-inline: 0; height: 46%; border-radius: 6px; pointer-events: none; } .tp-hold[data-curve=x] { top: 0; } .tp-hold[data-curve=y] { bottom: 0; }
.tp-hold:focus-visible { outline: 2px solid var(--accent); outline-offset: -3px; }
.tp-maps { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px 22px; }
.tp-name { display: flex; flex-wrap: wrap; gap: 0 10px; padding-inline-start: 38px; margin-bottom: 4px; }
.tp .tp-found { font-size: 12px; min-height: 1.45em; }
.tp-key { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 12px; color: var(--soft); margin-top: 4px; }
@container (max-width: 640px) { .tp-maps { grid-template-columns: minmax(0, 1fr); } .tp-name { padding-inline-start: 0; } .tc-slider { flex-basis: 40%; max-width: none; } }
`;

function render({ model, el }) {
  const root = mount(el, STYLE);
  let found = null, cost = null, maps = [], held = null, drawn = null, range = WIDE, size = null;
  const chosen = { x: 0, y: 0 }; // step of each curve that the keyboard is at
  const curve = (name) => model.get(name);

  // ---- controls

  const measures = buttons({ name: "align by", options: Object.entries(NAMES).map(([kind, name]) => [kind, name, HINTS[kind]]), change: (value) => keep(model, { measure: value }) });
  const presets = element("select", { "aria-label": "example curves" }, element("option", { value: "" }, "Examples…"), ...Object.keys(PRESETS).map((name) => element("option", { value: name }, name)));
  presets.addEventListener("change", () => {
    const [x, y, n, m] = PRESETS[presets.value];
    const values = (shape, steps) => Array.from({ length: steps }, (_, k) => round(shape(k / (steps - 1))));
    range = WIDE;
    keep(model, { x: values(x, n), y: values(y, m), cursor: [] });
    presets.value = "";
  });
  const gamma = slider({
    name: "gamma", hint: "gamma: smoothing, in the unit of the cost; at the left end hard", min: -3.05, max: 1, step: 0.05, place: (value) => (value === 0 ? -3.05 : Math.log10(value)),
    read: (at) => (Number(at) < -3.01 ? 0 : clamp(Number((10 ** Number(at)).toPrecision(3)), 0.001, 10)), show: (value) => (value === 0 ? "0, hard" : String(Number(value.toPrecision(3)))), change: (value) => keep(model, { gamma: value }),
  });
  const widest = 20;
  const band = slider({
    name: "band", hint: "band: steps off the line between the corners; at the right end all cells take part", min: 0, max: widest, step: 1,
    read: (at) => (Number(at) >= widest ? -1 : Number(at)), place: (value) => (value < 0 ? widest : value), show: (value) => (value < 0 ? "none" : `${value} step${value === 1 ? "" : "s"}`), change: (value) => keep(model, { band: value }),
  });
  const drop = slider({ name: "drop cost", hint: "drop cost: price of leaving out a step of y", min: 0, max: 2, step: 0.01, show: (value) => value.toFixed(2), change: (value) => keep(model, { drop_cost: value }) });
  const lengths = ["x", "y"].map((name) => slider({ name: `steps of ${name}`, min: 2, max: MOST, step: 1, change: (value) => keep(model, { [name]: resampled(curve(name), value), cursor: [] }) }));
  const bar = element("div", { class: "tc-bar" }, measures.box, presets);
  const sliders = element("div", { class: "tc-bar" }, gamma.box, band.box, drop.box, ...lengths.map(({ box }) => box));

  // ---- curves

  const canvas = element("canvas", { "aria-hidden": "true" });
  const holds = Object.fromEntries(["x", "y"].map((name) => [name, element("div", { class: "tp-hold", "data-curve": name, tabindex: 0, role: "slider", "aria-orientation": "vertical" })]));
  const curves = element("div", { class: "tp-curves" }, canvas, ...Object.values(holds));
  const words = element("div", { class: "tp-key" }, element("span", {}, "Draw with the mouse; or Tab to a curve: ← → choose a step, ↑ ↓ move it."), element("span", { class: "tp-left" }));
  const values = ["hard", "soft"].map((kind) => element("span", { class: "tc-soft", "data-kind": kind }));
  const places = [element("div"), element("div")];
  const titles = ["Costs and cheapest path", "Alignment"];
  const panels = titles.map((name, k) => element("section", { "aria-label": name }, element("div", { class: "tp-name" }, element("strong", {}, name), values[k]), places[k]));
  const note = element("p", { class: "tp-found tc-soft" });
  root.append(element("div", { class: "tp" }, bar, sliders, element("div", {}, curves, words), element("div", { class: "tp-maps" }, ...panels), note));

  const across = (k, steps) => BOX.side + (steps > 1 ? k / (steps - 1) : 0.5) * (BOX.width - 2 * BOX.side);
  const up = (name, value) => BOX[name][1] - ((value - range[0]) / (range[1] - range[0])) * (BOX[name][1] - BOX[name][0]);

  /** Where a pointer is: the curve, its nearest step and the value there. */
  function pointAt(event, name) {
    const bounds = canvas.getBoundingClientRect(), steps = curve(name ?? "x").length;
    const left = ((event.clientX - bounds.left) / bounds.width) * BOX.width, top = ((event.clientY - bounds.top) / bounds.height) * BOX.height;
    const which = name ?? (top < BOX.height / 2 ? "x" : "y"), count = name ? steps : curve(which).length;
    const step = clamp(Math.round(((left - BOX.side) / (BOX.width - 2 * BOX.side)) * (count - 1)), 0, count - 1);
    const share = (BOX[which][1] - top) / (BOX[which][1] - BOX[which][0]);
    return { name: which, step, value: round(clamp(range[0] + share * (range[1] - range[0]), range[0], range[1])) };
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    held = pointAt(event);
    holds[held.name].focus({ preventScroll: true });
    strokeTo(held);
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (held) strokeTo(pointAt(event, held.name));
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (held = null));

  /** Draw from where the pointer was to where it is, so that no step between is left out. */
  function strokeTo(to) {
    const made = [...curve(to.name)], from = held, steps = Math.abs(to.step - from.step);
    for (let k = 0; k <= steps; k++) {
      const share = steps ? k / steps : 1;
      made[from.step + Math.sign(to.step - from.step) * k] = round(from.value + share * (to.value - from.value));
    }
    held = to;
    chosen[to.name] = to.step;
    keep(model, { [to.name]: made });
  }

  for (const [name, hold] of Object.entries(holds)) {
    hold.addEventListener("keydown", (event) => {
      const steps = curve(name).length, fine = (range[1] - range[0]) / 40, { key } = event;
      const move = { ArrowLeft: -1, ArrowRight: 1, Home: -steps, End: steps }[key], lift = { ArrowUp: fine, ArrowDown: -fine, PageUp: 5 * fine, PageDown: -5 * fine }[key];
      if (move === undefined && lift === undefined) return;
      event.preventDefault();
      chosen[name] = clamp(chosen[name] + (move ?? 0), 0, steps - 1);
      if (lift === undefined) return drawCurves();
      const made = [...curve(name)];
      made[chosen[name]] = round(clamp(made[chosen[name]] + lift, ...range));
      keep(model, { [name]: made });
    });
    hold.addEventListener("focus", () => drawCurves());
    hold.addEventListener("blur", () => drawCurves());
  }

  const drawCurves = oncePerFrame(() => {
    const wide = canvas.clientWidth;
    if (!wide) return;
    const ratio = window.devicePixelRatio || 1, scale = wide / BOX.width;
    canvas.style.height = `${Math.max(220, BOX.height * scale)}px`;
    size = { wide, high: Math.max(220, BOX.height * scale) };
    canvas.width = Math.round(size.wide * ratio), canvas.height = Math.round(size.high * ratio);
    const context = canvas.getContext("2d"), sx = (canvas.width / BOX.width), sy = canvas.height / BOX.height;
    const at = (name, k, value) => [across(k, curve(name).length) * sx, up(name, value) * sy];
    const ink = (name) => `rgb(${root.colour(name)})`;
    context.clearRect(0, 0, canvas.width, canvas.height);
    const x = curve("x"), y = curve("y"), m = y.length;
    if (found) {
      context.strokeStyle = ink("--accent");
      found.alignment.forEach((weight, cell) => {
        if (!(weight > 0.02)) return;
        const i = Math.floor(cell / m), j = cell % m;
        context.globalAlpha = Math.min(1, weight) * 0.75;
        context.lineWidth = (0.6 + 0.9 * Math.min(1, weight)) * ratio;
        context.beginPath();
        context.moveTo(...at("x", i, x[i])), context.lineTo(...at("y", j, y[j]));
        context.stroke();
      });
      context.globalAlpha = 1;
    }
    for (const name of ["x", "y"]) {
      const values = curve(name), focused = document.activeElement === holds[name] || root.getRootNode().activeElement === holds[name];
      const matched = found && (name === "x" ? (k) => sumOf(found.alignment, k * m, m, 1) : (k) => sumOf(found.alignment, k, x.length, m));
      context.strokeStyle = context.fillStyle = ink(name === "x" ? "--tint" : "--ink");
      context.lineWidth = 2 * ratio;
      context.lineJoin = "round";
      context.beginPath();
      values.forEach((value, k) => context[k ? "lineTo" : "moveTo"](...at(name, k, value)));
      context.stroke();
      values.forEach((value, k) => {
        const [left, top] = at(name, k, value), here = focused && k === chosen[name];
        context.beginPath();
        context.arc(left, top, (here ? 6 : values.length > 60 ? 1.8 : 3.2) * ratio, 0, 2 * Math.PI);
        const free = matched && matched(k) < 0.5; // left out
        context.fillStyle = here ? ink("--accent") : free ? ink("--raised") : ink(name === "x" ? "--tint" : "--ink");
        context.fill();
        if (free || here) (context.lineWidth = 1.4 * ratio), context.stroke();
      });
      context.fillStyle = ink("--soft");
      context.font = `${12 * ratio}px system-ui, sans-serif`;
      context.fillText(name, 7 * ratio, (BOX[name][0] + 10) * sy);
      const k = chosen[name];
      for (const [attribute, text] of Object.entries({
        "aria-label": `curve ${name}, ${values.length} steps. Left and right choose a step, up and down move it.`, "aria-valuemin": range[0], "aria-valuemax": range[1], "aria-valuenow": values[k], "aria-valuetext": `step ${k}: ${values[k].toFixed(2)}`,
      })) holds[name].setAttribute(attribute, text);
    }
  });

  // ---- alignment

  const recompute = oncePerFrame(() => {
    const x = curve("x"), y = curve("y"), n = x.length, m = y.length, kind = model.get("measure");
    const [low, high] = limits([...x, ...y]);
    range = [Math.min(range[0], low), Math.max(range[1], high)]; // never less, or what was lowered could not be raised
    cost = new Float64Array(n * m);
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) cost[i * m + j] = (x[i] - y[j]) ** 2;
    const reach = model.get("band"), options = { gamma: model.get("gamma"), band: reach < 0 ? null : reach, dropX: null, dropY: kind === "drop_dtw" ? model.get("drop_cost") : null };
    found = align(cost, n, m, KINDS[kind](options));
    for (const name of ["x", "y"]) chosen[name] = Math.min(chosen[name], curve(name).length - 1);
    measures.set(kind), gamma.set(options.gamma), band.set(reach), drop.set(model.get("drop_cost")), lengths[0].set(n), lengths[1].set(m);
    band.box.hidden = kind !== "dtw", drop.box.hidden = kind !== "drop_dtw";
    if (drawn !== `${n} ${m}`) {
      drawn = `${n} ${m}`;
      maps.forEach((map) => map.end());
      const height = (wide) => clamp(wide * clamp(n / m, 0.5, 1), 160, 340);
      maps = titles.map((name) => heatMap(root, { name, n, m, rowName: "x step", columnName: "y step", height, cursor: visit, brush: () => keep(model, { cursor: [] }) }));
      maps.forEach((map, k) => places[k].replaceChildren(map.box));
    }
    const [least, most] = limits(cost);
    maps[0].show({ layers: [{ values: cost, low: least, high: most }], paths: [{ cells: found.path, colour: "#ffffff", shift: 0 }] });
    maps[1].show({ layers: [{ tints: [{ values: found.alignment, colour: root.colour("--tint") ?? [0, 90, 140] }] }], paths: [] });
    values[0].textContent = `${NAMES[kind]}, hard: ${written(found.hard)}`;
    values[1].textContent = options.gamma === 0 ? `hard: ${written(found.value)}` : `soft, gamma ${Number(options.gamma.toPrecision(3))}: ${written(found.value)}`;
    const free = y.filter((_, j) => sumOf(found.alignment, j, n, m) < 0.5).length, freeX = x.filter((_, i) => sumOf(found.alignment, i * m, m, 1) < 0.5).length;
    words.lastChild.textContent = found.value === Infinity ? "No alignment is allowed." : free || freeX ? `Left out (hollow): ${freeX} step${freeX === 1 ? "" : "s"} of x, ${free} of y.` : "";
    drawCurves();
    drawFound();
  });

  function visit(i, j, kind) {
    if (kind === "hover") return say(i, j);
    keep(model, { cursor: [i, j] });
    if (kind === "key") (say(i, j), root.say(note.textContent));
  }

  function say(i, j) {
    const cell = i * curve("y").length + j;
    note.textContent = `step ${i} of x (${curve("x")[i].toFixed(2)}) with step ${j} of y (${curve("y")[j].toFixed(2)}): cost ${written(cost[cell])}, matched ${written(found.alignment[cell])} times`;
  }

  function drawFound() {
    const [i, j] = model.get("cursor"), inside = i < curve("x").length && j < curve("y").length;
    maps.forEach((map) => map.show({ cursor: inside ? [i, j] : null }));
    if (inside) say(i, j);
    else note.textContent = "";
  }

  const observer = new ResizeObserver(drawCurves);
  observer.observe(curves);
  root.onEnd(() => observer.disconnect());
  on(root, model, { "change:x change:y change:measure change:gamma change:band change:drop_cost": recompute, "change:cursor": drawFound });
  root.onTheme(() => recompute());
  recompute();
  return root.dispose;
}

/** Numbers of a hand-drawn curve need no more than four decimals. */
function round(value) {
  return Math.round(value * 1e4) / 1e4;
}

/** A curve with another number of steps, straight in between. */
function resampled(values, steps) {
  return Array.from({ length: steps }, (_, k) => {
    const at = steps > 1 ? (k / (steps - 1)) * (values.length - 1) : 0, low = Math.floor(at), high = Math.min(low + 1, values.length - 1);
    return round(values[low] + (at - low) * (values[high] - values[low]));
  });
}

/** Sum of `count` numbers from a place on, in strides. */
function sumOf(values, from, count, stride) {
  let sum = 0;
  for (let k = 0; k < count; k++) sum += values[from + k * stride];
  return sum;
}

export default { render };
