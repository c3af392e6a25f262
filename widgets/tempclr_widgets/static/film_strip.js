// The clips in time: pictures or a video, the sentence of each stretch, and a position that is scrubbed and played.

import { clamp, element, floats, label, oncePerFrame, still, written } from "./view.js";

const LEFT = 38, RIGHT = 6, BAND = 18, GAP = 4;
const LATE = 30; // seconds that playing takes at most, without a video

filmStrip.style = `
.tf { display: grid; grid-template-columns: minmax(190px, 270px) minmax(0, 1fr); gap: 10px 18px; border-top: 1px solid var(--line); padding-top: 14px; }
.tf-now { display: grid; gap: 6px; align-content: start; min-width: 0; } .tf-now canvas, .tf-now video { max-width: 100%; max-height: 180px; border-radius: 6px; display: block; } .tf-now video { width: 100%; max-height: 240px; }
.tf-now [hidden] { display: none; }
.tf-caption { font-weight: 600; overflow-wrap: anywhere; display: -webkit-box; -webkit-line-clamp: 3; -webkit-box-orient: vertical; overflow: hidden; }
.tf-facts { font-size: 12px; min-height: 1.45em; }
.tf-strip { position: relative; cursor: crosshair; touch-action: pan-y; border-radius: 4px; } .tf-strip canvas { width: 100%; display: block; border-radius: 4px; }
.tf-move { display: flex; gap: 12px; align-items: center; padding-inline-start: ${LEFT}px; margin-top: 8px; } .tf-move button { min-width: 5.2em; } .tf-move .tc-slider { max-width: none; grid-template-columns: auto 1fr auto; align-items: center; } .tf-move .tc-slider input { grid-column: auto; }
@container (max-width: 640px) { .tf { grid-template-columns: minmax(0, 1fr); } .tf-move { padding-inline-start: 0; } }
`;

