// A matrix on canvas: colours from typed arrays, zoom and pan, a cursor, and brushing by mouse and keyboard.

import { paint } from "./cells.js";
import { WHITE } from "./colours.js";
import { drawAxes, drawBrush, drawCursor, drawLinked, drawPath } from "./marks.js";
import { clamp, counted } from "./numbers.js";
import { element, oncePerFrame } from "./view.js";

const MARGIN = { left: 38, right: 6, top: 6, bottom: 24 }; // CSS pixels around the cells, for the axes
const KEYS = "Arrow keys move, with Shift they brush, plus and minus zoom, 0 fits, Escape clears.";
const MOVES = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  PageUp: [-10, 0],
  PageDown: [10, 0],
  Home: [0, -Infinity],
  End: [0, Infinity],
};

/**
 * Makes a heat map. Options:
 *   name, rowName, columnName   for axes and screen readers
 *   n, m                        numbers of rows and columns
 *   height(width)               of the cells, from their width, in CSS pixels
 *   cursor(i, j, kind)          a cell was pointed at ("hover"), chosen by click ("click") or arrow keys ("key"), or
 *                               reached while brushing by keys ("extend")
 *   brush(axis, first, last)    rows or columns were brushed; axis is "rows", "columns" or "" for nothing
 *   window(area)                the map was zoomed or panned
 * Returns
 *   box            the element
 *   show(content)  show something else; what is not named stays, and cells are painted again only for new layers:
 *     layers   { values, low, high } in the colours of the map, or { tints: [{ values, colour }] } as inks from 0 to 1
 *              that mix where they meet; each with an `opacity`
 *     paths    [{ cells, colour, shift }]; `shift` moves a path aside, in pixels, where several run together
 *     cursor   [i, j] or null
 *     brush    { axis, first, last }: what is outside of it fades
 *     linked   { rows, columns }: weights from 0 to 1, marked beside the axes
 *   look(area)     show an area without calling `window`, as when another map was moved
 *   area()         the area that is shown: { top, bottom, left, right } in cells
 *   zoom(by), fit(), end()
 */
export function heatMap(root, options) {
  const { n, m, name, rowName = "sentence", columnName = "clip" } = options;
  const base = element("canvas"), over = element("canvas");
  const described = `${name}: ${counted(n, rowName)} by ${counted(m, columnName)}. ${KEYS}`;
  const attributes = { class: "tc-map", tabindex: 0, role: "application", "aria-roledescription": "matrix" };
  const box = element("div", { ...attributes, "aria-label": described }, base, over);
  const whole = { top: 0, bottom: n, left: 0, right: m };
  const map = { root, box, base, over, n, m, rowName, columnName, whole, area: { ...whole }, size: null };
  map.content = { layers: [], paths: [] };
  map.cursor = (i, j, kind) => options.cursor?.(i, j, kind);
  map.brush = (axis, first, last) => options.brush?.(axis, first, last);
  map.draw = oncePerFrame(() => (drawCells(map), drawMarks(map)));
  map.look = (area) => {
    map.area = inside(area, n, m);
    map.draw();
  };
  map.move = (area) => {
    map.look(area);
    options.window?.(map.area);
  };
  const mark = oncePerFrame(() => drawMarks(map));
  const observer = new ResizeObserver(() => resize(map, options.height));
  observer.observe(box);
  root.onEnd(() => observer.disconnect());
  root.onTheme(() => map.size && map.draw());
  followPointer(map);
  followKeys(map);
  return {
    box,
    show(content) {
      map.content = { ...map.content, ...content };
      (content.layers ? map.draw : mark)();
    },
    look: map.look,
    area: () => ({ ...map.area }),
    zoom: (by) => zoomAt(map, by),
    fit: () => map.move(whole),
    end: () => (observer.disconnect(), (map.size = null)),
  };
}

/** Returns `paths` of one white path through cells, as a heat map shows them. */
export const whitePath = (cells) => [{ cells, colour: WHITE, shift: 0 }];

/** Returns a layer of one ink, by default in the colour of alignments. */
export const inkLayer = (root, values) => ({ tints: [{ values, colour: inkColour(root, "--tint") }] });

/** Returns a colour of the theme for an ink; it has one also while the view is not in a page. */
export function inkColour(root, name) {
  return root.colour(name) ?? { "--tint": [0, 90, 140], "--accent": [194, 65, 12] }[name];
}

