// The clips in time: pictures or a video, the sentence of each stretch, and a position that is scrubbed and played.

import { askForVideo, playerOf, seek } from "./player.js";
import { drawStrip, LEFT, placeOf, RIGHT } from "./strip.js";
import { clamp, floats, written } from "./numbers.js";
import { element, label, oncePerFrame } from "./view.js";

const NARROW = 5; // pixels that a click may move

filmStrip.style = `
.tf {
  display: grid; grid-template-columns: minmax(190px, 270px) minmax(0, 1fr); gap: 10px 18px;
  border-top: 1px solid var(--line); padding-top: 14px;
}
.tf-now { display: grid; gap: 6px; align-content: start; min-width: 0; }
.tf-now canvas, .tf-now video { max-width: 100%; max-height: 180px; border-radius: 6px; display: block; }
.tf-now video { width: 100%; max-height: 240px; }
.tf-now [hidden] { display: none; }
.tf-caption {
  font-weight: 600; overflow-wrap: anywhere; display: -webkit-box; -webkit-line-clamp: 3;
  -webkit-box-orient: vertical; overflow: hidden;
}
.tf-facts { font-size: 12px; min-height: 1.45em; }
.tf-strip { position: relative; cursor: crosshair; touch-action: pan-y; border-radius: 4px; }
.tf-strip canvas { width: 100%; display: block; border-radius: 4px; }
.tf-move { display: flex; gap: 12px; align-items: center; padding-inline-start: ${LEFT}px; margin-top: 8px; }
.tf-move button { min-width: 5.2em; }
.tf-move .tc-slider { max-width: none; grid-template-columns: auto 1fr auto; align-items: center; }
.tf-move .tc-slider input { grid-column: auto; }
@container (max-width: 640px) {
  .tf { grid-template-columns: minmax(0, 1fr); }
  .tf-move { padding-inline-start: 0; }
}
`;

/**
 * Makes the strip; `point(j)` is called when the position moves, `brush(axis, first, last)` when clips are brushed.
 * Returns
 *   box                    the element
 *   peek(j, i)             show clip j and sentence i for now, as while the pointer is over them
 *   spans(answer)          show which sentence the hard path of an answer gives each clip
 *   look({ left, right })  show a stretch of clips
 *   note(brushed, cursor)  take over the brush and the position, without drawing them
 *   mark(brushed, weights, cursor)  draw them; and if sentences are brushed, how much of each clip is aligned with them
 *   tell(cursor, cost, aligned)     say in words what is known of the cell at the position
 */
export function filmStrip(root, model, { m, sentences, brush, point }) {
  const shape = model.get("_sheet_shape"), bytes = model.get("_clip_starts");
  const [frames, height, width, across] = shape.length ? shape : [0, 1, 1, 1];
  const strip = { root, model, m, sentences, frames, height, width, across, tall: frames ? clamp(height, 44, 76) : 0 };
  strip.starts = bytes.byteLength ? floats(bytes) : null;
  Object.assign(strip, { answer: null, brushed: { axis: "" }, weights: null, at: 0, area: [0, m], sheet: null });
  strip.video = null;
  strip.draw = oncePerFrame(() => drawStrip(strip));
  strip.brush = brush;
  strip.move = (j, byVideo = false) => {
    strip.at = clamp(j, 0, m - 1);
    if (strip.video && !byVideo && strip.starts) seek(strip);
    point(strip.at);
  };
  const box = build(strip);
  strip.player = playerOf(strip);
  strip.slide.addEventListener("input", () => strip.move(Number(strip.slide.value)));
  followPointer(strip);
  followKeys(strip);
  openPictures(strip);
  askForVideo(strip);
  const observer = new ResizeObserver(strip.draw);
  observer.observe(strip.track);
  root.onEnd(() => (observer.disconnect(), strip.player.end()));
  root.onTheme(strip.draw);
  return {
    box,
    peek: (j, i) => peek(strip, j, i),
    spans(answer) {
      strip.answer = answer;
      tellNow(strip, strip.at, onPath(strip, strip.at));
      show(strip, strip.at);
    },
    look({ left, right }) {
      strip.area = [left, right];
      strip.draw();
    },
    note(brushed, cursor) {
      strip.brushed = brushed;
      if (!cursor || cursor[1] === strip.at) return;
      strip.at = cursor[1];
      if (strip.video?.paused) seek(strip);
    },
    mark(brushed, weights, cursor) {
      strip.brushed = brushed;
      strip.weights = weights ?? null;
      show(strip, cursor ? cursor[1] : strip.at);
    },
    tell(cursor, cost, aligned) {
      if (!cursor) return;
      const [i, j] = cursor, dropped = onPath(strip, j) < 0; // then the cell is the nearest one, or was pointed at
      const price = cost === Infinity ? "forbidden" : written(cost);
      const more = `${dropped ? ` · with sentence ${i}:` : " ·"} cost ${price} · aligned ${written(aligned)}`;
      tellNow(strip, j, dropped ? -1 : i, more);
    },
  };
}

