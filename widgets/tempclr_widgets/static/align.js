// The alignment recursion of tempclr in JavaScript, for pages without a kernel.
//
//   R_s(i, j) = cost_s(i, j) + min{ R_t(i - di, j - dj) : (t, di, dj) in PREDECESSORS of s }
//
// As in tempclr/alignment/_kernels/recursion.py, state 0 matches i with j and the other states drop steps. The minimum
// is hard (gamma 0) or soft. All numbers are float64, and the first of equal moves wins.

const DIAGONAL = [1, 1], UP = [1, 0], LEFT = [0, 1];
const PREDECESSORS = {
  "": [[[0, DIAGONAL], [0, UP], [0, LEFT]]],
  x: [[[0, DIAGONAL], [1, DIAGONAL], [0, UP], [1, UP], [0, LEFT]], [[0, UP], [1, UP]]],
  y: [[[0, DIAGONAL], [1, DIAGONAL], [0, UP], [0, LEFT], [1, LEFT]], [[0, LEFT], [1, LEFT]]],
  xy: [
    [[0, DIAGONAL], [1, DIAGONAL], [2, DIAGONAL], [3, DIAGONAL], [0, UP], [1, UP], [0, LEFT], [2, LEFT]],
    [[0, UP], [1, UP]],
    [[0, LEFT], [2, LEFT]],
    [[1, LEFT], [3, LEFT]],
  ],
};

/** Options of `align` by the name of tempclr's alignment function. */
export const OPTIONS = {
  dtw: ({ gamma, band }) => ({ gamma, band }),
  subsequence_dtw: ({ gamma }) => ({ gamma, begin: "y", end: "y" }),
  otam: ({ gamma }) => ({ gamma, begin: "x", end: "x", skip: -gamma * Math.LN2, up: "first" }),
  drop_dtw: ({ gamma, dropX, dropY }) => ({ gamma, dropX, dropY }),
};

/**
 * Aligns the rows of a cost matrix with its columns.
 *
 * cost     Float32Array or Float64Array of n x m numbers, row by row; +Infinity forbids a cell
 * options  gamma        smoothing >= 0, in the unit of the cost; 0 is the hard minimum
 *          band         steps off the line between the corners (tempclr's band_mask), or null
 *          begin, end   "", "x", "y" or "xy": axes whose first or last steps may be skipped, at the cost `skip`
 *          up           where (i-1, j) -> (i, j) is allowed: "always", "first" (column 0) or "never"
 *          dropX, dropY cost of dropping a row or a column: one number, or one for each; null allows no drops
 *          path         false omits `hard` and `path` where gamma > 0; they do not depend on gamma
 *
 * Returns { value, alignment, hard, path }: the value; how often each cell is matched (n x m); the value of the hard
 * alignment; and its matched cells [i, j] in order. If there is no path, both values are Infinity, the alignment is all
 * 0 and the path is empty.
 */
export function align(cost, n, m, options = {}) {
  const grid = gridOf(cost, n, m, options);
  const gamma = options.gamma ?? 0;
  if (!(gamma >= 0 && gamma < Infinity)) throw new RangeError(`expected a finite gamma >= 0, got ${gamma}`);
  const hardSkip = gamma > 0 ? 0 : grid.skip; // OTAM's skip is a multiple of gamma
  let soft = null;
  if (gamma > 0) {
    const value = forward(grid, gamma, grid.skip);
    soft = { value, alignment: visits(grid, gamma, grid.skip) };
  }
  if (soft && options.path === false) return soft;
  const hard = forward(grid, 0, hardSkip);
  const path = trace(grid, hardSkip);
  if (soft) return { ...soft, hard, path };
  const alignment = new Float32Array(n * m);
  for (const [i, j] of path) alignment[i * m + j] = 1;
  return { value: hard, alignment, hard, path };
}

/** Returns a function that tells whether a cell lies in the band, as tempclr's `band_mask` does. */
export function bandOf(n, m, radius) {
  const reach = Math.max(radius, 0.5) * Math.max(n - 1, m - 1);
  return (i, j) => Math.abs(i * (m - 1) - j * (n - 1)) <= reach;
}

