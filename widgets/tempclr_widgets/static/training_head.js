// The progress of training, with the buttons that pause and stop it.

import { button } from "./controls.js";
import { element } from "./view.js";

const PATIENCE = 3000; // ms after which a busy kernel is assumed not to take messages
const STATES = {
  waiting: "Waiting to begin",
  running: "Running",
  paused: "Paused",
  stopping: "Stopping after this step",
  ended: "Ended",
};
const PAUSING = "Pausing after this step";
const REASONS = {
  steps: "all steps done",
  patience: "no better score for too long",
  terminated: "stopped by a signal; it continues from its last step",
  stopped: "stopped",
  interrupted: "interrupted; it continues from its last checkpoint",
};
const DEAF = "The kernel has not answered yet. Unless a step takes long, this kernel takes no messages while a cell " +
  "runs: interrupt it instead. Training continues from its last checkpoint.";

/** Makes the head. Returns { boxes, draw(), heard() }; call `heard` when the loop has received a request. */
export function headOf(root, model) {
  let sent = null, waiting = 0; // `sent` is a request that the loop has not confirmed
  const asked = () => sent ?? model.get("wish");
  const state = element("span", { class: "tm-state" }), facts = element("span", { class: "tc-soft" });
  const bar = element("progress", { max: model.get("steps"), "aria-label": "steps of training done" });
  const toggle = () => wish(asked() === "pause" ? "" : "pause");
  const pause = button("Pause", "hold training after this step", toggle);
  const stop = button("Stop", "end training after this step, with a checkpoint", () => wish("stop"));
  const tools = element("span", { class: "tm-tools" }, pause, stop);
  const note = element("p", { class: "tc-problem", role: "alert", hidden: true }, DEAF);
  root.onEnd(() => clearTimeout(waiting));

  /** Asks the loop for something, and tells the reader if it does not answer. */
  function wish(what) {
    sent = what;
    model.send({ wish: what }); // a state change would wait until the kernel is idle
    draw();
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (sent !== null) note.hidden = false;
    }, PATIENCE + 2000 * model.get("seconds"));
  }

  function heard() {
    sent = null;
    note.hidden = true;
    draw();
  }

  function draw() {
    const now = model.get("state"), step = model.get("step"), steps = model.get("steps"), wanted = asked();
    const running = now === "running";
    state.textContent = (running && { pause: PAUSING, stop: STATES.stopping }[wanted]) || STATES[now];
    facts.textContent = factsOf(model);
    bar.value = step;
    bar.textContent = `${step} of ${steps}`;
    tools.hidden = model.baked || !["running", "paused", "stopping"].includes(now);
    pause.textContent = wanted === "pause" ? "Continue" : "Pause";
    pause.disabled = stop.disabled = wanted === "stop" || now === "stopping";
  }

  return { boxes: [element("div", { class: "tm-head" }, state, facts, bar, tools), note], draw, heard };
}

/** Returns the step, the time per step, the time that is left, and why training ended. */
function factsOf(model) {
  const [now, ended] = ["state", "ended"].map((key) => model.get(key));
  const [step, steps, seconds] = ["step", "steps", "seconds"].map((key) => model.get(key));
  const left = seconds * (steps - step), parts = [`step ${step} of ${steps}`];
  if (seconds) parts.push(`${seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`} per step`);
  if (now === "running" && left > 0) {
    parts.push(`about ${left < 90 ? `${Math.ceil(left)} s` : `${Math.round(left / 60)} min`} left`);
  }
  if (now === "ended" && ended) parts.push(REASONS[ended] ?? ended);
  return parts.join(" · ");
}