// ---- drawing

/** Returns the rectangle of the cells, in CSS pixels. */
function plotOf({ size }) {
  const width = Math.max(1, size.width - MARGIN.left - MARGIN.right);
  const height = Math.max(1, size.height - MARGIN.top - MARGIN.bottom);
  return { x: MARGIN.left, y: MARGIN.top, width, height };
}

function resize(map, heightOf) {
  const width = map.box.clientWidth;
  if (!width) return; // hidden
  const height = Math.round(heightOf(width - MARGIN.left - MARGIN.right)) + MARGIN.top + MARGIN.bottom;
  map.size = { width, height, ratio: globalThis.devicePixelRatio || 1 };
  map.box.style.height = `${height}px`;
  for (const canvas of [map.base, map.over]) {
    canvas.width = Math.round(width * map.size.ratio);
    canvas.height = Math.round(height * map.size.ratio);
  }
  map.draw();
}

function drawCells(map) {
  if (!map.size) return;
  const { x, y, width, height } = plotOf(map), { root, base, size: { ratio } } = map;
  const across = Math.max(1, Math.round(width * ratio)), down = Math.max(1, Math.round(height * ratio));
  const context = base.getContext("2d");
  context.clearRect(0, 0, base.width, base.height);
  const image = context.createImageData(across, down);
  paint(image, map.content.layers, map.area, map.m, { paper: root.colour("--paper"), line: root.colour("--line") });
  context.putImageData(image, Math.round(x * ratio), Math.round(y * ratio));
}

function drawMarks(map) {
  if (!map.size) return;
  const { root, area, size, rowName, columnName } = map, { brush, cursor, linked, paths } = map.content;
  const context = map.over.getContext("2d"), plot = plotOf(map);
  const perColumn = plot.width / (area.right - area.left), perRow = plot.height / (area.bottom - area.top);
  const x = (j) => plot.x + (j - area.left) * perColumn, y = (i) => plot.y + (i - area.top) * perRow;
  const at = { x, y, perColumn, perRow }, ink = (name) => `rgb(${root.colour(name)})`;
  context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  const font = `11px ${getComputedStyle(root).fontFamily}`;
  drawAxes(context, at, plot, area, { rowName, columnName, colour: ink("--soft"), font });
  drawLinked(context, at, plot, area, linked, ink("--accent"));
  context.save();
  context.beginPath();
  context.rect(plot.x, plot.y, plot.width, plot.height);
  context.clip();
  for (const path of paths ?? []) drawPath(context, at, path);
  if (brush?.axis) drawBrush(context, at, plot, brush, ink("--paper"), ink("--accent"));
  context.restore();
  if (cursor) drawCursor(context, at, plot, cursor, ink("--accent"));
}

// ---- the pointer

/** Returns the cell under the pointer, and its place in the plot from 0 to 1. */
function cellAt(map, event) {
  const { area, n, m } = map, bounds = map.box.getBoundingClientRect(), plot = plotOf(map);
  const across = (event.clientX - bounds.left - plot.x) / plot.width;
  const down = (event.clientY - bounds.top - plot.y) / plot.height;
  return {
    i: clamp(Math.floor(area.top + down * (area.bottom - area.top)), 0, n - 1),
    j: clamp(Math.floor(area.left + across * (area.right - area.left)), 0, m - 1),
    across,
    down,
    inside: across >= 0 && across < 1 && down >= 0 && down < 1,
  };
}

function followPointer(map) {
  const { box } = map;
  let drag = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.button > 1 || !map.size) return;
    const pan = event.button === 1 || event.altKey;
    drag = { start: cellAt(map, event), x: event.clientX, y: event.clientY, area: { ...map.area }, pan, axis: "" };
    box.setPointerCapture(event.pointerId);
    box.focus({ preventScroll: true });
    event.preventDefault();
  });
  box.addEventListener("pointermove", (event) => {
    if (!map.size) return;
    const here = cellAt(map, event);
    if (drag) return dragTo(map, drag, here, event);
    if (here.inside) map.cursor(here.i, here.j, "hover");
  });
  box.addEventListener("pointerup", (event) => {
    const done = drag;
    drag = null;
    if (!done || done.pan || done.axis) return;
    const { i, j } = cellAt(map, event);
    map.cursor(i, j, "click");
  });
  box.addEventListener("pointercancel", () => (drag = null));
  box.addEventListener("dblclick", (event) => zoomAt(map, event.shiftKey ? 2 : 0.5, cellAt(map, event)));
  box.addEventListener("wheel", (event) => {
    if (!map.size || !(event.ctrlKey || event.metaKey || event.shiftKey)) return; // the page scrolls
    event.preventDefault();
    if (!event.shiftKey) return zoomAt(map, Math.exp(clamp(event.deltaY, -60, 60) / 150), cellAt(map, event));
    const { area } = map, by = ((event.deltaX || event.deltaY) / plotOf(map).width) * (area.right - area.left);
    map.move({ ...area, left: area.left + by, right: area.right + by });
  }, { passive: false });
}

