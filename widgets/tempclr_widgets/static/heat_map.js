// A matrix on canvas: colours from typed arrays, zoom and pan, a cursor, and brushing by mouse and keyboard.

import { CIVIDIS, clamp, element, oncePerFrame, ticks } from "./view.js";

const MARGIN = { left: 38, right: 6, top: 6, bottom: 24 }; // CSS pixels around the cells, for quiet axes

/**
 * A heat map. Options:
 *   name, rowName, columnName   for axes and screen readers
 *   n, m                        rows and columns
 *   height                      of the cells in CSS pixels, from their width
 *   cursor(i, j, kind)          a cell was pointed at ("hover"), or chosen by click ("click") or arrow keys ("key")
 *   brush(axis, first, last)    rows or columns were brushed; axis is "rows", "columns" or "" for nothing
 *   window(area)                it was zoomed or panned
 * Returns { box, show(content), window(area), draw, zoom(by), fit }; `show` takes
 *   layers   { values, low, high } in the colours of the map, or { tints: [{ values, colour }] } as inks from 0 to 1 that
 *            mix where they meet, each with `opacity`
 *   paths    [{ cells, colour, shift }], over an edge; shifted to the side by pixels where several run together
 *   cursor   [i, j] or null
 *   brush    { axis, first, last }: what is outside of it fades
 *   linked   { rows, columns }: weights 0 to 1, marked beside the axes
 */
