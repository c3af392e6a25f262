// Two curves on canvas, one above the other, that are drawn by mouse and by keyboard, with links where they match.

import { clamp, sum } from "./numbers.js";
import { element, keep, oncePerFrame } from "./view.js";

const BOX = { width: 1000, height: 330, side: 26, x: [18, 138], y: [192, 312] }; // where the curves are
const LEAST_HEIGHT = 220; // CSS pixels
const HINT = "Draw with the mouse; or Tab to a curve: ← → choose a step, ↑ ↓ move it.";

/** Rounds a value of a curve: one drawn by hand needs no more than four decimals. */
export const round = (value) => Math.round(value * 1e4) / 1e4;

/** Returns a curve with another number of steps, straight in between. */
export function resampled(values, steps) {
  return Array.from({ length: steps }, (_, k) => {
    const at = steps > 1 ? (k / (steps - 1)) * (values.length - 1) : 0;
    const low = Math.floor(at), high = Math.min(low + 1, values.length - 1);
    return round(values[low] + (at - low) * (values[high] - values[low]));
  });
}

/** Returns how often each step is matched: of y by the columns of an alignment, of x by its rows. */
export function matchedOf(name, alignment, n, m) {
  const row = (i) => sum(alignment.subarray(i * m, (i + 1) * m));
  if (name === "x") return Array.from({ length: n }, (_, i) => row(i));
  const found = new Float64Array(m);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) found[j] += alignment[i * m + j];
  return [...found];
}

/**
 * Makes the curves. `range()` is the lowest and highest value that can be drawn, `alignment()` the alignment of the
 * curves or null. Returns { boxes, words, draw(), limit() }; `limit` keeps the chosen steps inside the curves.
 */
export function curvesOf(root, model, { range, alignment }) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const attributes = { class: "tp-hold", tabindex: 0, role: "slider", "aria-orientation": "vertical" };
  const holds = {};
  for (const name of ["x", "y"]) holds[name] = element("div", { ...attributes, "data-curve": name });
  const box = element("div", { class: "tp-curves" }, canvas, ...Object.values(holds));
  const words = element("span", { class: "tp-left" });
  const key = element("div", { class: "tp-key" }, element("span", {}, HINT), words);
  const chosen = { x: 0, y: 0 }; // step of each curve that the keyboard is at
  const curves = { root, model, canvas, holds, chosen, range, alignment };
  curves.draw = oncePerFrame(() => draw(curves));
  followPointer(curves);
  for (const name of ["x", "y"]) followKeys(curves, name);
  const observer = new ResizeObserver(curves.draw);
  observer.observe(box);
  root.onEnd(() => observer.disconnect());
  const limit = () => {
    for (const name of ["x", "y"]) chosen[name] = Math.min(chosen[name], model.get(name).length - 1);
  };
  return { boxes: [box, key], words, draw: curves.draw, limit };
}

// ---- the pointer and the keyboard

/** Returns where a pointer is: the curve, its nearest step and the value there. */
function pointAt({ model, canvas, range }, event, name) {
  const bounds = canvas.getBoundingClientRect(), [low, high] = range();
  const left = ((event.clientX - bounds.left) / bounds.width) * BOX.width;
  const down = ((event.clientY - bounds.top) / bounds.height) * BOX.height;
  const which = name ?? (down < BOX.height / 2 ? "x" : "y"), last = model.get(which).length - 1;
  const step = clamp(Math.round(((left - BOX.side) / (BOX.width - 2 * BOX.side)) * last), 0, last);
  const [top, bottom] = BOX[which], share = (bottom - down) / (bottom - top);
  return { name: which, step, value: round(clamp(low + share * (high - low), low, high)) };
}

function followPointer(curves) {
  const { canvas, holds } = curves;
  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    held = pointAt(curves, event);
    holds[held.name].focus({ preventScroll: true });
    stroke(curves, held, held);
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    const to = pointAt(curves, event, held.name);
    stroke(curves, held, to);
    held = to;
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (held = null));
}

/** Draws from where the pointer was to where it is, so that no step between is left out. */
function stroke({ model, chosen }, from, to) {
  const made = [...model.get(to.name)], steps = Math.abs(to.step - from.step);
  for (let k = 0; k <= steps; k++) {
    const share = steps ? k / steps : 1;
    made[from.step + Math.sign(to.step - from.step) * k] = round(from.value + share * (to.value - from.value));
  }
  chosen[to.name] = to.step;
  keep(model, { [to.name]: made });
}

