// What views share: elements, controls, a heat map with zoom and brush, themes, and pages without a kernel.
//
// To make a view, write one ES module that ends in `export default { render };` and one Python class:
//
//   import { mount, slider, heatMap } from "./view.js";
//   function render({ model, el }) {
//     const root = mount(el, STYLE);          // themed, keeps its keys from JupyterLab, announces to screen readers
//     ... build elements with `element`, numbers with `written`, arrays with `floats(model.get("_cost"))`
//     on(root, model, { "change:gamma": draw });   // listen until the view is removed
//     return root.dispose;
//   }
//
// Python's `module("my_view.js")` follows imports such as this one, on one line, and joins the files to one text;
// only what they export (`export const` or `export function`) is seen by the others. Where `model.baked` is true there is no kernel: the same module runs in a saved page and
// must compute for itself. Text of users reaches the page by textContent alone (`element` does so).

/** cividis, 256 colours of 3 bytes: perceptually uniform, and the same to colour-blind eyes (as plots/style.py). */
export const CIVIDIS = bytesOf("ACJNACNPACNQACRSACVUACZVACZXACdZAChbAChcACleACpgACpiACtkACxmACxnAC1pAC5rAC9tAC9vADBwADBwADFwADFwBDJwCDNwCzNwDjRwETVvFDZvFjZvGDdvGjhvHDhuHTluHzpuITtuIjtuJDxuJT1tJz1tKD5tKj9tKz9tLEBtLkFsL0JsMEJsMUNsMkRsNERsNUVsNkZsN0ZsOEdsOUhsOkhrO0lrPUprPktrP0trQExrQU1rQk1rQ05rRE9rRU9rRlBrR1FrSFFrSVJrSlNrS1RsTFRsTVVsTlZsTlZsT1dsUFhsUVhsUllsU1psVFpsVVttVlxtV11tWF1tWV5tWV9tWl9tW2BuXGFuXWFuXmJuX2NuYGRuYWRvYWVvYmZvY2ZvZGdvZWhwZmlwZ2lwaGpwaGtxaWtxamxxa21xbG1ybW5ybm9ybnBzb3BzcHFzcXJzcnN0c3N0dHR1dHV1dXV1dnZ2d3d2eHh2eXh3eXl3enp3e3t3fHt4fXx4fn14f314gH54gX94goB4g4B4hIF4hYJ4hYN4hoN4h4R4iIV4iYZ4ioZ4i4d4jIh4jYl4jol4j4p3kIt3kYx3kox3k413lI53lY93lo93l5B2mJF2mZJ2mpN2m5N2nJR2nZV1npZ1n5Z1oJd1oZh0opl0o5p0pJp0pZtzppxzp51zqJ5zqZ5yqp9yq6ByrKFxraJxrqJxr6NwsKRwsaVwsqZvs6ZvtKdvtahutqlut6ptuKttuattuqxsu61svK5rva9rvrBqv7BqwbFpwrJpw7NoxLRoxbVnxrVnx7ZmyLdlybhlyrlky7pkzLtjzbxizrxiz71h0L5g0r9g08Bf1MFe1cJe1sNd18Nc2MRb2cVa2sZa28dZ3MhY3slX38pW4MtV4cxU4sxT481S5M5R5c9Q5tBP6NFO6dJN6tNM69RL7NVK7dZI7tdH79hG8dlE8tpD89pC9NtA9dw/9t09+N47+d86+uA4++E2/eI0/eMz/eU0/eY2/ec3");

/** Colour 0 to 255 of the map as [red, green, blue]. */
export const colourOf = (at) => [0, 1, 2].map((channel) => CIVIDIS.getUint8(3 * at + channel));