export function heatMap(root, options) {
  const { n, m, name, rowName = "sentence", columnName = "clip" } = options;
  const base = element("canvas"), over = element("canvas");
  const keys = "Arrow keys move, with Shift they brush, plus and minus zoom, 0 fits, Escape clears.";
  const box = element("div", {
    class: "tc-map", tabindex: 0, role: "application", "aria-roledescription": "matrix",
    "aria-label": `${name}: ${n} ${rowName}${n > 1 ? "s" : ""} by ${m} ${columnName}${m > 1 ? "s" : ""}. ${keys}`,
  }, base, over);
  const whole = { top: 0, bottom: n, left: 0, right: m };
  let area = { ...whole }, content = { layers: [], paths: [] }, size = null;

  const plot = () => ({
    x: MARGIN.left, y: MARGIN.top, width: Math.max(1, size.width - MARGIN.left - MARGIN.right),
    height: Math.max(1, size.height - MARGIN.top - MARGIN.bottom),
  });
  const scale = () => {
    const { x, y, width, height } = plot();
    const perColumn = width / (area.right - area.left), perRow = height / (area.bottom - area.top);
    return { x: (j) => x + (j - area.left) * perColumn, y: (i) => y + (i - area.top) * perRow, perColumn, perRow };
  };

  function resize() {
    const width = box.clientWidth;
    if (!width) return; // hidden
    const height = Math.round(options.height(width - MARGIN.left - MARGIN.right)) + MARGIN.top + MARGIN.bottom;
    size = { width, height, ratio: window.devicePixelRatio || 1 };
    box.style.height = `${height}px`;
    for (const canvas of [base, over]) {
      canvas.width = Math.round(width * size.ratio);
      canvas.height = Math.round(height * size.ratio);
    }
    drawAll();
  }

  function drawCells() {
    if (!size) return;
    const { x, y, width, height } = plot(), r = size.ratio;
    const across = Math.max(1, Math.round(width * r)), down = Math.max(1, Math.round(height * r));
    const context = base.getContext("2d");
    context.clearRect(0, 0, base.width, base.height);
    const image = context.createImageData(across, down);
    compose(image, content.layers, area, m, { paper: root.colour("--paper"), line: root.colour("--line") });
    context.putImageData(image, Math.round(x * r), Math.round(y * r));
  }

  function drawOver() {
    if (!size) return;
    const context = over.getContext("2d"), at = scale(), p = plot();
    const ink = (name) => `rgb(${root.colour(name)})`;
    context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    drawAxes(context, at, p, ink("--soft"));
    const { brush, cursor, linked, paths } = content;
    drawLinked(context, at, p, linked, ink("--accent"));
    context.save();
    context.beginPath();
    context.rect(p.x, p.y, p.width, p.height);
    context.clip();
    for (const path of paths ?? []) drawPath(context, at, path);
    if (brush?.axis) drawBrush(context, at, p, brush, ink("--paper"), ink("--accent"));
    context.restore();
    if (cursor) drawCursor(context, at, p, cursor, ink("--accent"));
  }

  function drawAxes(context, at, p, colour) {
    context.fillStyle = colour;
    context.font = `11px ${getComputedStyle(root).fontFamily}`;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const i of ticks(area.top, area.bottom - 1, p.height / 36)) {
      const y = at.y(i + 0.5);
      if (y > p.y && y < p.y + p.height) context.fillText(i, p.x - 8, y);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    const name = columnName + "s", end = p.x + p.width - context.measureText(name).width - 14;
    for (const j of ticks(area.left, area.right - 1, p.width / 64)) {
      const x = at.x(j + 0.5);
      if (x > p.x && x < end) context.fillText(j, x, p.y + p.height + 8);
    }
    context.textAlign = "right";
    context.fillText(name, p.x + p.width, p.y + p.height + 8);
    context.save();
    context.translate(3, p.y + p.height);
    context.rotate(-Math.PI / 2);
    context.textAlign = "left";
    context.fillText(rowName + "s", 0, 0);
    context.restore();
  }

  function drawLinked(context, at, p, linked, colour) {
    context.fillStyle = colour;
    (linked?.columns ?? []).forEach((weight, j) => {
      if (!(weight > 0.01) || j + 1 <= area.left || j >= area.right) return;
      const from = Math.max(p.x, at.x(j)), to = Math.min(p.x + p.width, at.x(j + 1));
      context.globalAlpha = 0.25 + 0.75 * Math.min(1, weight);
      context.fillRect(from, p.y + p.height + 2, Math.max(1, to - from), 4);
    });
    (linked?.rows ?? []).forEach((weight, i) => {
      if (!(weight > 0.01) || i + 1 <= area.top || i >= area.bottom) return;
      const from = Math.max(p.y, at.y(i)), to = Math.min(p.y + p.height, at.y(i + 1));
      context.globalAlpha = 0.25 + 0.75 * Math.min(1, weight);
      context.fillRect(p.x - 6, from, 4, Math.max(1, to - from));
    });
    context.globalAlpha = 1;
  }

  // ---- what the reader does

  const cellAt = (event) => {
    const bounds = box.getBoundingClientRect(), p = plot();
    const across = (event.clientX - bounds.left - p.x) / p.width, down = (event.clientY - bounds.top - p.y) / p.height;
    return {
      i: clamp(Math.floor(area.top + down * (area.bottom - area.top)), 0, n - 1),
      j: clamp(Math.floor(area.left + across * (area.right - area.left)), 0, m - 1),
      across, down, inside: across >= 0 && across < 1 && down >= 0 && down < 1,
    };
  };

  let drag = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.button > 1 || !size) return;
    const start = cellAt(event);
    box.setPointerCapture(event.pointerId);
    box.focus({ preventScroll: true });
    drag = { start, x: event.clientX, y: event.clientY, area: { ...area }, pan: event.button === 1 || event.altKey, axis: "" };
    event.preventDefault();
  });
  box.addEventListener("pointermove", (event) => {
    if (!size) return;
    const here = cellAt(event);
    if (!drag) return here.inside && options.cursor?.(here.i, here.j, "hover");
    const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
    if (drag.pan) {
      const p = plot(), across = (dx / p.width) * (drag.area.right - drag.area.left), down = (dy / p.height) * (drag.area.bottom - drag.area.top);
      return setArea({ left: drag.area.left - across, right: drag.area.right - across, top: drag.area.top - down, bottom: drag.area.bottom - down });
    }
    if (!drag.axis && Math.hypot(dx, dy) > 5) drag.axis = Math.abs(dx) >= Math.abs(dy) ? "columns" : "rows";
    if (drag.axis === "columns") options.brush?.("columns", Math.min(drag.start.j, here.j), Math.max(drag.start.j, here.j));
    if (drag.axis === "rows") options.brush?.("rows", Math.min(drag.start.i, here.i), Math.max(drag.start.i, here.i));
  });
  box.addEventListener("pointerup", (event) => {
    const done = drag;
    drag = null;
    if (!done || done.pan || done.axis) return;
    const { i, j } = cellAt(event);
    options.cursor?.(i, j, "click");
  });
  box.addEventListener("pointercancel", () => (drag = null));
  box.addEventListener("dblclick", (event) => zoomAt(event.shiftKey ? 2 : 0.5, cellAt(event)));
  box.addEventListener("wheel", (event) => {
    if (!size || !(event.ctrlKey || event.metaKey || event.shiftKey)) return; // the page scrolls
    event.preventDefault();
    if (event.shiftKey) {
      const by = ((event.deltaX || event.deltaY) / plot().width) * (area.right - area.left);
      setArea({ ...area, left: area.left + by, right: area.right + by });
    } else zoomAt(Math.exp(clamp(event.deltaY, -60, 60) / 150), cellAt(event));
  }, { passive: false });

  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const { key } = event, now = content.cursor;
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-10, 0], PageDown: [10, 0], Home: [0, -m], End: [0, m] }[key];
    if (move) {
      const from = now ?? [0, 0], to = now ? [clamp(from[0] + move[0], 0, n - 1), clamp(from[1] + move[1], 0, m - 1)] : from;
      if (event.shiftKey) extend(from, to, move[0] ? "rows" : "columns");
      else options.cursor?.(...to, "key");
      reveal(...to);
    } else if (key === "+" || key === "=") zoomAt(0.5);
    else if (key === "-" || key === "_") zoomAt(2);
    else if (key === "0") setArea(whole);
    else if (key === "Escape") options.brush?.("", 0, 0);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  function extend(from, to, axis) {
    const k = axis === "rows" ? 0 : 1, { brush } = content;
    const anchor = brush?.axis === axis ? (brush.first === from[k] ? brush.last : brush.first) : from[k];
    options.cursor?.(...to, "extend");
    options.brush?.(axis, Math.min(anchor, to[k]), Math.max(anchor, to[k]));
  }

  /** Zoom about a cell, by default the cursor or the middle. */
  function zoomAt(by, point) {
    const [i, j] = content.cursor ?? [(area.top + area.bottom) / 2, (area.left + area.right) / 2];
    const across = point?.across ?? (j + 0.5 - area.left) / (area.right - area.left), down = point?.down ?? (i + 0.5 - area.top) / (area.bottom - area.top);
    const width = clamp((area.right - area.left) * by, Math.min(4, m), m), height = clamp((area.bottom - area.top) * by, Math.min(3, n), n);
    const x = area.left + clamp(across, 0, 1) * (area.right - area.left), y = area.top + clamp(down, 0, 1) * (area.bottom - area.top);
    setArea({ left: x - clamp(across, 0, 1) * width, right: x + (1 - clamp(across, 0, 1)) * width, top: y - clamp(down, 0, 1) * height, bottom: y + (1 - clamp(down, 0, 1)) * height });
  }

  /** Bring a cell into the window. */
  function reveal(i, j) {
    const dx = j < area.left ? j - area.left : j + 1 > area.right ? j + 1 - area.right : 0;
    const dy = i < area.top ? i - area.top : i + 1 > area.bottom ? i + 1 - area.bottom : 0;
    if (dx || dy) setArea({ left: area.left + dx, right: area.right + dx, top: area.top + dy, bottom: area.bottom + dy });
  }

  function setArea(to) {
    area = inside(to, n, m);
    drawAll();
    options.window?.(area);
  }

  const drawAll = oncePerFrame(() => (drawCells(), drawOver()));
  const drawMarks = oncePerFrame(drawOver);
  const observer = new ResizeObserver(resize);
  observer.observe(box);
  root.onEnd(() => observer.disconnect());
  root.onTheme(() => size && drawAll());
  return {
    box,
    /** Show something else; what is not named stays. Cells are painted again only if layers were given. */
    show(next) {
      content = { ...content, ...next };
      (next.layers ? drawAll : drawMarks)();
    },
    /** Look at an area without telling the listener, as when another map was moved. */
    look(to) {
      area = inside(to, n, m);
      drawAll();
    },
    area: () => ({ ...area }),
    zoom: (by) => zoomAt(by),
    fit: () => setArea(whole),
    reveal,
    end: () => (observer.disconnect(), (size = null)),
  };
}

