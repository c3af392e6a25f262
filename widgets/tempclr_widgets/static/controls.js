// Controls that views share: sliders, buttons, lists that follow the arrow keys, colour scales and panels.

import { colourOf } from "./colours.js";
import { clamp, counted, short, written } from "./numbers.js";
import { element, keep, label } from "./view.js";

/**
 * Makes a named slider that shows its value. `read` turns its position into the value, `place` the value into a
 * position, and `show` the value into text. Returns { box, input, set(value) }.
 */
export function slider({ name, hint = name, min, max, step, read = Number, place = Number, show = String, change }) {
  const input = element("input", { type: "range", min, max, step, "aria-label": hint, title: hint });
  const output = element("output");
  const box = element("label", { class: "tc-slider" }, element("span", {}, name), output, input);
  const tell = (value) => {
    output.textContent = show(value);
    input.setAttribute("aria-valuetext", `${name} ${show(value)}`);
  };
  input.addEventListener("input", () => {
    const value = read(input.value);
    tell(value);
    change(value);
  });
  return { box, input, set: (value) => ((input.value = place(value)), tell(value)) };
}

/** Returns the exponent of a power of ten. */
const exponent = (value) => Number(Math.log10(value).toFixed(6));

/** Makes a slider of powers of ten for state `key` of the model, within the model's limits. Returns a slider. */
export function powerSlider(model, key, { hint, hard = false }) {
  const [low, high] = model.get("_limits")[key], zero = exponent(low) - 0.05; // where 0 is, with `hard`
  const power = (at) => clamp(Number((10 ** at).toPrecision(3)), low, high);
  return slider({
    name: key,
    hint,
    min: hard ? zero : exponent(low),
    max: exponent(high),
    step: 0.05,
    place: (value) => (value === 0 ? zero : Math.log10(value)),
    read: (at) => (hard && Number(at) < zero + 0.04 ? 0 : power(Number(at))),
    show: (value) => (value === 0 ? "0, hard" : short(value)),
    change: (value) => keep(model, { [key]: value }),
  });
}

/** Makes the slider of gamma, with `hard` also 0 at its left end. Returns a slider. */
export function gammaSlider(model, { hard = false } = {}) {
  const hint = "gamma: smoothing, in the unit of the cost";
  return powerSlider(model, "gamma", { hint: hard ? `${hint}; 0, at the left end, is the hard minimum` : hint, hard });
}

/** Makes the slider of the band, 0 to below `widest` steps; its right end, -1 in the model, is no band. */
export function bandSlider(model, { widest, step }) {
  return slider({
    name: "band",
    hint: "band: steps off the line between the corners; the right end allows all cells",
    min: 0,
    max: widest,
    step,
    read: (at) => (Number(at) >= widest ? -1 : Number(at)),
    place: (value) => (value < 0 ? widest : value),
    show: (value) => (value < 0 ? "none" : counted(value, "step")),
    change: (value) => keep(model, { band: value }),
  });
}

/** Makes the slider of the cost of dropping a step. Returns a slider. */
export function dropSlider(model, { hint, min, max, step }) {
  const change = (value) => keep(model, { drop_cost: value });
  return slider({ name: "drop cost", hint, min, max, step, show: (value) => value.toFixed(2), change });
}

/** Makes a button. With `named`, its hint is what a screen reader calls it. Returns the button. */
export function button(text, hint, act, { named = false } = {}) {
  const made = element("button", { type: "button", title: hint, "aria-label": named ? hint : null }, text);
  made.addEventListener("click", act);
  return made;
}

/**
 * Makes buttons of which one is pressed, or with `several` at least one. `options` are [value, text, hint]. Returns
 * { box, set(values) }.
 */
export function buttons({ name, options, several = false, change }) {
  const made = options.map(([value, text, hint]) =>
    element("button", { type: "button", "data-value": value, title: hint }, text)
  );
  const box = element("fieldset", { class: "tc-group" }, element("legend", {}, name), ...made);
  let chosen = [];
  const set = (values) => {
    chosen = [values].flat();
    for (const each of made) each.setAttribute("aria-pressed", String(chosen.includes(each.dataset.value)));
  };
  const press = (value) => {
    const pressed = chosen.includes(value);
    if (several && pressed && chosen.length === 1) return; // something is always shown
    const toggled = ([each]) => (each === value ? !pressed : chosen.includes(each));
    const next = several ? options.filter(toggled).map(([each]) => each) : [value];
    set(next);
    change(several ? next : value);
  };
  for (const each of made) each.addEventListener("click", () => press(each.dataset.value));
  return { box, set };
}

/** Makes a select of [value, text] pairs. Returns the element. */
export function select({ name, options, change }) {
  const made = element(
    "select",
    { "aria-label": name },
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
  made.addEventListener("change", () => change(made.value));
  return made;
}

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10 };
const JUMPS = { ...STEPS, Home: -Infinity, End: Infinity };

/** Lets arrow keys move through a list box: `choices()` in order, of which `now()` is chosen. */
export function chooseByKeys(box, { choices, now, choose }) {
  box.addEventListener("keydown", (event) => {
    const by = JUMPS[event.key], all = choices();
    if (by === undefined || !all.length) return;
    event.preventDefault();
    choose(all[clamp(all.indexOf(now()) + by, 0, all.length - 1)]);
    box.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  });
}

/** Returns a panel: its name and a few facts above its content. */
export function panel(name, facts, ...content) {
  const head = element("div", { class: "tc-head" }, element("strong", {}, name), ...facts);
  return element("section", { "aria-label": name }, head, ...content);
}

/** Returns a strip of the colours of costs between its two ends. */
export function costScale(low, high) {
  const canvas = element("canvas", {
    ".width": 256,
    ".height": 1,
    role: "img",
    "aria-label": "colours of costs, from low to high",
  });
  const context = canvas.getContext("2d"), image = context.createImageData(256, 1);
  for (let at = 0; at < 256; at++) image.data.set([...colourOf(at), 255], 4 * at);
  context.putImageData(image, 0, 0);
  const end = (value) => element("span", {}, written(value, 2));
  return element("span", { class: "tc-scale" }, "cost", end(low), canvas, end(high));
}

/** Returns the sentences as a numbered list. */
export function numberedSentences(sentences, attributes = {}) {
  const rows = sentences.map((text) => element("li", {}, label(text || "(empty)")));
  return element("ol", { start: 0, "aria-label": "sentences", ...attributes }, ...rows);
}