/** Builds the elements and keeps them in the strip. Returns the outermost. */
function build(strip) {
  const { m, frames } = strip;
  strip.canvas = element("canvas");
  strip.track = element("div", {
    class: "tf-strip",
    tabindex: 0,
    role: "slider",
    "aria-label": "clips in time. Arrow keys move, with Shift they brush, Escape clears.",
    "aria-valuemin": 0,
    "aria-valuemax": m - 1,
    "aria-valuenow": 0,
  }, strip.canvas);
  strip.caption = element("div", { class: "tf-caption" });
  strip.facts = element("div", { class: "tf-facts tc-soft" });
  strip.now = element("canvas", { hidden: !frames, role: "img", "aria-label": "pictures of the clip" });
  strip.play = element("button", { type: "button" }, "Play");
  strip.slide = element("input", { type: "range", min: 0, max: m - 1, step: 1, "aria-label": "position: clip" });
  strip.where = element("output");
  const slide = element("label", { class: "tc-slider" }, element("span", {}, "clip"), strip.slide, strip.where);
  const now = element("div", { class: "tf-now" }, strip.now, strip.caption, strip.facts);
  const time = element("div", {}, strip.track, element("div", { class: "tf-move" }, strip.play, slide));
  return element("div", { class: "tf" }, now, time);
}

// ---- what is shown of one clip

/** Returns the sentence of a clip on the hard path; -1 for a clip that is left out. */
const onPath = ({ answer }, j) => answer?.row[j] ?? -1;

function tellNow({ answer, caption, facts, sentences, starts }, j, i, more = "") {
  const known = answer && i >= 0, clip = starts ? `clip ${j} · ${clock(starts[j])}` : `clip ${j}`;
  caption.replaceChildren(known ? label(sentences[i] || "(no text)") : "");
  facts.textContent = (answer ? `${clip} · sentence ${known ? i : "none"}` : `clip ${j}`) + more;
}

/** Draws the pictures of one clip side by side. */
function drawNow(strip, j) {
  const { sheet, frames, width, height, now } = strip;
  if (!sheet) return;
  const shown = Math.min(frames, 3), ratio = Math.max(1, Math.round(264 / (shown * width)));
  const step = width * ratio + 4; // a gap between pictures
  now.width = shown * step - 4;
  now.height = height * ratio;
  const context = now.getContext("2d");
  context.imageSmoothingEnabled = false;
  for (let k = 0; k < shown; k++) {
    const frame = shown < frames ? Math.round((k * (frames - 1)) / Math.max(1, shown - 1)) : k;
    const [x, y] = placeOf(strip, j, frame);
    context.drawImage(sheet, x, y, width, height, k * step, 0, width * ratio, height * ratio);
  }
  now.setAttribute("aria-label", `pictures of clip ${j}`);
}

function peek(strip, j, i) {
  drawNow(strip, j);
  tellNow(strip, j, i);
}

/** Shows a position, in the strip and in its slider. */
function show(strip, j) {
  const { slide, where, track, starts, sentences, m } = strip, i = onPath(strip, j);
  strip.at = j;
  slide.value = j;
  where.textContent = starts ? clock(starts[j]) : `${j} of ${m - 1}`;
  slide.setAttribute("aria-valuetext", `clip ${j}`);
  track.setAttribute("aria-valuenow", j);
  track.setAttribute("aria-valuetext", i < 0 ? `clip ${j}, no sentence` : `clip ${j}, sentence ${i}: ${sentences[i]}`);
  drawNow(strip, j);
  strip.draw();
}

// ---- moving

function followPointer(strip) {
  const { track, m } = strip;
  const clipAt = (event) => {
    const bounds = track.getBoundingClientRect(), [from, to] = strip.area;
    const share = (event.clientX - bounds.left - LEFT) / (bounds.width - LEFT - RIGHT);
    return clamp(Math.floor(from + share * (to - from)), 0, m - 1);
  };
  let drag = null;
  track.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    track.setPointerCapture(event.pointerId);
    drag = { from: clipAt(event), x: event.clientX, brushed: false };
  });
  track.addEventListener("pointermove", (event) => {
    const j = clipAt(event);
    if (!drag) return peek(strip, j, onPath(strip, j));
    drag.brushed ||= Math.abs(event.clientX - drag.x) > NARROW;
    if (drag.brushed) strip.brush("columns", Math.min(drag.from, j), Math.max(drag.from, j));
  });
  track.addEventListener("pointerup", () => {
    if (drag && !drag.brushed) {
      strip.brush("columns", drag.from, drag.from);
      strip.move(drag.from);
    }
    drag = null;
  });
  track.addEventListener("pointerleave", () => peek(strip, strip.at, onPath(strip, strip.at)));
}

function followKeys(strip) {
  const { track, m } = strip;
  const moves = {
    ArrowLeft: -1,
    ArrowDown: -1,
    ArrowRight: 1,
    ArrowUp: 1,
    PageDown: -10,
    PageUp: 10,
    Home: -m,
    End: m,
  };
  track.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const by = moves[event.key], { at, brushed: { axis, first, last } } = strip;
    if (by) {
      const to = clamp(at + by, 0, m - 1);
      if (event.shiftKey) {
        const anchor = axis === "columns" ? (first === at ? last : first) : at;
        strip.brush("columns", Math.min(anchor, to), Math.max(anchor, to));
      }
      strip.move(to);
    } else if (event.key === " " || event.key === "Enter") strip.play.click();
    else if (event.key === "Escape") strip.brush("", 0, 0);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function openPictures(strip) {
  const { root, model } = strip, bytes = model.get("_sheet");
  if (!bytes.byteLength) return;
  const address = URL.createObjectURL(new Blob([bytes])), image = new Image();
  image.onload = () => {
    strip.sheet = image;
    drawNow(strip, strip.at);
    strip.draw();
  };
  image.onerror = () => root.fail("The pictures of the clips cannot be read.");
  image.src = address;
  root.onEnd(() => URL.revokeObjectURL(address));
}

/** Returns seconds as minutes and seconds. */
function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  return `${Math.floor(tenths / 600)}:${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
}
