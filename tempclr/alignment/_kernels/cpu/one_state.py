"""The alignment recursion on the CPU, compiled: a block of pairs at a time, one anti-diagonal after the other.

A diagonal of a block is [cells, pairs], flat: long for one long pair as for many short ones, which is what lets
the innermost loops run on vectors. Row i of a diagonal stands at slot i + 1. The table of a block is its diagonals
one after the other, n * m cells per pair without a gap. It holds the shares that two of the three predecessors have
in each cell; the third share is what remains. On the way back, visits take the place of shares.

A state is a pair of z and e, as in `cells`; with the hard minimum z alone counts.
"""

import math
from typing import no_type_check

import numpy as np

from tempclr._util.optional import import_optional
from tempclr.alignment._kernels.cpu.cells import OPTIONS, back, hard_kept, soft, soft_kept
from tempclr.alignment._kernels.cpu.cells import hard as hard_cells
from tempclr.alignment._kernels.cpu.scaled_floats import SIDE, apart, transpose

njit = import_optional("numba", "cpu").njit

# states on the border, as indices into `marks`
DEAD, CORNER, ELSEWHERE = range(3)
ALWAYS, FIRST, NEVER = range(3)
SOFT, HARD, SMOOTH = range(3)


@njit(**OPTIONS)
@no_type_check
def rows_of(k, n, m):
    """First row, and the row after the last, that diagonal k crosses."""
    return max(0, k - m + 1), min(k + 1, n)


@njit(**OPTIONS)
@no_type_check
def find_places(places, low, high, members, sizes, n, shape, reach):
    """Where diagonal 0 of each row of each pair would stand in memory, and which diagonals cross the row.

    They cross it within its length and, if `reach` is not negative, within that band.
    """
    for p in range(len(members)):
        last_x, last_y = sizes[p] - 1
        width = reach * max(last_x, last_y)
        first, last = 0, 0 if reach >= 0 else sizes[p, 1]
        for i in range(n):
            slot = i * len(members) + p
            places[slot] = (members[p] * shape[1] + i) * shape[2] - i
            low[slot] = high[slot] = i
            if i < sizes[p, 0]:
                while reach >= 0 and i * last_y - first * last_x > width:
                    first += 1
                while last <= last_y and last * last_x - i * last_y <= width:
                    last += 1
                low[slot], high[slot] = i + first, i + last


@njit(**OPTIONS)
@no_type_check
def find_spans(spans, low, high, sizes, n, m, reach):
    """First row, and the row after the last, that each diagonal crosses, of all pairs; neither ever moves by 2."""
    for k in range(n + m - 1):
        spans[k, 0], spans[k, 1] = rows_of(k, n, m) if reach < 0 else (n, 0)
    for p in range(len(sizes) if reach >= 0 else 0):
        first, last = 0, 0
        for k in range(sizes[p].sum() - 1):
            while high[first * len(sizes) + p] <= k:
                first += 1
            while last < sizes[p, 0] and low[last * len(sizes) + p] <= k:
                last += 1
            spans[k, 0], spans[k, 1] = min(spans[k, 0], first), max(spans[k, 1], last)
    for k in range(1, n + m - 1 if reach >= 0 else 0):
        spans[k, 1] = max(spans[k, 1], spans[k - 1, 1])
        spans[k, 0] = min(spans[k, 0], spans[k - 1, 0] + 1, spans[k, 1])


@njit(**OPTIONS)
@no_type_check
def load(panel, cost, k, begin, end, places, low, high, starts):
    """Rows `begin` to `end` of SIDE diagonals from k on, one per row of the panel; +inf beyond the lengths."""
    for q in range(begin, end, SIDE):
        if q + SIDE <= end and low[q : q + SIDE].max() <= k and k + SIDE <= high[q : q + SIDE].min():
            transpose(cost, places[q:], k, panel, starts, q)
        else:
            for slot in range(q, min(q + SIDE, end)):
                for d in range(SIDE):
                    inside = low[slot] <= k + d < high[slot]
                    panel[starts[d] + slot] = cost[places[slot] + k + d] if inside else np.inf


@njit(**OPTIONS)
@no_type_check
def exceeds(bits, infinity, limit):
    """Whether a finite number among these, given by their bits, is larger than the one of bits `limit`, either way."""
    found = False
    for i in range(len(bits)):
        magnitude = bits[i] & (infinity | (infinity - 1))  # without its sign
        found |= (limit < magnitude) & (magnitude < infinity)
    return found


