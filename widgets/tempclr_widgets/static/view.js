// What every view is built on: elements, a themed root, the model's state, and saved pages, which have no kernel.
//
// A view is one ES module that ends in `export default { render };`, and one Python class:
//
//   import { element, mount, on } from "./view.js";
//   function render({ model, el }) {
//     const root = mount(el, STYLE);               // the root element: themed, and announced to screen readers
//     ...                                          // build elements with `element`, read state with `model.get`
//     on(root, model, { "change:gamma": draw });   // listen until the view is removed
//     return root.dispose;
//   }
//
// Python's `module("my_view.js")` follows the imports and joins the files to one text, in which files see only what
// others export with `export const` or `export function`. Where `model.baked` is true, there is no kernel: the module
// runs in a saved page and computes for itself. Text of users enters the page as text alone, by `element` or `label`.

import { unpacked } from "./numbers.js";
import { BASE_STYLE } from "./style.js";

let views = 0;

/**
 * Returns an element with attributes, properties (names that start with a dot) and children; strings become text.
 * An attribute that is null, undefined or false is left out.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith(".")) made[name.slice(1)] = value;
    else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children);
  return made;
}

/** Returns an element with a user's text, isolated so that right-to-left text does not reorder what surrounds it. */
export function label(text, attributes = {}) {
  return element("bdi", { dir: "auto", ...attributes }, text);
}

/** Whether the reader prefers reduced motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Puts an empty view into a cell or page. Returns its root element, with
 *   say(text)      tell a screen reader, after a short pause
 *   fail(text)     show a problem at the top of the view
 *   dark()         whether the surroundings are dark
 *   colour(name)   a colour of the theme as [red, green, blue], such as "--accent"
 *   onTheme(draw)  call `draw` when the theme changes
 *   onEnd(undo)    call `undo` when the view is removed
 *   dispose()      what `render` returns
 */
export function mount(el, style) {
  const id = `tc-${++views}`;
  const live = element("div", { class: "tc-hidden", role: "status", "aria-live": "polite" });
  const problems = element("div", { role: "alert" });
  const sheet = element("style", {}, BASE_STYLE + style);
  // JupyterLab would handle the keys itself: by its shortcuts, and as they bubble up
  const root = element("div", { class: "tc", id, "data-lm-suppress-shortcuts": "true" }, sheet, problems, live);
  const endings = [];
  let waiting = 0;
  root.say = (text) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (live.textContent = text), 150);
  };
  root.fail = (text) => problems.replaceChildren(element("p", { class: "tc-problem" }, text));
  root.onEnd = (undo) => endings.push(undo);
  root.dispose = () => endings.splice(0).forEach((undo) => undo());
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && event.key !== "Escape") event.stopPropagation();
  });
  root.onEnd(() => clearTimeout(waiting));
  followTheme(root);
  el.replaceChildren(root);
  return root;
}

/** Gives the root `dark`, `colour` and `onTheme`, and keeps them in step with the page. */
function followTheme(root) {
  const themed = [], darkScheme = matchMedia("(prefers-color-scheme: dark)");
  let colours = {};
  root.dark = () => {
    const jupyter = document.body.dataset.jpThemeLight;
    return jupyter === undefined ? darkScheme.matches : jupyter === "false";
  };
  root.colour = (name) => (colours[name] ??= solved(root, name));
  root.onTheme = (draw) => themed.push(draw);
  const paint = () => {
    colours = {};
    root.style.colorScheme = root.dark() ? "dark" : "light";
    for (const draw of themed) draw();
  };
  darkScheme.addEventListener("change", paint);
  const watcher = new MutationObserver(paint);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  root.onEnd(() => (darkScheme.removeEventListener("change", paint), watcher.disconnect()));
  root.style.colorScheme = root.dark() ? "dark" : "light";
}

/** Returns a colour of the theme as [red, green, blue]; undefined while the view is not in a page. */
function solved(root, name) {
  if (!root.isConnected) return undefined;
  const probe = element("i", { ".style": `color: var(${name})` });
  root.append(probe);
  const [red, green, blue, alpha = 1] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  if (alpha === 1) return [red, green, blue];
  const paper = root.colour("--paper"); // JupyterLab's greys are translucent
  return [red, green, blue].map((each, k) => alpha * each + (1 - alpha) * paper[k]);
}

/** Listens to a model until the view is removed. */
export function on(root, model, listeners) {
  for (const [events, listener] of Object.entries(listeners)) {
    model.on(events, listener);
    root.onEnd(() => model.off(events, listener));
  }
}

/** Keeps state in a model: in the notebook where there is a kernel, in the page otherwise. */
export function keep(model, changes) {
  model.set(changes);
  model.save_changes();
}

/** Returns a function that calls `draw` once in the next frame, however often it is called itself. */
export function oncePerFrame(draw) {
  let asked = 0;
  return () => (asked ||= requestAnimationFrame(() => ((asked = 0), draw())));
}

/** Returns the state of a saved page, with the methods that a model with a kernel has. */
export function bakedModel(state) {
  const listeners = {};
  const values = Object.fromEntries(Object.entries(state).map(([name, value]) => [name, unpacked(value)]));
  const differs = (name, value) => JSON.stringify(values[name]) !== JSON.stringify(value);
  return {
    baked: true,
    get: (name) => values[name],
    set(name, value) {
      const changes = typeof name === "string" ? { [name]: value } : name;
      const changed = Object.keys(changes).filter((each) => differs(each, changes[each]));
      Object.assign(values, changes);
      for (const each of changed) for (const listener of [...(listeners[`change:${each}`] ?? [])]) listener();
    },
    save_changes() {},
    send() {},
    on: (events, listener) => events.split(" ").forEach((each) => (listeners[each] ??= []).push(listener)),
    off(events, listener) {
      for (const each of events.split(" ")) {
        listeners[each] = (listeners[each] ?? []).filter((other) => other !== listener);
      }
    },
  };
}

/** Shows a view in a saved page, from the state that the page holds. */
export function openPage(view) {
  const state = JSON.parse(document.getElementById("tempclr-state").textContent);
  view.render({ model: bakedModel(state), el: document.getElementById("tempclr-view") });
}
