// Numbers: arrays as bytes, ranges, axis ticks, and numbers as text.

/** Returns bytes from the kernel or from a page as a Float32Array. */
export const floats = (bytes) => new Float32Array(copyOf(bytes));

/** Returns bytes from the kernel or from a page as an Int32Array. */
export const ints = (bytes) => new Int32Array(copyOf(bytes));

function copyOf(bytes) {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** Returns base64 text as bytes; white space in it is ignored. */
export function bytesOf(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
  return new DataView(bytes.buffer);
}

/** Returns bytes nested in a state: the kernel sends them as they are, a page holds them as { base64 }. */
export const unpacked = (value) => (value?.base64 === undefined ? value : bytesOf(value.base64));

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export const sum = (values) => values.reduce((a, b) => a + b, 0);

/** Returns the lowest and the highest finite value; [0, 1] if there is none. */
export function limits(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value === Infinity || value === -Infinity) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/** Returns round positions from `low` to `high` for about `count` ticks: whole numbers, or also fractions. */
export function ticks(low, high, count, { fractions = false } = {}) {
  const rough = Math.max(fractions ? 0 : 1, (high - low) / Math.max(1, count));
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

/** Returns a number as text with three decimals, and "no path" for Infinity. */
export function written(value, digits = 3) {
  if (value === null || value === undefined || value === Infinity) return "no path";
  return value.toFixed(digits).replace("-", "−");
}

/** Returns a number as text with three significant digits, without trailing zeros. */
export const short = (value) => String(Number(value.toPrecision(3)));

/** Returns "1 step" or "2 steps". */
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