@njit(**OPTIONS)
@no_type_check
def unfold(flat, table, lanes, squares, spans):
    """Unfold a table of visits into the matrices of its pairs."""
    apart()
    _, starts, places, low, high = squares
    place = 0
    for k in range(0, len(spans), SIDE):
        for d in range(min(SIDE, len(spans) - k)):
            first, last = spans[k + d]
            starts[d] = place - first * lanes
            place += (last - first) * lanes
        begin, end = spans[k, 0] * lanes, spans[min(k + SIDE, len(spans)) - 1, 1] * lanes
        for q in range(begin, end, SIDE):
            if q + SIDE <= end and low[q : q + SIDE].max() <= k and k + SIDE <= high[q : q + SIDE].min():
                transpose(table, starts, q, flat, places[q:], k)
            else:
                for slot in range(q, min(q + SIDE, end)):
                    for d in range(max(low[slot] - k, 0), min(high[slot] - k, SIDE)):
                        flat[places[slot] + k + d] = table[starts[d] + slot]


@njit(**OPTIONS)
@no_type_check
def clear(alignment, members, low, high):
    """Put 0 beyond the lengths of the pairs, and the band."""
    rows, columns = alignment.shape[1:]
    for p in range(len(members)):
        for i in range(rows):
            slot = i * len(members) + p
            first, last = (low[slot] - i, high[slot] - i) if slot < len(low) else (0, 0)
            for j in range(first):
                alignment[members[p], i, j] = 0
            for j in range(last, columns):
                alignment[members[p], i, j] = 0


@njit(**OPTIONS)
@no_type_check
def border(state, slot, lanes, terms, mark):
    """Put a state of the border at one slot."""
    for p in range(slot * lanes, (slot + 1) * lanes):
        state[0][p], state[1][p] = terms[0][mark], terms[1][mark]


@njit(**OPTIONS)
@no_type_check
def borders(one, two, none, rules, k, n, m, lanes, terms):
    """Set the borders of the two diagonals before diagonal k, and of what stands for a move that is not allowed."""
    _, up, begin_x, begin_y, _, _ = rules
    # a path begins at (k, 0) as if it came from (k, -1), and at (0, k) as if from (-1, k-1)
    if k < n:
        border(one, k + 1, lanes, terms, begin_x if k else CORNER)
        border(two, k, lanes, terms, DEAD)
    if 0 < k < m:
        border(one, 0, lanes, terms, DEAD)
        border(two, 0, lanes, terms, begin_y)
    # where the move from above is not allowed, it comes from a diagonal of dead cells
    if up == FIRST and 0 < k <= n:
        border(none, k - 1, lanes, terms, DEAD)
        border(none, k + 1, lanes, terms, DEAD)
        if k < n:
            for p in range(k * lanes, (k + 1) * lanes):
                none[0][p], none[1][p] = one[0][p], one[1][p]


@njit(**OPTIONS)
@no_type_check
def _predecessors(states, rules, k, n, m, first, lanes, terms):
    """States above, to the left and diagonally before diagonal k, and the place for its own; borders are set."""
    new, one, two, none = states[k % 3], states[(k + 2) % 3], states[(k + 1) % 3], states[3]
    borders(one, two, none, rules, k, n, m, lanes, terms)
    above = one if rules[1] == ALWAYS else none
    a, b = first * lanes, (first + 1) * lanes
    return (new[0][b:], new[1][b:]), (above[0][a:], above[1][a:]), (one[0][b:], one[1][b:]), (two[0][a:], two[1][a:])


@njit(**OPTIONS)
@no_type_check
def collect(ends, new, sizes, k, n, first, rules):
    """Keep the states of diagonal k at which its pairs may end."""
    lanes, end_x, end_y = len(sizes), rules[4], rules[5]
    for p in range(lanes):
        i, j = k - sizes[p, 1] + 1, k - sizes[p, 0] + 1  # row and column of the ends on this diagonal
        if 0 <= i < sizes[p, 0] and (end_x or i == sizes[p, 0] - 1):
            slot = (i - first) * lanes + p
            ends[0][p, i], ends[1][p, i] = new[0][slot], new[1][slot]
        if end_y and 0 <= j < sizes[p, 1] - 1:
            slot = (sizes[p, 0] - 1 - first) * lanes + p
            ends[0][p, n + j], ends[1][p, n + j] = new[0][slot], new[1][slot]


