// What lies over the cells of a heat map: axes, paths, the brush, the cursor, and what is linked to the brush.
//
// `at` places cells on the canvas, in CSS pixels: at.x(j), at.y(i), at.perColumn, at.perRow. `plot` is the rectangle
// { x, y, width, height } of the cells.

import { WHITE } from "./colours.js";
import { clamp, ticks } from "./numbers.js";

/** Draws numbers of rows and columns, and the names of the axes. */
export function drawAxes(context, at, plot, area, { rowName, columnName, colour, font }) {
  const bottom = plot.y + plot.height, right = plot.x + plot.width;
  context.fillStyle = colour;
  context.font = font;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const i of ticks(area.top, area.bottom - 1, plot.height / 36)) {
    const y = at.y(i + 0.5);
    if (y > plot.y && y < bottom) context.fillText(i, plot.x - 8, y);
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  const name = `${columnName}s`, end = right - context.measureText(name).width - 14;
  for (const j of ticks(area.left, area.right - 1, plot.width / 64)) {
    const x = at.x(j + 0.5);
    if (x > plot.x && x < end) context.fillText(j, x, bottom + 8);
  }
  context.textAlign = "right";
  context.fillText(name, right, bottom + 8);
  context.save();
  context.translate(3, bottom);
  context.rotate(-Math.PI / 2);
  context.textAlign = "left";
  context.fillText(`${rowName}s`, 0, 0);
  context.restore();
}

/** Marks rows and columns beside the axes, each as strong as its weight, 0 to 1. */
export function drawLinked(context, at, plot, area, linked, colour) {
  context.fillStyle = colour;
  const bottom = plot.y + plot.height, right = plot.x + plot.width;
  (linked?.columns ?? []).forEach((weight, j) => {
    if (!(weight > 0.01) || j + 1 <= area.left || j >= area.right) return;
    const from = Math.max(plot.x, at.x(j)), to = Math.min(right, at.x(j + 1));
    context.globalAlpha = strength(weight);
    context.fillRect(from, bottom + 2, Math.max(1, to - from), 4);
  });
  (linked?.rows ?? []).forEach((weight, i) => {
    if (!(weight > 0.01) || i + 1 <= area.top || i >= area.bottom) return;
    const from = Math.max(plot.y, at.y(i)), to = Math.min(bottom, at.y(i + 1));
    context.globalAlpha = strength(weight);
    context.fillRect(plot.x - 6, from, 4, Math.max(1, to - from));
  });
  context.globalAlpha = 1;
}

/** Returns the opacity that shows a weight, so that small ones can still be seen. */
export const strength = (weight) => 0.25 + 0.75 * clamp(weight, 0, 1);

/** Draws a path through the centres of cells, with an edge that shows on any colour. */
export function drawPath(context, at, { cells, colour, shift = 0 }) {
  if (!cells.length) return;
  const side = shift * Math.SQRT1_2; // to the upper right, which is across for every move of a path
  const points = cells.map(([i, j]) => [at.x(j + 0.5) + side, at.y(i + 0.5) - side]);
  const line = new Path2D();
  points.forEach(([x, y], k) => line[k ? "lineTo" : "moveTo"](x, y));
  context.lineJoin = context.lineCap = "round";
  const edge = colour === WHITE ? "rgba(20, 22, 24, .85)" : WHITE;
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

/** Fades what is outside of a brush, and draws its two edges. */
export function drawBrush(context, at, plot, { axis, first, last }, paper, accent) {
  const rows = axis === "rows", bottom = plot.y + plot.height, right = plot.x + plot.width;
  const from = rows ? at.y(first) : at.x(first), to = rows ? at.y(last + 1) : at.x(last + 1);
  context.fillStyle = paper;
  context.globalAlpha = 0.62;
  if (rows) {
    context.fillRect(plot.x, plot.y, plot.width, Math.max(0, from - plot.y));
    context.fillRect(plot.x, to, plot.width, Math.max(0, bottom - to));
  } else {
    context.fillRect(plot.x, plot.y, Math.max(0, from - plot.x), plot.height);
    context.fillRect(to, plot.y, Math.max(0, right - to), plot.height);
  }
  context.globalAlpha = 1;
  context.strokeStyle = accent;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const edge of [from, to]) {
    context.moveTo(...(rows ? [plot.x, edge] : [edge, plot.y]));
    context.lineTo(...(rows ? [right, edge] : [edge, bottom]));
  }
  context.stroke();
}

/** Frames a cell. */
export function drawCursor(context, at, plot, [i, j], accent) {
  const width = Math.max(at.perColumn, 5), height = Math.max(at.perRow, 5);
  const left = at.x(j) + at.perColumn / 2 - width / 2, top = at.y(i) + at.perRow / 2 - height / 2;
  if (left + width < plot.x || left > plot.x + plot.width) return;
  if (top + height < plot.y || top > plot.y + plot.height) return;
  for (const [style, thick] of [[WHITE, 4], [accent, 2]]) {
    context.strokeStyle = style;
    context.lineWidth = thick;
    context.strokeRect(left, top, width, height);
  }
}
