// Sentences as a list that is brushed; each has a bar that shows where in time its clips lie.

import { clamp, sum } from "./numbers.js";
import { element, label, oncePerFrame } from "./view.js";

const ROW = 46; // pixels; only rows in sight are laid out, so that a list of hundreds scrolls like one of ten
const HIGH = 430; // pixels of the list at most
const HINT = "Arrow keys choose, with Shift several, Escape none.";

sentenceList.style = `
.tl {
  position: relative; overflow-y: auto; max-height: ${HIGH}px; border: 1px solid var(--line); border-radius: 6px;
  overscroll-behavior: contain;
}
.tl ul { position: relative; list-style: none; }
.tl li {
  position: absolute; inset-inline: 0; height: ${ROW}px; padding: 5px 10px 0 12px; cursor: pointer;
  border-bottom: 1px solid var(--faint);
}
.tl li::before {
  content: ""; position: absolute; inset-inline-start: 0; inset-block: 0; width: 4px; background: var(--accent);
  opacity: var(--lit, 0);
}
.tl li[aria-selected=true] { background: var(--wash); }
.tl li[aria-selected=true]::before { opacity: 1; }
.tl-line { display: flex; gap: 8px; align-items: baseline; }
.tl-line bdi { flex: 1; }
.tl-number { color: var(--soft); font-size: 11px; min-width: 1.2em; text-align: end; }
.tl-share { color: var(--accent); font-size: 11px; font-weight: 600; }
.tl-time { position: relative; height: 4px; margin-top: 7px; border-radius: 2px; background: var(--raised); }
.tl-time i { position: absolute; height: 4px; border-radius: 2px; background: var(--soft); min-width: 2px; }
.tl li[aria-selected=true] .tl-time i { background: var(--accent); }
@container (max-width: 640px) { .tl { max-height: ${5 * ROW + 2}px; } }
`;

/**
 * Makes the list; `brush(first, last)` is called with -1 and -1 when nothing is brushed any more. Returns
 *   box              the element
 *   spans(answer)    show where the hard path of an answer puts each sentence
 *   mark(brushed, weights)  show the brush; and if clips are brushed, how much of each sentence is aligned with them
 */
export function sentenceList(root, { sentences, m, brush }) {
  const n = sentences.length;
  const list = element("ul", { ".style": `height: ${n * ROW}px`, role: "presentation" });
  const name = `${n} sentence${n > 1 ? "s" : ""}. ${HINT}`;
  const attributes = { class: "tl", tabindex: 0, role: "listbox", "aria-multiselectable": "true" };
  const box = element("div", { ...attributes, "aria-label": name }, list);
  const state = {
    root,
    box,
    sentences,
    n,
    m,
    answer: null,
    brushed: { axis: "" },
    linked: null,
    active: -1,
    anchor: -1,
  };

  const draw = oncePerFrame(() => {
    const first = clamp(Math.floor(box.scrollTop / ROW) - 2, 0, n - 1);
    const last = clamp(Math.ceil((box.scrollTop + (box.clientHeight || HIGH)) / ROW) + 2, 0, n - 1);
    list.replaceChildren(...Array.from({ length: last - first + 1 }, (_, k) => rowOf(state, first + k)));
    const { active } = state;
    if (active >= first && active <= last) box.setAttribute("aria-activedescendant", `${root.id}-s${active}`);
    else box.removeAttribute("aria-activedescendant");
  });

  const choose = (i, extend) => {
    if (!extend || state.anchor < 0) state.anchor = i;
    state.active = i;
    reveal(box, i);
    brush(Math.min(state.anchor, i), Math.max(state.anchor, i));
    draw();
  };
  box.addEventListener("scroll", draw);
  followPointer(state, choose);
  followKeys(state, choose, () => brush(-1, -1));

  return {
    box,
    spans(answer) {
      state.answer = answer;
      draw();
    },
    mark(brushed, weights) {
      const moved = JSON.stringify(brushed) !== JSON.stringify(state.brushed);
      const most = weights ? weights.reduce((a, b) => Math.max(a, b), 0) : 0;
      state.brushed = brushed;
      state.linked = weights ? { weights, total: sum(weights), most } : null;
      const { first, last } = brushed;
      if (moved && brushed.axis === "rows") {
        if (state.active < first || state.active > last) state.active = state.anchor = first;
        reveal(box, last);
        reveal(box, first);
      } else if (moved && most) reveal(box, weights.indexOf(most));
      draw();
    },
  };
}

/** Returns the row of one sentence. */
function rowOf({ root, sentences, n, m, answer, brushed, linked }, i) {
  const selected = brushed.axis === "rows" && i >= brushed.first && i <= brushed.last;
  const weight = linked?.weights[i] ?? 0, total = linked?.total ?? 0;
  const number = element("span", { class: "tl-number" }, String(i));
  const line = element("div", { class: "tl-line" }, number, label(sentences[i] || "(no text)", { class: "tc-cut" }));
  if (total && weight / total > 0.005) {
    line.append(element("span", { class: "tl-share" }, `${Math.round((100 * weight) / total)} %`));
  }
  const time = element("div", { class: "tl-time", "aria-hidden": "true" });
  if (answer && answer.first[i] >= 0) {
    const from = answer.first[i], to = answer.last[i] + 1;
    time.append(element("i", { ".style": `left: ${(100 * from) / m}%; width: ${(100 * (to - from)) / m}%` }));
  }
  const lit = total ? Math.min(1, (1.2 * weight) / (linked.most || 1)) : 0;
  return element(
    "li",
    {
      id: `${root.id}-s${i}`,
      role: "option",
      title: sentences[i],
      "aria-selected": String(selected),
      "aria-setsize": n,
      "aria-posinset": i + 1,
      "data-row": i,
      ".style": `top: ${i * ROW}px; --lit: ${lit}`,
    },
    line,
    time,
  );
}

/** Scrolls a row into sight. */
function reveal(box, i) {
  if (i * ROW < box.scrollTop) box.scrollTop = i * ROW;
  else if ((i + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (i + 1) * ROW - box.clientHeight;
}

function followPointer(state, choose) {
  const { root, box, n } = state;
  let dragging = false;
  const rowAt = (event) => {
    const down = event.clientY - box.getBoundingClientRect().top - box.clientTop + box.scrollTop;
    return clamp(Math.floor(down / ROW), 0, n - 1);
  };
  box.addEventListener("pointerdown", (event) => {
    if (event.button || event.offsetX > box.clientWidth) return;
    dragging = event.pointerType === "mouse"; // fingers scroll
    if (dragging) choose(rowAt(event), event.shiftKey);
  });
  box.addEventListener("pointermove", (event) => {
    if (dragging && event.buttons && rowAt(event) !== state.active) choose(rowAt(event), true);
  });
  box.addEventListener("click", (event) => !dragging && choose(rowAt(event), event.shiftKey));
  const end = () => setTimeout(() => (dragging = false));
  addEventListener("pointerup", end);
  root.onEnd(() => removeEventListener("pointerup", end));
}

function followKeys(state, choose, clear) {
  const { box, n } = state;
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -n, End: n }[event.key];
    const start = by >= n ? n - 1 : 0; // where no sentence is active yet
    if (by) choose(state.active < 0 ? start : clamp(state.active + by, 0, n - 1), event.shiftKey);
    else if (event.key === "Escape") clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