@njit(**OPTIONS)
@no_type_check
def arrive(visits, shares, sizes, k, n):
    """Add the shares of the ends on diagonal k to what arrives there, row i at slot i + 1."""
    lanes = len(sizes)
    for p in range(lanes):
        i, j = k - sizes[p, 1] + 1, k - sizes[p, 0] + 1
        if 0 <= i < sizes[p, 0]:
            visits[(i + 1) * lanes + p] += shares[p, i]
        if 0 <= j < sizes[p, 1] - 1:
            visits[sizes[p, 0] * lanes + p] += shares[p, n + j]


@njit(**OPTIONS)
@no_type_check
def _forward(cost, sizes, n, m, rules, terms, states, squares, spans, ends, tables):
    """Fill in the tables of a block and the states at its ends, and return whether no cost exceeds its limit."""
    apart()
    hard, begin_y = rules[0] == HARD, rules[3]
    marks, marks_e, rates, limits, _ = terms
    panel, starts, places, low, high = squares
    table_up, table_left = tables
    lanes, keep, place = len(sizes), len(table_up) > 0, 0
    for slot in range(n + 2):
        for d in range(4):
            border(states[d], slot, lanes, terms, DEAD)
    ends[0][:] = marks[DEAD]
    for k in range(n + m - 1):
        first, last = spans[k]
        count = (last - first) * lanes
        if k % SIDE == 0:
            for d in range(SIDE):
                starts[d] = d * n * lanes
            end = spans[min(k + SIDE, n + m - 1) - 1, 1] * lanes
            load(panel, cost, k, first * lanes, end, places, low, high, starts)
        costs = panel[(k % SIDE * n + first) * lanes :][:count]
        if not hard and exceeds(costs.view(limits.dtype), limits[0], limits[1]):
            return False
        new, above, left, diagonal = _predecessors(states, rules, k, n, m, first, lanes, terms)
        share_up, share_left = table_up[place:], table_left[place:]
        if hard and keep:
            hard_kept(new[0], above[0], left[0], diagonal[0], costs, share_up, share_left)
            for p in range(lanes if 0 < k < m and begin_y != DEAD else 0):
                if share_up[p] == 0 and left[0][p] == diagonal[0][p]:
                    share_left[p] = 1  # a tie goes to the move, not to the beginning
        elif hard:
            hard_cells(new[0], above[0], left[0], diagonal[0], costs)
        elif keep:
            soft_kept(new, above, left, diagonal, costs, rates, marks_e[DEAD], share_up, share_left)
        else:
            soft(new, above, left, diagonal, costs, rates, marks_e[DEAD])
        collect(ends, new, sizes, k, n, first, rules)
        # of what an earlier diagonal left here, the next two see these
        border(states[k % 3], first, lanes, terms, DEAD)
        border(states[k % 3], last + 1, lanes, terms, DEAD)
        if keep:
            place += count
    return True


@njit(**OPTIONS)
@no_type_check
def finish_hard(ends, corner, skip):
    """Least of the states at the ends, which give way to their shares: of equal ones the corner, then the first."""
    best, least = corner, ends[corner]
    for i in range(len(ends)):
        if i != corner and ends[i] + skip < least:
            best, least = i, ends[i] + skip
    ends[:] = 0
    if least < np.inf:
        ends[best] = 1
    return least


@njit(**OPTIONS)
@no_type_check
def finish_soft(ends, ends_e, corner, skip, skip_e, gamma):
    """Soft minimum of the states at the ends, which give way to their shares."""
    top, total = np.int64(-(2**62)), 0.0
    for i in range(len(ends)):
        if i != corner:
            ends[i] *= skip
            ends_e[i] += skip_e
        if ends[i] > 0:
            top = max(top, ends_e[i])
    for i in range(len(ends)):
        ends[i] = math.ldexp(ends[i], max(ends_e[i] - top, -2000)) if ends[i] > 0 else 0
        total += ends[i]
    if total == 0:
        return np.inf
    for i in range(len(ends)):
        ends[i] /= total
    return -gamma * (math.log(total) + top * math.log(2.0))