/** An area moved and shrunk to lie within the matrix. */
function inside({ top, bottom, left, right }, n, m) {
  const height = Math.min(bottom - top, n), width = Math.min(right - left, m);
  const y = clamp(top, 0, n - height), x = clamp(left, 0, m - width);
  return { top: y, bottom: y + height, left: x, right: x + width };
}

/** First and last cell under each pixel of an axis. */
function spans(from, to, pixels) {
  const per = (to - from) / pixels, first = new Int32Array(pixels), last = new Int32Array(pixels);
  for (let p = 0; p < pixels; p++) {
    first[p] = Math.floor(from + p * per + 1e-9);
    last[p] = Math.max(first[p], Math.ceil(from + (p + 1) * per - 1e-9) - 1);
    if (per < 1) last[p] = first[p] = Math.floor(from + (p + 0.5) * per); // magnified: one cell
  }
  return { first, last };
}

/** Paint layers over one another: costs by the mean of the cells under a pixel, inks by the most. */
function compose(image, layers, area, m, { paper, line }) {
  const { width, height, data } = image;
  const columns = spans(area.left, area.right, width), rows = spans(area.top, area.bottom, height);
  for (let at = 0; at < data.length; at += 4) (data[at] = paper[0]), (data[at + 1] = paper[1]), (data[at + 2] = paper[2]), (data[at + 3] = 255);
  for (const { values, low, high, tints, opacity = 1 } of layers) {
    if (!(opacity > 0)) continue;
    const parts = tints ?? [{ values }], shares = parts.map(() => new Float32Array(width));
    for (let y = 0; y < height; y++) {
      if (y === 0 || rows.first[y] !== rows.first[y - 1] || rows.last[y] !== rows.last[y - 1]) {
        parts.forEach((part, k) => {
          for (let x = 0; x < width; x++) shares[k][x] = pooled(part.values, m, rows.first[y], rows.last[y], columns.first[x], columns.last[x], tints);
        });
      }
      for (let x = 0, at = y * width * 4; x < width; x++, at += 4) {
        if (tints) mixInk(data, at, tints, shares, x, opacity);
        else mixCost(data, at, shares[0][x], low, high, opacity, (x + y) % 8 < 3 ? line : paper);
      }
    }
  }
}

