// Sentences as a list that is brushed, each with a bar that shows where in time its clips lie.

import { clamp, element, label, oncePerFrame } from "./view.js";

const ROW = 46; // pixels; only the rows in sight are laid out, so that hundreds scroll like ten

sentenceList.style = `
.tl { position: relative; overflow-y: auto; max-height: 430px; border: 1px solid var(--line); border-radius: 6px; overscroll-behavior: contain; }
.tl ul { position: relative; list-style: none; }
.tl li { position: absolute; inset-inline: 0; height: ${ROW}px; padding: 5px 10px 0 12px; cursor: pointer; border-bottom: 1px solid color-mix(in srgb, var(--line) 55%, transparent); }
.tl li::before { content: ""; position: absolute; inset-inline-start: 0; inset-block: 0; width: 4px; background: var(--accent); opacity: var(--lit, 0); }
.tl li[aria-selected=true] { background: var(--wash); } .tl li[aria-selected=true]::before { opacity: 1; }
.tl-line { display: flex; gap: 8px; align-items: baseline; } .tl-line bdi { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tl-number { color: var(--soft); font-size: 11px; min-width: 1.2em; text-align: end; } .tl-share { color: var(--accent); font-size: 11px; font-weight: 600; }
.tl-time { position: relative; height: 4px; margin-top: 7px; border-radius: 2px; background: var(--raised); } .tl-time i { position: absolute; height: 4px; border-radius: 2px; background: var(--soft); min-width: 2px; }
.tl li[aria-selected=true] .tl-time i { background: var(--accent); }
@container (max-width: 640px) { .tl { max-height: ${5 * ROW + 2}px; } }
`;

/** A list of sentences; `brush(first, last)` is called with -1 when nothing is brushed any more. */
export function sentenceList(root, { sentences, m, brush }) {
  const n = sentences.length;
  const list = element("ul", { ".style": `height: ${n * ROW}px`, role: "presentation" });
  const box = element("div", { class: "tl", tabindex: 0, role: "listbox", "aria-multiselectable": "true", "aria-label": `${n} sentence${n > 1 ? "s" : ""}. Arrow keys choose, with Shift several, Escape none.` }, list);
  let answer = null, now = { axis: "" }, linked = null, active = -1, anchor = -1, dragging = false;

  const draw = oncePerFrame(() => {
    const first = clamp(Math.floor(box.scrollTop / ROW) - 2, 0, n - 1), last = clamp(Math.ceil((box.scrollTop + (box.clientHeight || 430)) / ROW) + 2, 0, n - 1);
    list.replaceChildren(...Array.from({ length: last - first + 1 }, (_, k) => row(first + k)));
    if (active >= first && active <= last) box.setAttribute("aria-activedescendant", `${root.id}-s${active}`);
    else box.removeAttribute("aria-activedescendant");
  });

  function row(i) {
    const brushed = now.axis === "rows" && i >= now.first && i <= now.last;
    const weight = linked ? linked[i] : 0, total = linked ? linked.sum : 0;
    const line = element("div", { class: "tl-line" }, element("span", { class: "tl-number" }, String(i)), label(sentences[i] || "(no text)"));
    if (total && weight / total > 0.005) line.append(element("span", { class: "tl-share" }, `${Math.round((100 * weight) / total)} %`));
    const time = element("div", { class: "tl-time", "aria-hidden": "true" });
    if (answer && answer.first[i] >= 0) {
      const from = answer.first[i], to = answer.last[i] + 1;
      time.append(element("i", { ".style": `left: ${(100 * from) / m}%; width: ${(100 * (to - from)) / m}%` }));
    }
    const made = element("li", {
      id: `${root.id}-s${i}`, role: "option", title: sentences[i], "aria-selected": String(brushed), "aria-setsize": n, "aria-posinset": i + 1,
      ".style": `top: ${i * ROW}px; --lit: ${total ? Math.min(1, (1.2 * weight) / (linked.most || 1)) : 0}`,
    }, line, time);
    made.dataset.row = i;
    return made;
  }

  function choose(i, extend) {
    if (!extend || anchor < 0) anchor = i;
    active = i;
    reveal(i);
    brush(Math.min(anchor, i), Math.max(anchor, i));
    draw();
  }

  function reveal(i) {
    if (i * ROW < box.scrollTop) box.scrollTop = i * ROW;
    else if ((i + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (i + 1) * ROW - box.clientHeight;
  }

  const rowOf = (event) => clamp(Math.floor((event.clientY - box.getBoundingClientRect().top - box.clientTop + box.scrollTop) / ROW), 0, n - 1);
  box.addEventListener("pointerdown", (event) => {
    if (event.button || event.offsetX > box.clientWidth) return;
    dragging = event.pointerType === "mouse"; // fingers scroll
    if (dragging) choose(rowOf(event), event.shiftKey);
  });
  box.addEventListener("pointermove", (event) => dragging && event.buttons && rowOf(event) !== active && choose(rowOf(event), true));
  box.addEventListener("click", (event) => !dragging && choose(rowOf(event), event.shiftKey));
  addEventListener("pointerup", end);
  root.onEnd(() => removeEventListener("pointerup", end));
  function end() {
    setTimeout(() => (dragging = false));
  }
  box.addEventListener("scroll", draw);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -n, End: n }[event.key];
    if (by) choose(clamp(active < 0 ? (by > 0 && by < n ? 0 : by > 0 ? n - 1 : 0) : active + by, 0, n - 1), event.shiftKey);
    else if (event.key === "Escape") brush(-1, -1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return {
    box,
    /** Where the hard path puts each sentence. */
    spans(found) {
      answer = found;
      draw();
    },
    /** What is brushed; and if clips are, how much of each sentence is aligned with them. */
    mark(brushed, weights) {
      const moved = JSON.stringify(brushed) !== JSON.stringify(now);
      now = brushed;
      linked = weights ?? null;
      if (linked) (linked.sum = linked.reduce((a, b) => a + b, 0)), (linked.most = linked.reduce((a, b) => Math.max(a, b), 0));
      if (moved && now.axis === "rows") {
        if (active < now.first || active > now.last) (active = now.first), (anchor = now.first);
        reveal(now.last), reveal(now.first);
      } else if (moved && linked && linked.most) reveal(linked.indexOf(linked.most));
      draw();
    },
  };
}
