// The strip of clips on canvas: a picture where there is room for one, sentences below, brush and position over them.

import { strength } from "./marks.js";
import { clamp } from "./numbers.js";

// CSS pixels beside the clips, as beside a heat map
export const LEFT = 38;
export const RIGHT = 6;
const BAND = 18, GAP = 4; // height of the sentences, and their distance from the pictures

/** Returns where a picture is in the sheet, in pixels. */
export function placeOf({ frames, width, height, across }, j, frame) {
  const number = j * frames + frame;
  return [(number % across) * width, Math.floor(number / across) * height];
}

/** Draws a strip as `filmStrip` keeps it. */
export function drawStrip(strip) {
  const { root, track, canvas, tall, area: [from, to], sheet } = strip;
  const total = track.clientWidth, ratio = globalThis.devicePixelRatio || 1;
  if (!total) return;
  const top = tall + (tall ? GAP : 0), high = top + BAND + 8;
  canvas.width = Math.round(total * ratio);
  canvas.height = Math.round(high * ratio);
  canvas.style.height = `${high}px`;
  const context = canvas.getContext("2d"), wide = total - LEFT - RIGHT, per = wide / (to - from);
  const x = (j) => LEFT + (j - from) * per, ink = (name) => `rgb(${root.colour(name)})`;
  const place = { x, wide, per, top, high, ink };
  context.scale(ratio, ratio);
  context.save();
  context.beginPath();
  context.rect(LEFT, 0, wide, high);
  context.clip();
  if (sheet) drawPictures(context, strip, place);
  drawSentences(context, strip, place);
  drawMarks(context, strip, place);
  context.restore();
}

function drawPictures(context, strip, { x, wide, per }) {
  const { sheet, width, height, tall, frames, m, area: [from, to], brushed, weights } = strip;
  const each = (tall * width) / height, slots = Math.max(1, Math.floor(wide / (each + 2)));
  const count = Math.min(slots, Math.ceil(to) - Math.floor(from));
  const lit = (j) => {
    if (!brushed.axis) return true;
    return brushed.axis === "columns" ? j >= brushed.first && j <= brushed.last : weights && weights[j] > 0.01;
  };
  for (let k = 0; k < count; k++) {
    const j = clamp(Math.floor(from + ((k + 0.5) * (to - from)) / count), 0, m - 1);
    const left = count < slots ? x(j) + (per - each) / 2 : LEFT + ((k + 0.5) * wide) / count - each / 2;
    const [sx, sy] = placeOf(strip, j, frames - 1);
    context.globalAlpha = lit(j) ? 1 : 0.28;
    context.imageSmoothingEnabled = width > each;
    context.drawImage(sheet, sx, sy, width, height, left, 0, each, tall);
  }
  context.globalAlpha = 1;
}

/** Draws stretches of clips with one sentence, in two tones in turn. */
function drawSentences(context, { root, answer, m, area: [from, to], brushed }, { x, wide, top, ink }) {
  if (!answer) return;
  context.font = `10.5px ${getComputedStyle(root).fontFamily}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  let turn = 0;
  for (let j = 0; j < m;) {
    const i = answer.row[j];
    let end = j + 1;
    while (end < m && answer.row[end] === i) end++;
    if (i >= 0 && end > from && j < to) {
      const left = Math.max(LEFT, x(j)), right = Math.min(LEFT + wide, x(end));
      const lit = brushed.axis === "rows" && i >= brushed.first && i <= brushed.last;
      context.fillStyle = lit ? ink("--accent") : ink("--soft");
      context.globalAlpha = lit ? 0.9 : turn % 2 ? 0.14 : 0.26;
      context.fillRect(left, top, Math.max(1, right - left - 1), BAND - 4);
      context.globalAlpha = 1;
      context.fillStyle = lit ? ink("--paper") : ink("--ink");
      if (right - left > 8 + 7 * String(i).length) context.fillText(i, (left + right) / 2, top + BAND / 2 - 1.5);
    }
    turn++;
    j = end;
  }
}

/** Draws what is linked to the brush, the brush and the position. */
function drawMarks(context, { weights, brushed, at }, { x, per, high, ink }) {
  context.fillStyle = ink("--accent");
  (weights ?? []).forEach((weight, j) => {
    if (!(weight > 0.01)) return;
    context.globalAlpha = strength(weight);
    context.fillRect(x(j), high - 6, Math.max(1, per), 4);
  });
  context.globalAlpha = 1;
  if (brushed.axis === "columns") {
    const wide = Math.max(2, (brushed.last - brushed.first + 1) * per - 2);
    context.strokeStyle = ink("--accent");
    context.lineWidth = 2;
    context.strokeRect(x(brushed.first) + 1, 1, wide, high - 8);
  }
  context.fillStyle = ink("--accent");
  const middle = x(at + 0.5);
  context.fillRect(middle - 1, 0, 2, high - 2);
  context.beginPath();
  context.moveTo(middle - 5, 0);
  context.lineTo(middle + 5, 0);
  context.lineTo(middle, 7);
  context.fill();
}