/** Colour of a cost over a pixel; a forbidden one is hatched. */
function mixCost(data, at, cost, low, high, weight, hatch) {
  const colour = 3 * clamp(Math.floor((256 * (cost - low)) / (high - low || 1)), 0, 255);
  for (let channel = 0; channel < 3; channel++) {
    data[at + channel] += ((cost === Infinity ? hatch[channel] : CIVIDIS.getUint8(colour + channel)) - data[at + channel]) * weight;
  }
}

/** Inks over a pixel: the mean of their colours, as strong as the strongest. */
function mixInk(data, at, tints, shares, x, opacity) {
  let sum = 0, most = 0;
  for (const each of shares) (sum += each[x]), (most = Math.max(most, each[x]));
  if (!(sum > 0)) return;
  for (let channel = 0; channel < 3; channel++) {
    let colour = 0;
    for (let k = 0; k < tints.length; k++) colour += (tints[k].colour[channel] * shares[k][x]) / sum;
    data[at + channel] += (colour - data[at + channel]) * Math.min(1, most) * opacity;
  }
}

/** One number for the cells under a pixel. */
function pooled(values, m, top, bottom, left, right, most) {
  if (top === bottom && left === right) return values[top * m + left];
  let sum = 0, count = 0, largest = 0;
  for (let i = top; i <= bottom; i++) {
    for (let at = i * m + left; at <= i * m + right; at++) {
      const value = values[at];
      if (value === Infinity) continue;
      if (value > largest) largest = value;
      sum += value;
      count++;
    }
  }
  return most ? largest : count ? sum / count : Infinity;
}