/** The strip; `point(j)` is called when the position moves, `brush(axis, first, last)` when clips are brushed. */
export function filmStrip(root, model, { m, sentences, brush, point }) {
  const [frames, height, width, across] = model.get("_sheet_shape").length ? model.get("_sheet_shape") : [0, 1, 1, 1];
  const starts = model.get("_clip_starts").byteLength ? floats(model.get("_clip_starts")) : null;
  const tall = frames ? clamp(height, 44, 76) : 0;
  const canvas = element("canvas");
  const keys = "Arrow keys move, with Shift they brush, Escape clears.";
  const strip = element("div", { class: "tf-strip", tabindex: 0, role: "slider", "aria-label": `clips in time. ${keys}`, "aria-valuemin": 0, "aria-valuemax": m - 1, "aria-valuenow": 0 }, canvas);
  const caption = element("div", { class: "tf-caption" }), facts = element("div", { class: "tf-facts tc-soft" });
  const now = element("canvas", { hidden: !frames, role: "img", "aria-label": "pictures of the clip" });
  const holder = element("div", { class: "tf-now" }, now, caption, facts);
  const play = element("button", { type: "button" }, "Play");
  const slide = element("input", { type: "range", min: 0, max: m - 1, step: 1, "aria-label": "position: clip" });
  const where = element("output");
  const box = element("div", { class: "tf" }, holder, element("div", {}, strip, element("div", { class: "tf-move" }, play, element("label", { class: "tc-slider" }, element("span", {}, "clip"), slide, where))));
  let answer = null, mark = { axis: "" }, weights = null, at = 0, window_ = [0, m], sheet = null, playing = 0, video = null;

  // ---- drawing

  const draw = oncePerFrame(() => {
    const total = strip.clientWidth, ratio = window.devicePixelRatio || 1;
    if (!total) return;
    const high = tall + (tall ? GAP : 0) + BAND + 8;
    canvas.width = Math.round(total * ratio);
    canvas.height = Math.round(high * ratio);
    canvas.style.height = `${high}px`;
    const context = canvas.getContext("2d"), wide = total - LEFT - RIGHT, per = wide / (window_[1] - window_[0]);
    context.scale(ratio, ratio);
    const x = (j) => LEFT + (j - window_[0]) * per, ink = (name) => `rgb(${root.colour(name)})`;
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, wide, high);
    context.clip();
    if (sheet) drawPictures(context, x, wide, per);
    drawSentences(context, x, wide, tall + (tall ? GAP : 0), ink);
    context.fillStyle = ink("--accent");
    (weights ?? []).forEach((weight, j) => {
      if (!(weight > 0.01)) return;
      context.globalAlpha = 0.25 + 0.75 * Math.min(1, weight);
      context.fillRect(x(j), high - 6, Math.max(1, per), 4);
    });
    context.globalAlpha = 1;
    if (mark.axis === "columns") {
      context.strokeStyle = ink("--accent");
      context.lineWidth = 2;
      context.strokeRect(x(mark.first) + 1, 1, Math.max(2, (mark.last - mark.first + 1) * per - 2), high - 8);
    }
    context.fillStyle = ink("--accent");
    const middle = x(at + 0.5);
    context.fillRect(middle - 1, 0, 2, high - 2);
    context.beginPath();
    context.moveTo(middle - 5, 0), context.lineTo(middle + 5, 0), context.lineTo(middle, 7);
    context.fill();
    context.restore();
  });

  function drawPictures(context, x, wide, per) {
    const each = (tall * width) / height, slots = Math.max(1, Math.floor(wide / (each + 2)));
    const count = Math.min(slots, Math.ceil(window_[1]) - Math.floor(window_[0]));
    for (let k = 0; k < count; k++) {
      const j = clamp(Math.floor(window_[0] + ((k + 0.5) * (window_[1] - window_[0])) / count), 0, m - 1);
      const left = count < slots ? x(j) + (per - each) / 2 : LEFT + ((k + 0.5) * wide) / count - each / 2;
      const [sx, sy] = placeOf(j, frames - 1);
      const lit = !mark.axis || (mark.axis === "columns" ? j >= mark.first && j <= mark.last : weights && weights[j] > 0.01);
      context.globalAlpha = lit ? 1 : 0.28;
      context.imageSmoothingEnabled = width > each;
      context.drawImage(sheet, sx, sy, width, height, left, 0, each, tall);
    }
    context.globalAlpha = 1;
  }

  function placeOf(j, frame) {
    const number = j * frames + frame;
    return [(number % across) * width, Math.floor(number / across) * height];
  }

  /** Stretches of clips with one sentence, in two tones in turn. */
  function drawSentences(context, x, wide, top, ink) {
    if (!answer) return;
    context.font = `10.5px ${getComputedStyle(root).fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    let turn = 0;
    for (let j = 0; j < m; ) {
      const i = answer.row[j];
      let end = j + 1;
      while (end < m && answer.row[end] === i) end++;
      if (i >= 0 && end > window_[0] && j < window_[1]) {
        const from = Math.max(LEFT, x(j)), to = Math.min(LEFT + wide, x(end)), lit = mark.axis === "rows" && i >= mark.first && i <= mark.last;
        context.fillStyle = lit ? ink("--accent") : ink("--soft");
        context.globalAlpha = lit ? 0.9 : turn % 2 ? 0.14 : 0.26;
        context.fillRect(from, top, Math.max(1, to - from - 1), BAND - 4);
        context.globalAlpha = 1;
        context.fillStyle = lit ? ink("--paper") : ink("--ink");
        if (to - from > 8 + 7 * String(i).length) context.fillText(i, (from + to) / 2, top + BAND / 2 - 1.5);
      }
      turn++;
      j = end;
    }
  }

  /** Pictures of one clip, side by side. */
  function drawNow(j) {
    if (!sheet) return;
    const shown = Math.min(frames, 3), ratio = Math.max(1, Math.round(264 / (shown * width)));
    const step = width * ratio + 4; // a gap between pictures
    now.width = shown * step - 4;
    now.height = height * ratio;
    const context = now.getContext("2d");
    context.imageSmoothingEnabled = false;
    for (let k = 0; k < shown; k++) {
      const [sx, sy] = placeOf(j, shown < frames ? Math.round((k * (frames - 1)) / Math.max(1, shown - 1)) : k);
      context.drawImage(sheet, sx, sy, width, height, k * step, 0, width * ratio, height * ratio);
    }
    now.setAttribute("aria-label", `pictures of clip ${j}`);
  }

  /** The sentence of a clip on the path; none of a clip that is left out. */
  const onPath = (j) => answer?.row[j] ?? -1;
  const words = (j, i) => (starts ? `clip ${j} · ${clock(starts[j])}` : `clip ${j}`) + ` · sentence ${i}`;
  function tellNow(j, i, more = "") {
    const known = answer && i >= 0;
    caption.replaceChildren(known ? label(sentences[i] || "(no text)") : "");
    facts.textContent = (known ? words(j, i) : answer ? words(j, "none") : `clip ${j}`) + more;
  }

  // ---- moving

  function move(j, byVideo = false) {
    at = clamp(j, 0, m - 1);
    if (video && !byVideo && starts) video.currentTime = starts[at] + 0.01;
    point(at);
  }

  function show(j) {
    at = j;
    slide.value = j;
    where.textContent = starts ? clock(starts[j]) : `${j} of ${m - 1}`;
    slide.setAttribute("aria-valuetext", `clip ${j}`);
    strip.setAttribute("aria-valuenow", j);
    strip.setAttribute("aria-valuetext", onPath(j) < 0 ? `clip ${j}, no sentence` : `clip ${j}, sentence ${onPath(j)}: ${sentences[onPath(j)]}`);
    drawNow(j);
    draw();
  }

  function stop() {
    clearInterval(playing);
    playing = 0;
    video?.pause();
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }

  play.addEventListener("click", () => {
    if (playing || (video && !video.paused)) return stop();
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    if (video) return void video.play().catch((error) => (stop(), root.fail(`The video cannot be played: ${error.message}`)));
    if (at >= m - 1) move(0);
    const pause = Math.max(still() ? 500 : 40, Math.min(400, (LATE * 1000) / m)), step = Math.max(1, Math.ceil((m * pause) / (LATE * 1000)));
    playing = setInterval(() => (at >= m - 1 ? stop() : move(at + step)), pause);
  });
  slide.addEventListener("input", () => move(Number(slide.value)));

  const clipAt = (event) => {
    const bounds = strip.getBoundingClientRect();
    return clamp(Math.floor(window_[0] + ((event.clientX - bounds.left - LEFT) / (bounds.width - LEFT - RIGHT)) * (window_[1] - window_[0])), 0, m - 1);
  };
  let drag = null;
  strip.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    strip.setPointerCapture(event.pointerId);
    drag = { from: clipAt(event), x: event.clientX, brushed: false };
  });
  strip.addEventListener("pointermove", (event) => {
    const j = clipAt(event);
    if (!drag) return peek(j, onPath(j));
    drag.brushed ||= Math.abs(event.clientX - drag.x) > 5;
    if (drag.brushed) brush("columns", Math.min(drag.from, j), Math.max(drag.from, j));
  });
  strip.addEventListener("pointerup", () => {
    if (drag && !drag.brushed) (brush("columns", drag.from, drag.from), move(drag.from));
    drag = null;
  });
  strip.addEventListener("pointerleave", () => peek(at, onPath(at)));
  strip.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -m, End: m }[event.key];
    if (by) {
      const to = clamp(at + by, 0, m - 1);
      if (event.shiftKey) {
        const anchor = mark.axis === "columns" ? (mark.first === at ? mark.last : mark.first) : at;
        brush("columns", Math.min(anchor, to), Math.max(anchor, to));
      }
      move(to);
    } else if (event.key === " " || event.key === "Enter") play.click();
    else if (event.key === "Escape") brush("", 0, 0);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  function peek(j, i) {
    drawNow(j);
    tellNow(j, i);
  }

  // ---- pictures and video

  const bytes = model.get("_sheet");
  if (bytes.byteLength) {
    const address = URL.createObjectURL(new Blob([bytes]));
    const image = new Image();
    image.onload = () => ((sheet = image), drawNow(at), draw());
    image.onerror = () => root.fail("The pictures of the clips cannot be read.");
    image.src = address;
    root.onEnd(() => URL.revokeObjectURL(address));
  }
  if (model.get("_video_type")) {
    if (model.baked) openVideo(model.get("_video"));
    else {
      const onVideo = (message, buffers) => message.video && !video && openVideo(buffers[0]);
      model.on("msg:custom", onVideo);
      root.onEnd(() => model.off("msg:custom", onVideo));
      model.send({ video: true });
      facts.textContent = "The video comes from the kernel.";
    }
  }

  function openVideo(content) {
    const address = URL.createObjectURL(new Blob([content], { type: model.get("_video_type") }));
    video = element("video", { playsinline: true, preload: "auto", "aria-label": "the video" });
    video.addEventListener("error", () => root.fail("The browser cannot play this video; H.264 in MP4 and VP9 in WebM are played by all."));
    video.addEventListener("timeupdate", () => {
      if (video.paused) return;
      let j = at;
      while (j + 1 < m && starts[j + 1] <= video.currentTime) j++;
      while (j > 0 && starts[j] > video.currentTime) j--;
      if (j !== at) move(j, true);
    });
    video.addEventListener("ended", stop);
    video.src = address;
    now.replaceWith(video);
    root.onEnd(() => (stop(), URL.revokeObjectURL(address)));
  }

  const observer = new ResizeObserver(draw);
  observer.observe(strip);
  root.onEnd(() => (observer.disconnect(), clearInterval(playing)));
  root.onTheme(draw);
  return {
    box, peek,
    spans: (found) => ((answer = found), tellNow(at, onPath(at)), show(at)),
    look: ({ left, right }) => ((window_ = [left, right]), draw()),
    /** What is brushed, and the position. */
    note(brushed, cursor) {
      mark = brushed;
      if (!cursor || cursor[1] === at) return;
      at = cursor[1];
      if (video && video.paused) video.currentTime = starts[at] + 0.01;
    },
    /** Show them; and if sentences are brushed, how much of each clip is aligned with them. */
    mark(brushed, linked, cursor) {
      mark = brushed;
      weights = linked ?? null;
      show(cursor ? cursor[1] : at);
    },
    /** The cell at the position, in words. */
    tell(cursor, cost, aligned) {
      if (!cursor) return;
      const [i, j] = cursor, left = onPath(j) < 0; // then the cell is the nearest one, or was pointed at
      tellNow(j, left ? -1 : i, `${left ? ` · with sentence ${i}:` : " ·"} cost ${cost === Infinity ? "forbidden" : written(cost)} · aligned ${written(aligned)}`);
    },
  };
}

/** Seconds as minutes and seconds. */
function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  return `${Math.floor(tenths / 600)}:${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
}