/** Returns the costs, moves and tables, with a border of Infinity so that moves need no bounds checks. */
function gridOf(
  cost,
  n,
  m,
  { band = null, begin = "", end = "", skip = 0, up = "always", dropX = null, dropY = null },
) {
  if (!(n >= 1 && m >= 1) || cost.length !== n * m) {
    throw new RangeError(`expected ${n} x ${m} costs, got ${cost.length}`);
  }
  const drops = (dropX === null ? "" : "x") + (dropY === null ? "" : "y");
  if (drops && (begin || end || up !== "always" || band !== null)) {
    throw new RangeError("expected either drops or open ends or a band");
  }
  const pad = drops ? 1 : 0; // a first row and column hold the drops before the first match
  const rows = n + pad, columns = m + pad, width = columns + 1;
  const matched = new Float64Array((rows + 1) * width).fill(Infinity);
  const inside = band === null ? null : bandOf(n, m, band);
  for (let i = 0; i < n; i++) {
    const base = (i + 1 + pad) * width + 1 + pad;
    for (let j = 0; j < m; j++) {
      const value = cost[i * m + j];
      if (!(value > -Infinity)) {
        throw new RangeError(`expected costs that are finite or +Infinity, got ${value} at ${i}, ${j}`);
      }
      if (inside === null || inside(i, j)) matched[base + j] = value;
    }
  }
  const states = PREDECESSORS[drops].map((moves) => ({
    from: Int32Array.from(moves, ([state]) => state),
    back: Int32Array.from(moves, ([, [di, dj]]) => di * width + dj),
    up: moves.findIndex(([, move]) => move === UP),
  }));
  return {
    n,
    m,
    pad,
    rows,
    columns,
    width,
    matched,
    states,
    begin,
    end,
    skip,
    up,
    drops,
    dropX: dropX === null ? null : stepCosts(dropX, n, "dropX"),
    dropY: dropY === null ? null : stepCosts(dropY, m, "dropY"),
    tables: states.map(() => new Float64Array((rows + 1) * width)),
    values: new Float64Array(8),
  };
}

/** Returns one drop cost per step, after a 0 for the first row or column, which is no step. */
function stepCosts(drop, steps, name) {
  const each = new Float64Array(steps + 1);
  if (typeof drop === "number") each.fill(drop, 1);
  else if (drop.length === steps) each.set(drop, 1);
  else throw new RangeError(`expected ${steps} costs in ${name}, got ${drop.length}`);
  if (!each.every((value) => value > -Infinity)) throw new RangeError(`expected ${name} to be finite or +Infinity`);
  return each;
}

/** Writes the values at a cell's predecessors to grid.values. Returns the least of them. */
function look(grid, state, i, j, cell, skip) {
  const { from, back, up } = grid.states[state], { values, tables } = grid;
  let least = Infinity;
  for (let k = 0; k < from.length; k++) {
    const value = tables[from[k]][cell - back[k]];
    values[k] = value;
    if (value < least) least = value;
  }
  if (grid.drops) return least;
  if (grid.up !== "always" && !(grid.up === "first" && j === 0)) values[up] = Infinity;
  if ((j === 0 && i > 0 && grid.begin.includes("x")) || (i === 0 && j > 0 && grid.begin.includes("y"))) {
    values[0] = skip;
  }
  least = Math.min(values[0], values[1], values[2]);
  return least;
}

/** Fills the tables. Returns the value of the alignment. */
function forward(grid, gamma, skip) {
  const { rows, columns, width, states, tables, values, matched, dropX, dropY, drops } = grid;
  for (const table of tables) table.fill(Infinity);
  const origin = width + 1, plain = !drops && !grid.begin && grid.up === "always";
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const cell = (i + 1) * width + j + 1;
      for (let s = 0; s < states.length; s++) {
        const own = s === 0 ? matched[cell] : s === 1 && dropX ? dropX[i] : dropY[j];
        if (own === Infinity) continue;
        if (cell === origin) {
          if (s === (drops ? 1 : 0)) tables[s][cell] = own;
          continue;
        }
        let least;
        if (plain) { // `look` inlined for speed
          const table = tables[0];
          const a = (values[0] = table[cell - width - 1]),
            b = (values[1] = table[cell - width]),
            c = (values[2] = table[cell - 1]);
          least = a <= b ? (a <= c ? a : c) : b <= c ? b : c;
        } else least = look(grid, s, i, j, cell, skip);
        if (least === Infinity) continue;
        tables[s][cell] = own +
          (gamma === 0 ? least : least - gamma * Math.log(total(values, states[s].from.length, least, gamma)));
      }
    }
  }
  const ends = endsOf(grid, skip);
  const least = ends.reduce((low, { value }) => Math.min(low, value), Infinity);
  if (gamma === 0 || least === Infinity) return least;
  return least - gamma * Math.log(ends.reduce((sum, { value }) => sum + Math.exp((least - value) / gamma), 0));
}

