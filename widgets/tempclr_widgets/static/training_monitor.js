// Watches training: curves, one pair, pause and stop. A saved page shows the recorded run.

import { chartOf } from "./chart.js";
import { headOf } from "./training_head.js";
import { pairOf } from "./training_pair.js";
import { floats } from "./numbers.js";
import { element, mount, on, oncePerFrame } from "./view.js";

const STYLE = `
.tm { display: grid; gap: 16px; }
.tm-head { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
.tm-head progress { flex: 1 1 120px; height: 8px; accent-color: var(--accent); min-width: 80px; }
.tm-state { font-weight: 600; }
.tm-tools { display: inline-flex; gap: 6px; }
.tm-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(230px, 100%), 1fr)); gap: 12px 18px; }
.tm-chart { min-width: 0; max-width: 380px; }
.tm-chart header { display: flex; justify-content: space-between; gap: 8px; font-size: 12px; }
.tm-chart svg { display: block; width: 100%; height: auto; border-radius: 4px; }
.tm-chart output { font-weight: 600; }
.tm-chart text { font-size: 10px; fill: var(--soft); }
.tm-chart .grid { stroke: var(--line); }
.tm-chart .line { fill: none; stroke: var(--tint); stroke-width: 1.75; stroke-linejoin: round; }
.tm-chart .dot { fill: var(--tint); }
.tm-chart .at { stroke: var(--accent); }
.tm-chart .now { stroke: var(--soft); stroke-dasharray: 3 3; }
.tm-time { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: end; }
.tm-time .tc-slider { max-width: none; flex: 1 1 260px; }
.tm-pair {
  display: grid; grid-template-columns: minmax(150px, 240px) minmax(0, 1fr) minmax(0, 1fr); gap: 16px;
  align-items: start;
}
.tm-pair ol { margin: 0; padding-inline-start: 26px; font-size: 12px; }
.tm-pair li { margin-bottom: 3px; }
.tm [hidden] { display: none; }
.tm .tm-found { min-height: 1.45em; font-size: 12px; text-align: end; }
@container (max-width: 640px) { .tm-pair { grid-template-columns: minmax(0, 1fr); } }
`;

function render({ model, el }) {
  const root = mount(el, STYLE), names = model.get("_names"), width = 1 + names.length;
  let table = floats(model.get("_curves")), pointed = null; // `pointed` is the step under the pointer, in all charts
  const head = headOf(root, model);
  const drawCurves = oncePerFrame(() => {
    const last = Math.max(2, table[table.length - width]); // one axis for all
    const shown = pair.shownStep();
    charts.forEach((chart, k) => chart.draw({ points: pointsOf(table, width, k + 1), last, shown, pointed }));
  });
  const pair = pairOf(root, model, drawCurves);
  const point = (step) => {
    pointed = step;
    drawCurves();
  };
  const charts = names.map(([key, name]) => chartOf({ key, name, point, say: root.say }));
  const empty = element("p", { class: "tc-soft" }, "No step has been recorded yet.");
  const curves = element("div", { class: "tm-charts" }, ...charts.map(({ box }) => box));
  root.append(element("div", { class: "tm" }, ...head.boxes, empty, curves, pair.box));

  const draw = () => {
    table = floats(model.get("_curves"));
    empty.hidden = table.length > 0;
    pair.read();
    head.draw();
    drawCurves();
    pair.draw();
  };
  on(root, model, {
    "change:_curves change:_costs change:_look_steps": oncePerFrame(draw),
    "change:look change:gamma": pair.draw,
    "change:state change:wish": head.heard,
    "change:ended change:step change:seconds": head.draw,
  });
  root.onTheme(() => (drawCurves(), pair.draw()));
  draw();
  return root.dispose;
}

/** Returns the points [step, value] of one curve: where there is a value. */
function pointsOf(table, width, column) {
  const found = [];
  for (let at = 0; at < table.length; at += width) {
    if (Number.isFinite(table[at + column])) found.push([table[at], table[at + column]]);
  }
  return found;
}

export default { render };
