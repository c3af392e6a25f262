"""Alignments with one state on the CPU, by a hard or soft minimum: a block of pairs at a time, diagonal by diagonal.

The table of a block is its diagonals one after the other, n * m cells per pair without a gap. It holds the shares of
two of the three predecessors of each cell; the third share is the rest. In the sweep back, visits replace the shares.
"""

from typing import no_type_check

import numpy as np

from tempclr._util.optional import import_optional
from tempclr.alignment._kernels.cpu.blocks import (
    ALWAYS,
    DEAD,
    ELSEWHERE,
    HARD,
    arrive,
    border,
    borders,
    clear,
    collect,
    exceeds,
    find_places,
    find_spans,
    finish_hard,
    finish_soft,
    load,
    unfold,
)
from tempclr.alignment._kernels.cpu.cells import OPTIONS, back, hard_kept, soft, soft_kept
from tempclr.alignment._kernels.cpu.cells import hard as hard_cells
from tempclr.alignment._kernels.cpu.scaled_floats import SIDE, apart

njit = import_optional("numba", "cpu").njit


@njit(**OPTIONS)
@no_type_check
def _predecessors(states, rules, k, n, m, first, lanes, terms):
    """Set the borders, and return the buffer for the states of diagonal k, and the states above, left and diagonal."""
    new, one, two, none = states[k % 3], states[(k + 2) % 3], states[(k + 1) % 3], states[3]
    borders(one, two, none, rules, k, n, m, lanes, terms)
    above = one if rules[1] == ALWAYS else none
    a, b = first * lanes, (first + 1) * lanes
    return (new[0][b:], new[1][b:]), (above[0][a:], above[1][a:]), (one[0][b:], one[1][b:]), (two[0][a:], two[1][a:])


@njit(**OPTIONS)
@no_type_check
def _forward(cost, sizes, n, m, rules, terms, states, squares, spans, ends, tables):
    """Fill the tables of a block and the states at its ends, and return whether no cost exceeds the limit."""
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
        # the next two diagonals read these slots, where an earlier diagonal left its states
        border(states[k % 3], first, lanes, terms, DEAD)
        border(states[k % 3], last + 1, lanes, terms, DEAD)
        if keep:
            place += count
    return True


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
        # what goes up and left arrives on diagonal k - 1, what goes diagonally on diagonal k - 2
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
    """Compute values, and expected alignments unless `alignment` is empty, of the blocks `start`, `start + step`, ...

    Return whether no finite cost exceeds the limit; if one does, the results must not be used.

    `rules` says whether the minimum is hard, where the move from above is allowed, the states from which an alignment
    begins at (i, 0) and (0, j), and whether it may end early along x and y. `terms` holds z and e of the three states
    of the border, bits per cost in two parts, the bits of infinity and of the largest cost, and gamma. `spaces` has
    room for two tables of a block, the first only if pairs share a block. A negative `reach` means no band.
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
        # with one pair per block, one of the two tables lies in that pair's part of the result
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
