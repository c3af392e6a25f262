// A training, watched: curves, what becomes of one pair, pause and stop. A saved page shows what was.

import { align } from "./align.js";
import { clamp, element, floats, keep, label, limits, mount, on, oncePerFrame, slider, still, written } from "./view.js";
import { heatMap } from "./heat_map.js";

const PATIENCE = 3000; // ms after which a kernel that is busy is taken not to listen
const FRAME = 350; // ms that a look is shown when time runs
const WORDS = { waiting: "Waiting to begin", running: "Running", paused: "Paused", stopping: "Stopping after this step", ended: "Ended" };
const REASONS = { steps: "all steps done", patience: "no better score for too long", terminated: "stopped, and stored where it is", stopped: "stopped", interrupted: "interrupted; it continues from its last checkpoint" };
const SVG = new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg").namespaceURI;
const BOX = { width: 300, height: 150, left: 46, right: 8, top: 8, bottom: 20 };

const STYLE = `
.tm { display: grid; gap: 16px; }
.tm-head { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
.tm-head progress { flex: 1 1 120px; height: 8px; accent-color: var(--accent); min-width: 80px; }
.tm-state { font-weight: 600; } .tm-tools { display: inline-flex; gap: 6px; }
.tm-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(230px, 100%), 1fr)); gap: 12px 18px; }
.tm-chart { min-width: 0; max-width: 380px; } .tm-chart header { display: flex; justify-content: space-between; gap: 8px; font-size: 12px; }
.tm-chart svg { display: block; width: 100%; height: auto; border-radius: 4px; } .tm-chart output { font-weight: 600; }
.tm-chart text { font-size: 10px; fill: var(--soft); } .tm-chart .grid { stroke: var(--line); }
.tm-chart .line { fill: none; stroke: var(--tint); stroke-width: 1.75; stroke-linejoin: round; } .tm-chart .dot { fill: var(--tint); }
.tm-chart .at { stroke: var(--accent); } .tm-chart .now { stroke: var(--soft); stroke-dasharray: 3 3; }
.tm-time { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: end; } .tm-time .tc-slider { max-width: none; flex: 1 1 260px; }
.tm-pair { display: grid; grid-template-columns: minmax(150px, 240px) minmax(0, 1fr) minmax(0, 1fr); gap: 16px; align-items: start; }
.tm-pair ol { margin: 0; padding-inline-start: 26px; font-size: 12px; } .tm-pair li { margin-bottom: 3px; }
.tm-name { display: flex; flex-wrap: wrap; gap: 0 10px; padding-inline-start: 38px; margin-bottom: 4px; } .tm [hidden] { display: none; }
.tm .tm-found { min-height: 1.45em; font-size: 12px; text-align: end; }
@container (max-width: 640px) { .tm-pair { grid-template-columns: minmax(0, 1fr); } .tm-name { padding-inline-start: 0; } }
`;