/** Okabe & Ito's colours for things that are told apart, without the vermilion that marks what is selected. */
export const SERIES = ["#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

const BASE_STYLE = `
.tc { --ink: var(--jp-ui-font-color1, light-dark(#1d1f21, #e8e6e3)); --soft: var(--jp-ui-font-color2, light-dark(#63676b, #a3a7ab));
  --line: var(--jp-border-color2, light-dark(#dfe1e3, #3a3e42)); --paper: var(--jp-layout-color1, light-dark(#ffffff, #17191c));
  --raised: var(--jp-layout-color2, light-dark(#f4f5f6, #22262a)); --accent: light-dark(#c2410c, #ff8f57); --tint: light-dark(#005a8c, #7cc4f2);
  --wash: light-dark(rgba(194, 65, 12, .10), rgba(255, 143, 87, .16));
  color: var(--ink); background: var(--paper); font: 13px/1.45 var(--jp-ui-font-family, system-ui, -apple-system, "Segoe UI", sans-serif);
  padding: 16px; container-type: inline-size; font-variant-numeric: tabular-nums; text-align: start; }
.tc *, .tc *::before { box-sizing: border-box; }
.tc h3, .tc h4, .tc p, .tc ul, .tc figure { margin: 0; padding: 0; }
.tc h4 { font-size: 13px; font-weight: 600; }
.tc-soft { color: var(--soft); }
.tc button, .tc select { font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 6px; padding: 3px 10px; cursor: pointer; min-height: 28px; }
.tc select { background: var(--paper); padding: 3px 6px; }
.tc button:hover:not(:disabled), .tc select:hover { border-color: var(--soft); }
.tc button:disabled { opacity: .45; cursor: default; }
.tc button[aria-pressed=true] { background: var(--wash); border-color: var(--accent); color: var(--accent); font-weight: 600; }
.tc :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.tc input[type=range] { accent-color: var(--accent); width: 100%; min-width: 0; margin: 0; cursor: pointer; height: 20px; }
.tc input[type=range]:focus-visible { outline-offset: 0; border-radius: 5px; }
.tc-slider { display: grid; grid-template-columns: 1fr auto; gap: 0 8px; min-width: 120px; flex: 1 1 150px; max-width: 230px; }
.tc-slider span { font-size: 12px; color: var(--soft); white-space: nowrap; } .tc-slider output { font-size: 12px; font-weight: 600; text-align: end; }
.tc-slider input { grid-column: 1 / -1; } .tc-slider[hidden] { display: none; }
.tc-bar { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: end; }
.tc-group { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; border: 0; margin: 0; padding: 0; min-width: 0; }
.tc-group > legend, .tc-name { font-size: 12px; color: var(--soft); padding: 0; float: left; margin-inline-end: 4px; }
.tc-map { position: relative; width: 100%; touch-action: none; cursor: crosshair; border-radius: 4px; user-select: none; }
.tc-map canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; border-radius: 4px; }
.tc-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.tc-problem { border-inline-start: 3px solid var(--accent); background: var(--wash); padding: 8px 12px; }
@media (prefers-reduced-motion: no-preference) { .tc button { transition: background-color .12s, border-color .12s; } }
`;

let views = 0;

/** An element with attributes, properties (names that start with a dot) and children; strings become text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith(".")) made[name.slice(1)] = value;
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Text of a user, isolated so that right-to-left text does not turn what stands around it. */
export function label(text, attributes = {}) {
  return element("bdi", { dir: "auto", ...attributes }, text);
}

/** Bytes from the kernel, or from a page, as numbers. */
export function floats(bytes) {
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** Bytes from base64. */
export function bytesOf(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
  return new DataView(bytes.buffer);
}

/** A number for reading: three decimals where they matter, "no path" for Infinity. */
export function written(value, digits = 3) {
  if (value === null || value === undefined || value === Infinity) return "no path";
  return value.toFixed(digits).replace("-", "−");
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Put an empty view into a cell or page. Returns its root element, with
 *   say(text)      tell a screen reader, once it pauses
 *   fail(text)     show a problem in the view
 *   dark()         whether the surroundings are dark
 *   colour(name)   a colour of the theme as [red, green, blue], such as "--accent"
 *   onTheme(draw)  call when that changes
 *   onEnd(undo)    call when the view is removed
 *   dispose()      what `render` returns
 */
export function mount(el, style) {
  const id = `tc-${++views}`;
  const live = element("div", { class: "tc-hidden", role: "status", "aria-live": "polite" });
  const problems = element("div", { role: "alert" });
  // JupyterLab would take the keys for the notebook, both by its shortcuts and on the way up
  const root = element("div", { class: "tc", id, "data-lm-suppress-shortcuts": "true" }, element("style", {}, BASE_STYLE + style), problems, live);
  const endings = [], themed = [];
  let colours = {};
  const darkScheme = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    colours = {};
    root.style.colorScheme = root.dark() ? "dark" : "light";
    for (const draw of themed) draw();
  };
  root.dark = () => {
    const jupyter = document.body.dataset.jpThemeLight;
    return jupyter === undefined ? darkScheme.matches : jupyter === "false";
  };
  let waiting = 0;
  root.say = (text) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (live.textContent = text), 150);
  };
  root.fail = (text) => problems.replaceChildren(element("p", { class: "tc-problem" }, text));
  root.onTheme = (draw) => themed.push(draw);
  root.onEnd = (undo) => endings.push(undo);
  root.dispose = () => endings.splice(0).forEach((undo) => undo());
  root.colour = (name) => (colours[name] ??= solved(root, name));
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && event.key !== "Escape") event.stopPropagation();
  });
  darkScheme.addEventListener("change", paint);
  const watcher = new MutationObserver(paint);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  root.onEnd(() => (darkScheme.removeEventListener("change", paint), watcher.disconnect(), clearTimeout(waiting)));
  root.style.colorScheme = root.dark() ? "dark" : "light";
  el.replaceChildren(root);
  return root;
}