/** Pans, or brushes along the axis in which the drag began. */
function dragTo(map, drag, here, event) {
  const { start, area: { left, right, top, bottom } } = drag;
  const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
  if (drag.pan) {
    const plot = plotOf(map), across = (dx / plot.width) * (right - left), down = (dy / plot.height) * (bottom - top);
    return map.move({ left: left - across, right: right - across, top: top - down, bottom: bottom - down });
  }
  if (!drag.axis && Math.hypot(dx, dy) > 5) drag.axis = Math.abs(dx) >= Math.abs(dy) ? "columns" : "rows";
  if (drag.axis === "columns") map.brush("columns", Math.min(start.j, here.j), Math.max(start.j, here.j));
  if (drag.axis === "rows") map.brush("rows", Math.min(start.i, here.i), Math.max(start.i, here.i));
}

// ---- the keyboard, and zoom

function followKeys(map) {
  const { box, n, m, whole } = map;
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const { key } = event, now = map.content.cursor, move = MOVES[key];
    if (move) {
      const from = now ?? [0, 0];
      const to = now ? [clamp(from[0] + move[0], 0, n - 1), clamp(from[1] + move[1], 0, m - 1)] : from;
      if (event.shiftKey) extend(map, from, to, move[0] ? "rows" : "columns");
      else map.cursor(...to, "key");
      reveal(map, ...to);
    } else if (key === "+" || key === "=") zoomAt(map, 0.5);
    else if (key === "-" || key === "_") zoomAt(map, 2);
    else if (key === "0") map.move(whole);
    else if (key === "Escape") map.brush("", 0, 0);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

/** Moves the cursor and brushes from where the brush began. */
function extend(map, from, to, axis) {
  const k = axis === "rows" ? 0 : 1, { brush } = map.content;
  const anchor = brush?.axis === axis ? (brush.first === from[k] ? brush.last : brush.first) : from[k];
  map.cursor(...to, "extend");
  map.brush(axis, Math.min(anchor, to[k]), Math.max(anchor, to[k]));
}

/** Zooms about a point of the plot, by default the cursor or the middle. */
function zoomAt(map, by, point) {
  const { n, m, area: { top, bottom, left, right } } = map;
  const [i, j] = map.content.cursor ?? [(top + bottom) / 2, (left + right) / 2];
  const across = clamp(point?.across ?? (j + 0.5 - left) / (right - left), 0, 1);
  const down = clamp(point?.down ?? (i + 0.5 - top) / (bottom - top), 0, 1);
  const width = clamp((right - left) * by, Math.min(4, m), m);
  const height = clamp((bottom - top) * by, Math.min(3, n), n);
  const x = left + across * (right - left), y = top + down * (bottom - top);
  map.move({
    left: x - across * width,
    right: x + (1 - across) * width,
    top: y - down * height,
    bottom: y + (1 - down) * height,
  });
}

/** Brings a cell into the window. */
function reveal(map, i, j) {
  const { top, bottom, left, right } = map.area;
  const dx = j < left ? j - left : Math.max(0, j + 1 - right);
  const dy = i < top ? i - top : Math.max(0, i + 1 - bottom);
  if (dx || dy) map.move({ left: left + dx, right: right + dx, top: top + dy, bottom: bottom + dy });
}

/** Returns an area moved and shrunk to lie within the matrix. */
function inside({ top, bottom, left, right }, n, m) {
  const height = Math.min(bottom - top, n), width = Math.min(right - left, m);
  const y = clamp(top, 0, n - height), x = clamp(left, 0, m - width);
  return { top: y, bottom: y + height, left: x, right: x + width };
}