@njit(**OPTIONS)
@no_type_check
def _backward(sizes, n, spans, shares, flows, tables):
    """Turn the table of a block into how often a path visits each cell."""
    apart()
    ups, lefts, diagonals = flows[:2], flows[2:4], flows[4:]
    table_up, table_left = tables
    lanes = len(sizes)
    place = (spans[:, 1] - spans[:, 0]).sum() * lanes
    for d in range(len(flows)):
        flows[d][: (n + 2) * lanes] = 0
    for k in range(len(spans) - 1, -1, -1):
        first, last = spans[k]
        count = (last - first) * lanes
        place -= count
        a, b, c = first * lanes, (first + 1) * lanes, (first + 2) * lanes
        # what goes up and left arrives on the next diagonal, what goes along the diagonal on the one after
        up, left, diagonal = ups[k % 2], lefts[k % 2], diagonals[k % 3]
        down, right, onward = ups[(k + 1) % 2], lefts[(k + 1) % 2], diagonals[(k + 2) % 3]
        arrive(right, shares, sizes, k, n)
        table, share_up = table_left[place : place + count], table_up[place:]
        back(table, share_up, down[c:], right[b:], onward[c:], up[b:], left[b:], diagonal[b:])
        up[a:b], left[a:b], diagonal[a:b] = 0, 0, 0
        a, b = (last + 1) * lanes, (last + 2) * lanes
        up[a:b], left[a:b], diagonal[a:b] = 0, 0, 0


@njit(**OPTIONS)
@no_type_check
def align(cost, lengths, order, start, step, lanes, rules, terms, value, alignment, spaces, reach):
    """Value, and expected alignment unless `alignment` is empty, of the blocks of pairs `start`, `start + step`, ...

    Return whether no finite cost exceeds its limit; where one does, the results are not to be used.

    `rules` says whether the minimum is hard, where the move from above is allowed, the states from which an alignment
    begins at (i, 0) and (0, j), and whether it may end early along x and y. `terms` holds z and e of the three states
    of the border, bits per cost in two parts, the bits of infinity and of the largest cost, and gamma. `spaces` are
    room for two tables of a block, the first only if pairs share a block. `reach` is that of the band, or negative.
    """
    pairs, rows, columns = cost.shape
    flat = cost.reshape(-1)
    marks, marks_e, _, _, gamma = terms
    keep = len(alignment) > 0
    slots, (spare, table_left) = (rows + 2) * lanes, spaces
    z, e = np.empty((4, slots), marks.dtype), np.empty((4, slots), marks_e.dtype)
    states = ((z[0], e[0]), (z[1], e[1]), (z[2], e[2]), (z[3], e[3]))
    flows = np.empty((7, slots if keep else 0), alignment.dtype)
    panel, starts = np.empty(SIDE * rows * lanes, cost.dtype), np.empty(SIDE, np.int64)
    all_places, all_spans = np.empty((3, rows * lanes), np.int64), np.empty((rows + columns - 1, 2), np.int64)
    all_ends, all_ends_e = np.empty((lanes, rows + columns)), np.empty((lanes, rows + columns), np.int64)
    for begin in range(start * lanes, pairs, step * lanes):
        members = order[begin : begin + lanes]
        sizes = lengths[members]
        n, m = sizes[:, 0].max(), sizes[:, 1].max()
        # a pair alone in its block lends its place in the result to one of the two tables
        tables = (alignment[members[0]].reshape(-1) if keep and lanes == 1 else spare, table_left)
        ends, ends_e = all_ends[: len(members), : n + m], all_ends_e[: len(members), : n + m]
        places, low, high = all_places[:, : n * len(members)]
        find_places(places, low, high, members, sizes, n, cost.shape, reach)
        spans = all_spans[: n + m - 1]
        find_spans(spans, low, high, sizes, n, m, reach)
        squares = (panel, starts, places, low, high)
        if not _forward(flat, sizes, n, m, rules, terms, states, squares, spans, (ends, ends_e), tables):
            return False
        for p in range(len(members)):
            corner, skip, skip_e = sizes[p, 0] - 1, marks[ELSEWHERE], marks_e[ELSEWHERE]
            if rules[0] == HARD:
                value[members[p]] = finish_hard(ends[p], corner, skip)
            else:
                value[members[p]] = finish_soft(ends[p], ends_e[p], corner, skip, skip_e, gamma)
        if keep:
            _backward(sizes, n, spans, ends, flows, tables)
            unfold(alignment.reshape(-1), table_left, len(members), squares, spans)
            clear(alignment, members, low, high)
    return True
