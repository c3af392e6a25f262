// A line chart in SVG that is read by pointer and by arrow keys.

import { clamp, limits, short, ticks } from "./numbers.js";
import { element } from "./view.js";

const SVG = new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg").namespaceURI;
const BOX = { width: 300, height: 150, left: 46, right: 8, top: 8, bottom: 20 };
const MOVES = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
const DOTTED = 24; // points up to which each has a dot

/**
 * Makes a chart. Options:
 *   key, name    of what is drawn
 *   point(step)  a step is pointed at; null for none
 *   say(text)    tell a screen reader
 * Returns { box, draw({ points, last, shown, pointed }) } for points [step, value], the last step of the axis, the step
 * that is marked, and the step that is pointed at; each of the two may be null.
 */
export function chartOf({ key, name, point, say }) {
  const picture = draw("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, tabindex: 0, role: "img" });
  const value = element("output"), header = element("header", {}, element("span", {}, name), value);
  const box = element("section", { class: "tm-chart", "data-key": key, "aria-label": name }, header, picture);
  let content = { points: [], pointed: null }, x = null;
  picture.addEventListener("pointermove", (event) => {
    if (!content.points.length) return;
    const bounds = picture.getBoundingClientRect();
    point(near(content.points, x.back(((event.clientX - bounds.left) / bounds.width) * BOX.width))[0]);
  });
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("blur", () => point(null));
  picture.addEventListener("keydown", (event) => {
    const by = MOVES[event.key], { points, pointed } = content;
    if (by === undefined || !points.length) return;
    event.preventDefault();
    const now = pointed === null ? points.length - 1 : points.indexOf(near(points, pointed));
    const [step, found] = points[clamp(now + by, 0, points.length - 1)];
    point(step);
    say(`${name} at step ${step}: ${brief(found)}`);
  });
  return {
    box,
    draw(next) {
      content = next;
      const { points, last, pointed } = content;
      box.hidden = !points.length;
      if (!points.length) return;
      x = scale(0, last, BOX.left, BOX.width - BOX.right);
      const here = pointed === null ? points.at(-1) : near(points, pointed);
      picture.replaceChildren(...partsOf(content, x, here));
      picture.setAttribute("aria-label", `${name}: ${summaryOf(points)}. Arrow keys read it.`);
      value.textContent = pointed === null ? brief(here[1]) : `${brief(here[1])} at step ${here[0]}`;
    },
  };
}

/** Returns the point nearest to a step. */
function near(points, step) {
  const closer = (best, each) => (Math.abs(each[0] - step) < Math.abs(best[0] - step) ? each : best);
  return points.reduce(closer, points[0]);
}

/** Returns the elements of a chart: grid, ticks, line, marks and dots. */
function partsOf({ points, last, shown, pointed }, x, here) {
  const [low, high] = limits(points.map(([, value]) => value)), pad = (high - low || Math.abs(high) || 1) * 0.06;
  const y = scale(low - pad, high + pad, BOX.height - BOX.bottom, BOX.top), right = BOX.width - BOX.right;
  const upright = (kind, step) => {
    const ends = { x1: x(step), x2: x(step), y1: BOX.top, y2: BOX.height - BOX.bottom };
    return draw("line", { class: kind, ...ends });
  };
  const dot = ([step, value], r) => draw("circle", { class: "dot", cx: x(step), cy: y(value), r });
  const grid = ticks(low - pad, high + pad, 5, { fractions: true }).flatMap((tick) => [
    draw("line", { class: "grid", x1: BOX.left, x2: right, y1: y(tick), y2: y(tick) }),
    draw("text", { x: BOX.left - 5, y: y(tick) + 3.5, "text-anchor": "end" }, brief(tick)),
  ]);
  const steps = ticks(0, last, 4, { fractions: true }).map((tick) => {
    const anchor = tick === 0 ? "start" : x(tick) > BOX.width - 30 ? "end" : "middle";
    const text = tick === 0 ? "step 0" : String(tick);
    return draw("text", { x: x(tick), y: BOX.height - 5, "text-anchor": anchor }, text);
  });
  const line = points.map(([a, b], k) => `${k ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
  return [
    ...grid,
    ...steps,
    ...(shown === null ? [] : [upright("at", shown)]),
    draw("path", { class: "line", d: line }),
    ...(pointed === null ? [] : [upright("now", here[0])]),
    ...(points.length <= DOTTED ? points.map((each) => dot(each, 2.5)) : []),
    dot(here, 3.5),
  ];
}

/** Returns where a curve begins and ends, and its range, as text. */
function summaryOf(points) {
  const [low, high] = limits(points.map(([, value]) => value));
  const [first, last] = [points[0], points.at(-1)].map(([step, value]) => `${brief(value)} at step ${step}`);
  return `${first}, ${last}, from ${brief(low)} to ${brief(high)}`;
}

/** Returns an element of SVG with attributes and a text. */
function draw(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Returns a linear scale, with its inverse as `back`. */
function scale(from, to, low, high) {
  const place = (value) => low + ((value - from) / (to - from || 1)) * (high - low);
  place.back = (at) => from + ((at - low) / (high - low || 1)) * (to - from);
  return place;
}

/** Returns a value of a curve as text with three significant digits. */
function brief(value) {
  const extreme = Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.001);
  return (extreme ? value.toExponential(1) : short(value)).replace("-", "−");
}
