"""What both CPU kernels share: where the cells of a block of pairs lie, and how alignments begin and end.

A diagonal of a block is a flat array [cells, pairs]: as long for many short pairs as for one long pair, so that the
innermost loops run on vectors. Row i of a diagonal lies at slot i + 1.

A state is a pair of z and e, as in `cells`; with the hard minimum only z counts.
"""

import math
from typing import no_type_check

import numpy as np

from tempclr._util.optional import import_optional
from tempclr.alignment._kernels.cpu.cells import OPTIONS
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
    """Find where diagonal 0 of each row of each pair would lie in memory, and which diagonals cross the row.

    Only cells within the lengths count and, if `reach` is not negative, within that band.
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
    """Find the first row, and the row after the last, of each diagonal, for all pairs; neither ever advances by 2."""
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
    """Load rows `begin` to `end` of SIDE diagonals from k on into the rows of the panel; +inf beyond the lengths."""
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
    """Return whether a finite number, given by its bits, is larger in magnitude than the one with bits `limit`."""
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
    """Write 0 beyond the lengths of the pairs, and outside the band."""
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
    """Write a state of the border to one slot."""
    for p in range(slot * lanes, (slot + 1) * lanes):
        state[0][p], state[1][p] = terms[0][mark], terms[1][mark]


@njit(**OPTIONS)
@no_type_check
def borders(one, two, none, rules, k, n, m, lanes, terms):
    """Set the borders of the two diagonals before diagonal k, and of the buffer for moves that are not allowed."""
    _, up, begin_x, begin_y, _, _ = rules
    # a path begins at (k, 0) as if it came from (k, -1), and at (0, k) as if from (-1, k-1)
    if k < n:
        border(one, k + 1, lanes, terms, begin_x if k else CORNER)
        border(two, k, lanes, terms, DEAD)
    if 0 < k < m:
        border(one, 0, lanes, terms, DEAD)
        border(two, 0, lanes, terms, begin_y)
    # where the move from above is not allowed, it comes from a buffer of dead cells
    if up == FIRST and 0 < k <= n:
        border(none, k - 1, lanes, terms, DEAD)
        border(none, k + 1, lanes, terms, DEAD)
        if k < n:
            for p in range(k * lanes, (k + 1) * lanes):
                none[0][p], none[1][p] = one[0][p], one[1][p]


@njit(**OPTIONS)
@no_type_check
def collect(ends, new, sizes, k, n, first, rules):
    """Keep the states of diagonal k in which pairs may end."""
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
def finish_hard(ends, corner, skip):
    """Return the least state at the ends, and replace the states by their shares; a tie goes to the corner."""
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
    """Return the soft minimum of the states at the ends, and replace the states by their shares."""
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