/** A path through the centres of cells, over an edge that shows on any colour. */
function drawPath(context, at, { cells, colour, shift = 0 }) {
  if (!cells.length) return;
  const side = shift * Math.SQRT1_2; // to the upper right, which is across for every move of a path
  const points = cells.map(([i, j]) => [at.x(j + 0.5) + side, at.y(i + 0.5) - side]);
  const line = new Path2D();
  points.forEach(([x, y], k) => line[k ? "lineTo" : "moveTo"](x, y));
  context.lineJoin = context.lineCap = "round";
  const edge = colour === "#ffffff" ? "rgba(20, 22, 24, .85)" : "#ffffff";
  for (const [style, thick] of [[edge, 4.25], [colour, 2.5]]) {
    context.strokeStyle = style;
    context.lineWidth = thick;
    context.stroke(line);
  }
  if (Math.min(at.perColumn, at.perRow) < 14) return;
  for (const [x, y] of points) {
    context.beginPath();
    context.arc(x, y, 3.25, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.strokeStyle = edge;
    context.lineWidth = 1.25;
    context.fill();
    context.stroke();
  }
}

/** Fade what is outside of a brush, and frame it. */
function drawBrush(context, at, p, { axis, first, last }, paper, accent) {
  const rows = axis === "rows";
  const from = rows ? at.y(first) : at.x(first), to = rows ? at.y(last + 1) : at.x(last + 1);
  context.fillStyle = paper;
  context.globalAlpha = 0.62;
  if (rows) {
    context.fillRect(p.x, p.y, p.width, Math.max(0, from - p.y));
    context.fillRect(p.x, to, p.width, Math.max(0, p.y + p.height - to));
  } else {
    context.fillRect(p.x, p.y, Math.max(0, from - p.x), p.height);
    context.fillRect(to, p.y, Math.max(0, p.x + p.width - to), p.height);
  }
  context.globalAlpha = 1;
  context.strokeStyle = accent;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const edge of [from, to]) {
    if (rows) context.moveTo(p.x, edge), context.lineTo(p.x + p.width, edge);
    else context.moveTo(edge, p.y), context.lineTo(edge, p.y + p.height);
  }
  context.stroke();
}

/** Frame a cell, and mark its place on both axes. */
function drawCursor(context, at, p, [i, j], accent) {
  const x = at.x(j), y = at.y(i), width = Math.max(at.perColumn, 5), height = Math.max(at.perRow, 5);
  const left = x + at.perColumn / 2 - width / 2, top = y + at.perRow / 2 - height / 2;
  if (left + width < p.x || left > p.x + p.width || top + height < p.y || top > p.y + p.height) return;
  for (const [style, thick] of [["#ffffff", 4], [accent, 2]]) {
    context.strokeStyle = style;
    context.lineWidth = thick;
    context.strokeRect(left, top, width, height);
  }
}
