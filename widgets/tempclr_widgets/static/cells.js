// The cells of a heat map, painted pixel by pixel: costs in the colours of the map, alignments as inks over them.

import { CIVIDIS } from "./colours.js";
import { clamp } from "./numbers.js";

/**
 * Paints layers over one another into an image. Several cells under one pixel are shown by the mean of their costs, or
 * by the strongest of their inks. `layers` are those of `heatMap`, `area` is what is shown of a matrix of m columns.
 */
export function paint(image, layers, area, m, { paper, line }) {
  const { width, height, data } = image;
  const columns = spans(area.left, area.right, width), rows = spans(area.top, area.bottom, height);
  for (let at = 0; at < data.length; at += 4) {
    for (let channel = 0; channel < 3; channel++) data[at + channel] = paper[channel];
    data[at + 3] = 255;
  }
  for (const { values, low, high, tints, opacity = 1 } of layers) {
    if (!(opacity > 0)) continue;
    const parts = tints ?? [{ values }], shares = parts.map(() => new Float32Array(width));
    for (let y = 0; y < height; y++) {
      const top = rows.first[y], bottom = rows.last[y];
      if (y === 0 || top !== rows.first[y - 1] || bottom !== rows.last[y - 1]) {
        parts.forEach((part, k) => {
          for (let x = 0; x < width; x++) {
            shares[k][x] = pooled(part.values, m, top, bottom, columns.first[x], columns.last[x], tints);
          }
        });
      }
      for (let x = 0, at = y * width * 4; x < width; x++, at += 4) {
        if (tints) mixInk(data, at, tints, shares, x, opacity);
        else mixCost(data, at, shares[0][x], low, high, opacity, (x + y) % 8 < 3 ? line : paper);
      }
    }
  }
}

/** Returns the first and the last cell under each pixel of an axis. */
function spans(from, to, pixels) {
  const per = (to - from) / pixels, first = new Int32Array(pixels), last = new Int32Array(pixels);
  for (let p = 0; p < pixels; p++) {
    first[p] = Math.floor(from + p * per + 1e-9);
    last[p] = Math.max(first[p], Math.ceil(from + (p + 1) * per - 1e-9) - 1);
    if (per < 1) last[p] = first[p] = Math.floor(from + (p + 0.5) * per); // magnified: one cell
  }
  return { first, last };
}

/** Mixes in the colour of a cost; a forbidden one is hatched. */
function mixCost(data, at, cost, low, high, weight, hatch) {
  const colour = 3 * clamp(Math.floor((256 * (cost - low)) / (high - low || 1)), 0, 255);
  for (let channel = 0; channel < 3; channel++) {
    const wanted = cost === Infinity ? hatch[channel] : CIVIDIS.getUint8(colour + channel);
    data[at + channel] += (wanted - data[at + channel]) * weight;
  }
}

/** Mixes in inks: the mean of their colours, as strong as the strongest. */
function mixInk(data, at, tints, shares, x, opacity) {
  let sum = 0, most = 0;
  for (const each of shares) {
    sum += each[x];
    most = Math.max(most, each[x]);
  }
  if (!(sum > 0)) return;
  for (let channel = 0; channel < 3; channel++) {
    let colour = 0;
    for (let k = 0; k < tints.length; k++) colour += (tints[k].colour[channel] * shares[k][x]) / sum;
    data[at + channel] += (colour - data[at + channel]) * Math.min(1, most) * opacity;
  }
}

/** Returns one number for the cells under a pixel: the most of inks, the mean of costs that are allowed. */
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