function render({ model, el }) {
  const root = mount(el, STYLE);
  const names = model.get("_names"), width = 1 + names.length;
  let table = floats(model.get("_curves")), looks = [], range = [0, 1], maps = null, playing = 0, waiting = 0;

  // ---- head

  const state = element("span", { class: "tm-state" }), facts = element("span", { class: "tc-soft" });
  const bar = element("progress", { max: model.get("steps"), "aria-label": "steps of training done" });
  const button = (text, hint, act) => {
    const made = element("button", { type: "button", title: hint }, text);
    made.addEventListener("click", act);
    return made;
  };
  const pause = button("Pause", "hold training after this step", () => wish(asked() === "pause" ? "" : "pause"));
  const stop = button("Stop", "end training after this step, with a checkpoint", () => wish("stop"));
  const tools = element("span", { class: "tm-tools" }, pause, stop);
  const note = element("p", { class: "tc-problem", role: "alert", hidden: true });

  let sent = null; // what was asked for and is not yet known to have arrived
  const asked = () => sent ?? model.get("wish");

  /** Ask the loop for something, and tell when it does not listen. */
  function wish(what) {
    sent = what;
    model.send({ wish: what }); // a change of state would wait until the kernel is idle
    drawHead();
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (sent === null) return;
      note.textContent = "The kernel has not answered yet. Unless a step takes long, it takes no messages while a cell runs: interrupt the kernel instead. Training continues from its last checkpoint.";
      note.hidden = false;
    }, PATIENCE + 2000 * model.get("seconds"));
  }

  function heard() {
    sent = null;
    note.hidden = true;
    drawHead();
  }

  function drawHead() {
    const now = model.get("state"), step = model.get("step"), steps = model.get("steps"), seconds = model.get("seconds");
    const wanted = asked(), busy = ["running", "paused", "stopping"].includes(now);
    state.textContent = now === "running" && wanted === "pause" ? "Pausing after this step" : now === "running" && wanted === "stop" ? WORDS.stopping : WORDS[now];
    const left = seconds * (steps - step);
    const parts = [`step ${step} of ${steps}`];
    if (seconds) parts.push(`${seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`} per step`);
    if (now === "running" && left > 0) parts.push(`about ${left < 90 ? `${Math.ceil(left)} s` : `${Math.round(left / 60)} min`} left`);
    if (now === "ended" && model.get("ended")) parts.push(REASONS[model.get("ended")] ?? model.get("ended"));
    facts.textContent = parts.join(" · ");
    bar.value = step;
    bar.textContent = `${step} of ${steps}`;
    tools.hidden = model.baked || !busy;
    pause.textContent = wanted === "pause" ? "Continue" : "Pause";
    pause.disabled = stop.disabled = wanted === "stop" || now === "stopping";
  }

  // ---- curves

  const draw = (tag, attributes, text) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const charts = element("div", { class: "tm-charts" });
  const made = names.map(([key, name], k) => chartOf(key, name, k + 1));
  charts.append(...made.map(({ box }) => box));
  let pointed = null; // a step that is pointed at in every chart

  function chartOf(key, name, column) {
    const picture = draw("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, tabindex: 0, role: "img" });
    const value = element("output");
    const box = element("section", { class: "tm-chart", "data-key": key, "aria-label": name }, element("header", {}, element("span", {}, name), value), picture);
    let points = [], x = null;
    const near = (step) => points.reduce((best, point) => (Math.abs(point[0] - step) < Math.abs(best[0] - step) ? point : best), points[0]);
    picture.addEventListener("pointermove", (event) => {
      if (!points.length) return;
      const bounds = picture.getBoundingClientRect(), at = ((event.clientX - bounds.left) / bounds.width) * BOX.width;
      point(near(x.back(at))[0]);
    });
    picture.addEventListener("pointerleave", () => point(null));
    picture.addEventListener("blur", () => point(null));
    picture.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity }[event.key];
      if (by === undefined || !points.length) return;
      event.preventDefault();
      const now = pointed === null ? points.length - 1 : points.indexOf(near(pointed));
      const next = points[clamp(now + by, 0, points.length - 1)];
      point(next[0]);
      root.say(`${name} at step ${next[0]}: ${short(next[1])}`);
    });

    function drawChart() {
      points = [];
      for (let at = 0; at < table.length; at += width) if (Number.isFinite(table[at + column])) points.push([table[at], table[at + column]]);
      box.hidden = !points.length;
      if (!points.length) return;
      const [low, high] = limits(points.map(([, y]) => y)), pad = (high - low || Math.abs(high) || 1) * 0.06;
      const last = Math.max(2, table[table.length - width]); // one range for all
      x = scale(0, last, BOX.left, BOX.width - BOX.right);
      const y = scale(low - pad, high + pad, BOX.height - BOX.bottom, BOX.top);
      const parts = [];
      for (const tick of steps(low - pad, high + pad, 5)) {
        parts.push(draw("line", { class: "grid", x1: BOX.left, x2: BOX.width - BOX.right, y1: y(tick), y2: y(tick) }));
        parts.push(draw("text", { x: BOX.left - 5, y: y(tick) + 3.5, "text-anchor": "end" }, short(tick)));
      }
      for (const tick of steps(0, last, 4)) parts.push(draw("text", { x: x(tick), y: BOX.height - 5, "text-anchor": tick === 0 ? "start" : x(tick) > BOX.width - 30 ? "end" : "middle" }, tick === 0 ? "step 0" : String(tick)));
      const shown = looks.length ? looks[lookAt()].step : null;
      if (shown !== null) parts.push(draw("line", { class: "at", x1: x(shown), x2: x(shown), y1: BOX.top, y2: BOX.height - BOX.bottom }));
      parts.push(draw("path", { class: "line", d: points.map(([a, b], k) => `${k ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("") }));
      const here = pointed === null ? points.at(-1) : near(pointed);
      if (pointed !== null) parts.push(draw("line", { class: "now", x1: x(here[0]), x2: x(here[0]), y1: BOX.top, y2: BOX.height - BOX.bottom }));
      if (points.length <= 24) for (const [a, b] of points) parts.push(draw("circle", { class: "dot", cx: x(a), cy: y(b), r: 2.5 }));
      parts.push(draw("circle", { class: "dot", cx: x(here[0]), cy: y(here[1]), r: 3.5 }));
      picture.replaceChildren(...parts);
      picture.setAttribute("aria-label", `${name}: ${short(points[0][1])} at step ${points[0][0]}, ${short(points.at(-1)[1])} at step ${points.at(-1)[0]}, from ${short(low)} to ${short(high)}. Arrow keys read it.`);
      value.textContent = pointed === null ? short(here[1]) : `${short(here[1])} at step ${here[0]}`;
    }
    return { box, draw: drawChart };
  }

  function point(step) {
    pointed = step;
    drawCurves();
  }

  const drawCurves = oncePerFrame(() => made.forEach((chart) => chart.draw()));

  // ---- the pair over time

  const empty = element("p", { class: "tc-soft" }, "No step has been recorded yet.");
  const time = slider({
    name: "look at step", hint: "step of training at which the pair is shown", min: 0, max: 1, step: 1,
    show: (at) => (looks.length ? `${looks[clamp(at, 0, looks.length - 1)].step}` : ""), change: (at) => (run(false), choose(at)),
  });
  const play = button("Play", "show all steps one after the other", () => run(!playing));
  const gamma = slider({
    name: "gamma", hint: "gamma: smoothing, in the unit of the cost", min: -3, max: 1, step: 0.05, place: Math.log10,
    read: (at) => clamp(Number((10 ** Number(at)).toPrecision(3)), 0.001, 10), show: (value) => String(Number(value.toPrecision(3))), change: (value) => keep(model, { gamma: value }),
  });
  const list = element("ol", { start: 0, "aria-label": "sentences" }, ...model.get("sentences").map((text) => element("li", {}, label(text || "(empty)"))));
  const values = [element("span", { class: "tc-soft", "data-kind": "hard" }), element("span", { class: "tc-soft", "data-kind": "soft" })];
  const found = element("p", { class: "tm-found tc-soft" });
  const places = [element("div"), element("div")];
  const panels = ["Costs and path", "Soft alignment"].map((name, k) => element("section", { "aria-label": name }, element("div", { class: "tm-name" }, element("strong", {}, name), values[k]), places[k]));
  const pair = element("div", { class: "tm", hidden: true }, element("div", { class: "tm-time" }, play, time.box, gamma.box), element("div", { class: "tm-pair" }, list, ...panels), found);
  root.append(element("div", { class: "tm" }, element("div", { class: "tm-head" }, state, facts, bar, tools), note, empty, charts, pair));

  const lookAt = () => (model.get("look") < 0 ? looks.length - 1 : Math.min(model.get("look"), looks.length - 1));
  const choose = (at) => keep(model, { look: at >= looks.length - 1 ? -1 : at });

  /** Let time run; where motion is unwelcome, or a tab is hidden, it can only be moved by hand. */
  function run(go) {
    clearInterval(playing);
    playing = 0;
    play.textContent = go ? "Hold" : "Play";
    if (!go) return;
    if (lookAt() === looks.length - 1) choose(0);
    playing = setInterval(() => (lookAt() < looks.length - 1 ? choose(lookAt() + 1) : run(false)), FRAME);
  }
  root.onEnd(() => (clearInterval(playing), clearTimeout(waiting)));

  function readLooks() {
    const at = model.get("_look_steps"), [n, m] = model.get("_shape"), costs = at.length ? floats(model.get("_costs")) : new Float32Array();
    if (at.length && costs.length !== at.length * n * m) return; // the other half of a change is on its way
    looks = at.map((step, k) => ({ step, cost: costs.subarray(k * n * m, (k + 1) * n * m) }));
    range = limits(costs);
    pair.hidden = !looks.length;
    play.hidden = looks.length < 2 || still();
    time.input.max = Math.max(1, looks.length - 1);
    time.input.disabled = looks.length < 2;
    if (looks.length && !maps) {
      const height = (wide) => clamp(wide * clamp(n / m, 0.35, 1), Math.min(150, n * 30), 300);
      maps = ["Costs and path", "Soft alignment"].map((name) => heatMap(root, { name, n, m, height, cursor: visit, brush: () => visit() }));
      maps.forEach((map, k) => places[k].append(map.box));
    }
  }

  let cursor = null; // a cell that is looked at in both matrices
  function visit(i, j, kind) {
    cursor = i === undefined ? null : [i, j];
    maps.forEach((map) => map.show({ cursor }));
    drawFound();
    if (kind === "key") root.say(found.textContent);
  }

  function drawFound() {
    const at = looks[lookAt()];
    if (!cursor || !at || !visits) return (found.textContent = "");
    const [i, j] = cursor, cell = i * model.get("_shape")[1] + j;
    found.textContent = `sentence ${i}, clip ${j}: cost ${written(at.cost[cell])}, visited ${written(visits[cell])} times`;
  }

  let visits = null;
  const drawPair = oncePerFrame(() => {
    if (!looks.length) return;
    const [n, m] = model.get("_shape"), at = lookAt(), { cost } = looks[at], [low, high] = range;
    const aligned = align(cost, n, m, { gamma: model.get("gamma") });
    visits = aligned.alignment;
    time.set(at), gamma.set(model.get("gamma"));
    maps[0].show({ layers: [{ values: cost, low, high }], paths: [{ cells: aligned.path, colour: "#ffffff", shift: 0 }] });
    maps[1].show({ layers: [{ tints: [{ values: aligned.alignment, colour: root.colour("--tint") ?? [0, 90, 140] }] }], paths: [] });
    values[0].textContent = `DTW ${written(aligned.hard)}`;
    values[1].textContent = `soft-DTW ${written(aligned.value)}`;
    drawFound();
    drawCurves();
  });

  function drawAll() {
    table = floats(model.get("_curves"));
    empty.hidden = table.length > 0;
    readLooks();
    drawHead();
    drawCurves();
    drawPair();
  }

  on(root, model, {
    "change:_curves change:_costs change:_look_steps": oncePerFrame(drawAll), "change:look change:gamma": drawPair,
    "change:state change:wish": heard, "change:ended change:step change:seconds": drawHead,
  });
  root.onTheme(() => (drawCurves(), drawPair()));
  drawAll();
  return root.dispose;
}

/** A linear scale, with its inverse as `back`. */
function scale(from, to, low, high) {
  const place = (value) => low + ((value - from) / (to - from || 1)) * (high - low);
  place.back = (at) => from + ((at - low) / (high - low || 1)) * (to - from);
  return place;
}

/** Round values for about `count` ticks, fractions included. */
function steps(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

/** A value of a curve: three digits that count. */
function short(value) {
  const text = Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.001) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  return text.replace("-", "−");
}

export default { render };