/** A colour of the theme as [red, green, blue]; none while the view is not in a page. */
function solved(root, name) {
  if (!root.isConnected) return undefined;
  const probe = element("i", { ".style": `color: var(${name})` });
  root.append(probe);
  const [red, green, blue, alpha = 1] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  if (alpha === 1) return [red, green, blue];
  const paper = root.colour("--paper"); // JupyterLab's greys let it through
  return [red, green, blue].map((each, k) => alpha * each + (1 - alpha) * paper[k]);
}

/** Listen to a model until the view is removed. */
export function on(root, model, listeners) {
  for (const [events, listener] of Object.entries(listeners)) {
    model.on(events, listener);
    root.onEnd(() => model.off(events, listener));
  }
}

/** The state of a saved page, with the methods of a model that has a kernel. */
export function bakedModel(state) {
  const listeners = {};
  const values = Object.fromEntries(
    Object.entries(state).map(([name, value]) => [name, value && value.base64 !== undefined ? bytesOf(value.base64) : value]),
  );
  const model = {
    baked: true,
    get: (name) => values[name],
    set(name, value) {
      const changes = typeof name === "string" ? { [name]: value } : name;
      const changed = Object.keys(changes).filter((each) => JSON.stringify(values[each]) !== JSON.stringify(changes[each]));
      Object.assign(values, changes);
      for (const each of changed) for (const listener of [...(listeners[`change:${each}`] ?? [])]) listener();
    },
    save_changes() {},
    send() {},
    on: (events, listener) => events.split(" ").forEach((each) => (listeners[each] ??= []).push(listener)),
    off: (events, listener) => events.split(" ").forEach((each) => (listeners[each] = (listeners[each] ?? []).filter((other) => other !== listener))),
  };
  return model;
}

/** Show a view in a saved page, from the data in it. */
export function openPage(view) {
  const state = JSON.parse(document.getElementById("tempclr-state").textContent);
  view.render({ model: bakedModel(state), el: document.getElementById("tempclr-view") });
}

/** Keep state in a model: in the notebook when there is a kernel, in the page otherwise. */
export function keep(model, changes) {
  model.set(changes);
  model.save_changes();
}

/** A named slider that shows its value. `read` turns its position into the value, `place` the value into a position. */
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

/** Buttons of which one, or if `several` any, are pressed. `options` are [value, text] pairs. */
export function buttons({ name, options, several = false, change }) {
  const made = options.map(([value, text, hint]) => element("button", { type: "button", "data-value": value, title: hint }, text));
  const box = element("fieldset", { class: "tc-group" }, element("legend", {}, name), ...made);
  let chosen = [];
  const set = (values) => {
    chosen = [values].flat();
    for (const button of made) button.setAttribute("aria-pressed", String(chosen.includes(button.dataset.value)));
  };
  made.forEach((button) =>
    button.addEventListener("click", () => {
      const value = button.dataset.value, pressed = chosen.includes(value);
      if (several && pressed && chosen.length === 1) return; // something is always shown
      const order = options.map(([each]) => each);
      const next = several ? order.filter((each) => (each === value ? !pressed : chosen.includes(each))) : [value];
      set(next);
      change(several ? next : value);
    }),
  );
  return { box, set };
}

/** Round positions for about `count` ticks from `low` to `high`, whole numbers only. */
export function ticks(low, high, count) {
  const rough = Math.max(1, (high - low) / Math.max(1, count)), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(at);
  return found;
}

/** Lowest and highest finite value. */
export function limits(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value === Infinity || value === -Infinity) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/** Draw once in the next frame, however often it is asked for. */
export function oncePerFrame(draw) {
  let asked = 0;
  return () => (asked ||= requestAnimationFrame(() => ((asked = 0), draw())));
}