function followKeys({ model, holds, chosen, range, draw }, name) {
  const hold = holds[name];
  hold.addEventListener("keydown", (event) => {
    const values = model.get(name), steps = values.length, [low, high] = range(), fine = (high - low) / 40;
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -steps, End: steps }[event.key];
    const lift = { ArrowUp: fine, ArrowDown: -fine, PageUp: 5 * fine, PageDown: -5 * fine }[event.key];
    if (move === undefined && lift === undefined) return;
    event.preventDefault();
    chosen[name] = clamp(chosen[name] + (move ?? 0), 0, steps - 1);
    if (lift === undefined) return draw();
    const made = [...values];
    made[chosen[name]] = round(clamp(made[chosen[name]] + lift, low, high));
    keep(model, { [name]: made });
  });
  hold.addEventListener("focus", () => draw());
  hold.addEventListener("blur", () => draw());
}

// ---- drawing

function draw(curves) {
  const { root, model, canvas, range, alignment } = curves, wide = canvas.clientWidth;
  if (!wide) return;
  const ratio = globalThis.devicePixelRatio || 1, high = Math.max(LEAST_HEIGHT, (BOX.height * wide) / BOX.width);
  canvas.style.height = `${high}px`;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const context = canvas.getContext("2d"), sx = canvas.width / BOX.width, sy = canvas.height / BOX.height;
  const [low, most] = range();
  const place = (name, k, value) => {
    const steps = model.get(name).length, [top, bottom] = BOX[name];
    const across = BOX.side + (steps > 1 ? k / (steps - 1) : 0.5) * (BOX.width - 2 * BOX.side);
    return [across * sx, (bottom - ((value - low) / (most - low)) * (bottom - top)) * sy];
  };
  const ink = (name) => `rgb(${root.colour(name)})`, drawing = { context, ratio, sy, place, ink };
  context.clearRect(0, 0, canvas.width, canvas.height);
  const n = model.get("x").length, m = model.get("y").length, found = alignment();
  if (found) drawLinks(drawing, model.get("x"), model.get("y"), found);
  for (const name of ["x", "y"]) {
    drawCurve(drawing, curves, name, found && matchedOf(name, found, n, m));
    tell(curves, name);
  }
}

/** Draws a line between steps that are matched, as strong as they are. */
function drawLinks({ context, ratio, place, ink }, x, y, alignment) {
  context.strokeStyle = ink("--accent");
  alignment.forEach((weight, cell) => {
    if (!(weight > 0.02)) return;
    const i = Math.floor(cell / y.length), j = cell % y.length;
    context.globalAlpha = Math.min(1, weight) * 0.75;
    context.lineWidth = (0.6 + 0.9 * Math.min(1, weight)) * ratio;
    context.beginPath();
    context.moveTo(...place("x", i, x[i]));
    context.lineTo(...place("y", j, y[j]));
    context.stroke();
  });
  context.globalAlpha = 1;
}

/** Draws a curve with its steps; those that are left out are hollow. */
function drawCurve({ context, ratio, sy, place, ink }, { root, model, holds, chosen }, name, matched) {
  const values = model.get(name), colour = ink(name === "x" ? "--tint" : "--ink");
  const focused = [document.activeElement, root.getRootNode().activeElement].includes(holds[name]);
  context.strokeStyle = colour;
  context.lineWidth = 2 * ratio;
  context.lineJoin = "round";
  context.beginPath();
  values.forEach((value, k) => context[k ? "lineTo" : "moveTo"](...place(name, k, value)));
  context.stroke();
  values.forEach((value, k) => {
    const [left, top] = place(name, k, value), here = focused && k === chosen[name];
    const dropped = matched && matched[k] < 0.5;
    context.beginPath();
    context.arc(left, top, (here ? 6 : values.length > 60 ? 1.8 : 3.2) * ratio, 0, 2 * Math.PI);
    context.fillStyle = here ? ink("--accent") : dropped ? ink("--raised") : colour;
    context.fill();
    if (!dropped && !here) return;
    context.lineWidth = 1.4 * ratio;
    context.stroke();
  });
  context.fillStyle = ink("--soft");
  context.font = `${12 * ratio}px system-ui, sans-serif`;
  context.fillText(name, 7 * ratio, (BOX[name][0] + 10) * sy);
}

/** Tells a screen reader the step that is chosen. */
function tell({ model, holds, chosen, range }, name) {
  const values = model.get(name), k = chosen[name], [low, high] = range();
  const attributes = {
    "aria-label": `curve ${name}, ${values.length} steps. Left and right choose a step, up and down move it.`,
    "aria-valuemin": low,
    "aria-valuemax": high,
    "aria-valuenow": values[k],
    "aria-valuetext": `step ${k}: ${values[k].toFixed(2)}`,
  };
  for (const [attribute, text] of Object.entries(attributes)) holds[name].setAttribute(attribute, text);
}