/** Returns the sum of exp((least - value) / gamma) over the first `count` values. */
function total(values, count, least, gamma) {
  let sum = 0;
  for (let k = 0; k < count; k++) {
    const above = (least - values[k]) / gamma;
    if (above > -745) sum += above === 0 ? 1 : Math.exp(above);
  }
  return sum;
}

/** Returns where an alignment may end: state, cell, and value including the cost of skipped steps. */
function endsOf({ rows, columns, width, states, tables, end }, skip) {
  const found = [];
  const add = (i, j, extra) => {
    const cell = (i + 1) * width + j + 1;
    for (let s = 0; s < states.length; s++) found.push({ s, cell, value: tables[s][cell] + extra });
  };
  if (end.includes("x")) { for (let i = 0; i < rows - 1; i++) add(i, columns - 1, skip); }
  if (end.includes("y")) { for (let j = 0; j < columns - 1; j++) add(rows - 1, j, skip); }
  add(rows - 1, columns - 1, 0);
  return found;
}

/** Returns how often soft alignments match each cell, by sending each predecessor's share backwards from the ends. */
function visits(grid, gamma, skip) {
  const { n, m, pad, rows, columns, width, states, values } = grid;
  const flows = grid.tables.map((table) => new Float64Array(table.length));
  const ends = endsOf(grid, skip), least = ends.reduce((low, { value }) => Math.min(low, value), Infinity);
  const alignment = new Float32Array(n * m);
  if (least === Infinity) return alignment;
  const weights = ends.map(({ value }) => Math.exp((least - value) / gamma));
  const sum = weights.reduce((a, b) => a + b, 0);
  ends.forEach(({ s, cell }, k) => (flows[s][cell] += weights[k] / sum));
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const cell = (i + 1) * width + j + 1;
      for (let s = states.length - 1; s >= 0; s--) {
        const flow = flows[s][cell];
        if (flow < 1e-300) continue; // below the range of float32
        const { from, back } = states[s];
        const lowest = look(grid, s, i, j, cell, skip);
        if (lowest === Infinity) continue;
        const scale = flow / total(values, from.length, lowest, gamma);
        for (let k = 0; k < from.length; k++) {
          const above = (lowest - values[k]) / gamma;
          if (above > -745) flows[from[k]][cell - back[k]] += scale * (above === 0 ? 1 : Math.exp(above));
        }
      }
    }
  }
  for (let i = 0; i < n; i++) {
    const base = (i + 1 + pad) * width + 1 + pad;
    for (let j = 0; j < m; j++) alignment[i * m + j] = flows[0][base + j];
  }
  return alignment;
}

/** Returns the matched cells of the hard alignment in the tables, in order. */
function trace(grid, skip) {
  const { pad, width, states, values } = grid;
  let best = { value: Infinity };
  for (const end of endsOf(grid, skip)) if (end.value < best.value) best = end;
  const path = [];
  if (best.value === Infinity) return path;
  let { s, cell } = best;
  for (;;) {
    const i = Math.floor(cell / width) - 1, j = (cell % width) - 1;
    if (s === 0) path.push([i - pad, j - pad]);
    const least = look(grid, s, i, j, cell, skip);
    if (least === Infinity) break; // the origin
    let k = 0;
    while (values[k] !== least) k++;
    const source = cell - states[s].back[k];
    // the alignment begins here: its value takes the slot of the diagonal move, whose source holds another value
    if (grid.tables[states[s].from[k]][source] !== least) break;
    s = states[s].from[k];
    cell = source;
  }
  return path.reverse();
}
