"""Alignments with any states, moves and minimum on the CPU; `one_state` is the fastest case.

Diagonals are laid out as in `blocks`, with the state as the outermost axis. The table of a block holds its states.
The sweep back recomputes the contribution of each predecessor from them, and replaces states by visits. Moves are
rows (state, state before, steps back in x, steps back in y).
"""

from typing import no_type_check

import numpy as np

from tempclr._util.optional import import_optional
from tempclr.alignment._kernels.cpu import moves as loops
from tempclr.alignment._kernels.cpu.blocks import (
    ALWAYS,
    DEAD,
    ELSEWHERE,
    HARD,
    SMOOTH,
    SOFT,
    arrive,
    borders,
    clear,
    collect,
    exceeds,
    find_places,
    find_spans,
    finish_hard,
    finish_soft,
    load,
    rows_of,
    unfold,
)
from tempclr.alignment._kernels.cpu.cells import OPTIONS
from tempclr.alignment._kernels.cpu.scaled_floats import SIDE, apart

njit = import_optional("numba", "cpu").njit


@njit(**OPTIONS)
@no_type_check
def _before(move, k, up, first, lanes):
    """Buffer, state and first slot of the predecessors from which a move leads to the cells of diagonal k."""
    state, back_x, back_y = move[1], move[2], move[3]
    forbidden = back_x == 1 and back_y == 0 and up != ALWAYS
    return 3 if forbidden else (k - back_x - back_y) % 3, state, (first + 1 - back_x) * lanes


@njit(**OPTIONS)
@no_type_check
def _gather(work, states, moves, state, k, span, rules, terms):
    """Combine all predecessors of one state on diagonal k."""
    (z, e), (top, floor, total, mean), (first, count, lanes) = states, work, span
    kind, up, gamma = rules[0], rules[1], terms[4]
    begins = k == 0 and state == min(len(z[0]) - 1, 1)  # with drops, an alignment begins as if after a drop
    loops.fill(top[:count], 0 if begins else terms[1][DEAD])
    loops.fill(floor[:count], 0.0 if begins else np.inf)
    loops.fill(total[:count], 1 if begins else 0)
    loops.fill(mean[:count], 0)
    for move in moves if k else moves[:0]:
        if move[0] == state:
            which, source, a = _before(move, k, up, first, lanes)
            if kind == SOFT:
                loops.highest(top, e[which, source, a : a + count])
            else:
                loops.lowest(floor, z[which, source, a : a + count])
    for move in moves if k and kind != HARD else moves[:0]:
        if move[0] == state:
            which, source, a = _before(move, k, up, first, lanes)
            if kind == SOFT:
                loops.add(total, z[which, source, a : a + count], e[which, source, a : a + count], top)
            else:
                loops.weigh(total, mean, z[which, source, a : a + count], floor, gamma)


@njit(**OPTIONS)
@no_type_check
def _borders(states, rules, k, n, m, lanes, terms):
    """Set the borders of all states around diagonal k."""
    z, e = states
    one, two = (k + 2) % 3, (k + 1) % 3
    for s in range(len(z[0])):
        borders((z[one, s], e[one, s]), (z[two, s], e[two, s]), (z[3, s], e[3, s]), rules, k, n, m, lanes, terms)


@njit(**OPTIONS)
@no_type_check
def _forward(cost, area, sizes, n, m, moves, rules, terms, states, work, squares, ends, tables):
    """Fill the tables of a block and the states at its ends, and return whether no cost exceeds the limit."""
    apart()
    marks, marks_e, rates, limits, _ = terms
    (z, e), (top, floor, total, mean) = states, work
    panel, starts, places, low, high = squares
    kind, lanes, keep, place = rules[0], len(sizes), tables[0].size > 0, 0
    z[:, :, : (n + 2) * lanes], e[:, :, : (n + 2) * lanes] = marks[DEAD], marks_e[DEAD]
    ends[0][:] = marks[DEAD]
    for k in range(n + m - 1):
        first, last = rows_of(k, n, m)
        count, b = (last - first) * lanes, (first + 1) * lanes
        if k:
            _borders(states, rules, k, n, m, lanes, terms)
        for s in range(len(z[0])):
            if k % SIDE == 0:
                for d in range(SIDE):
                    starts[d] = d * n * lanes
                load(panel[s], cost[s * area :], k, first * lanes, min(k + SIDE, n) * lanes, places, low, high, starts)
            costs = panel[s, (k % SIDE * n + first) * lanes :][:count]
            if kind == SOFT and exceeds(costs.view(limits.dtype), limits[0], limits[1]):
                return False
            _gather(work, states, moves, s, k, (first, count, lanes), rules, terms)
            new, new_e = z[k % 3, s, b : b + count], e[k % 3, s, b : b + count]
            if kind == SOFT:
                loops.soft(new, new_e, total, top, costs, rates, marks_e[DEAD])
            elif kind == SMOOTH:
                loops.smooth(new, floor, total, mean, costs)
            else:
                loops.hard(new, floor, costs)
            collect((ends[0][:, s], ends[1][:, s]), (new, new_e), sizes, k, n, first, rules)
            if keep:
                loops.copy(tables[0][s, place:], new)
                if kind == SOFT:
                    loops.copy(tables[1][s, place:], new_e)
        place += count
    return True


@njit(**OPTIONS)
@no_type_check
def _backward(sizes, n, m, moves, rules, terms, states, work, shares, flows, tables):
    """Turn the table of a block into how often a path visits each cell in each state."""
    apart()
    (z, e), (top, floor, total, mean), gamma = states, work, terms[4]
    kind, lanes, place = rules[0], len(sizes), n * m * len(sizes)
    flows[:, :, : (n + 2) * lanes] = 0
    for k in range(n + m - 2, -1, -1):
        first, last = rows_of(k, n, m)
        count, b = (last - first) * lanes, (first + 1) * lanes
        place -= count
        _borders(states, rules, k, n, m, lanes, terms)
        for s in range(len(z[0])):
            visits = flows[k % 3, s, b : b + count]
            arrive(flows[k % 3, s], shares[:, s], sizes, k, n)
            loops.copy(tables[0][s, place:], visits)
            _gather(work, states, moves, s, k, (first, count, lanes), rules, terms)
            for move in moves if k else moves[:0]:
                if move[0] != s:
                    continue
                which, source, a = _before(move, k, rules[1], first, lanes)
                flow = flows[(k - move[2] - move[3]) % 3, source, a : a + count]
                before, before_e = z[which, source, a : a + count], e[which, source, a : a + count]
                if kind == SOFT:
                    loops.soft_back(flow, visits, before, before_e, total, top)
                elif kind == SMOOTH:
                    loops.smooth_back(flow, visits, before, floor, total, mean, gamma)
                else:
                    loops.hard_back(flow, visits, before, floor)
            loops.fill(flows[k % 3, s, : (n + 2) * lanes], 0)
        if k >= 3:
            (a, b), (c, d) = rows_of(k - 1, n, m), rows_of(k - 2, n, m)
            _restore(states, tables, kind, k - 3, n, m, lanes, place - (b - a + d - c) * lanes)


@njit(**OPTIONS)
@no_type_check
def _restore(states, tables, kind, k, n, m, lanes, end):
    """Copy diagonal k, which ends at `end` in the tables, back to where its successors look for it."""
    (z, e), (first, last) = states, rows_of(k, n, m)
    begin, b = end - (last - first) * lanes, (first + 1) * lanes
    for s in range(len(z[0])):
        loops.copy(z[k % 3, s, b:], tables[0][s, begin:end])
        if kind == SOFT:
            loops.copy(e[k % 3, s, b:], tables[1][s, begin:end])


@njit(**OPTIONS)
@no_type_check
def _finish_smooth(ends, gamma):
    """Return the weighted mean of the states at the ends, and replace the states by its derivatives."""
    floor = ends.min()
    if floor == np.inf:
        ends[:] = 0
        return np.inf
    weights = np.exp((floor - ends) / gamma)
    weights /= weights.sum()
    above = np.where(weights > 0, ends - floor, 0.0)
    mean = (weights * above).sum()
    ends[:] = weights * (1 - (above - mean) / gamma)
    return floor + mean


@njit(**OPTIONS)
@no_type_check
def _finish(ends, ends_e, corner, rules, terms):
    """Return the minimum of the states at the ends of one pair, and replace the states by its derivatives."""
    marks, marks_e, _, _, gamma = terms
    if rules[0] == SMOOTH:
        return _finish_smooth(ends, gamma)
    if rules[0] == HARD:
        return finish_hard(ends, corner, marks[ELSEWHERE])
    return finish_soft(ends, ends_e, corner, marks[ELSEWHERE], marks_e[ELSEWHERE], gamma)


@njit(**OPTIONS)
@no_type_check
def align(cost, lengths, order, start, step, lanes, rules, terms, value, alignment, moves):
    """As `one_state.align`, for costs and alignments [pairs, states, n, m], with `moves` between states."""
    pairs, count, rows, columns = cost.shape
    marks, marks_e = terms[:2]
    keep, flat = len(alignment) > 0, cost.reshape(-1)
    slots, area = (rows + 2) * lanes, rows * columns
    cells = area * lanes if keep else 0
    tables = (np.empty((count, cells), marks.dtype), np.empty((count, cells if rules[0] == SOFT else 0), marks_e.dtype))
    states = (np.empty((4, count, slots), marks.dtype), np.empty((4, count, slots), marks_e.dtype))
    floor, total, mean = np.empty((3, slots), marks.dtype)
    work = (np.empty(slots, marks_e.dtype), floor, total, mean)
    flows = np.empty((3, count, slots if keep else 0), alignment.dtype)
    panel, starts = np.empty((count, SIDE * rows * lanes), cost.dtype), np.empty(SIDE, np.int64)
    all_places, all_spans = np.empty((3, rows * lanes), np.int64), np.empty((rows + columns - 1, 2), np.int64)
    all_ends, all_ends_e = np.empty((lanes, count, rows + columns)), np.empty((lanes, count, rows + columns), np.int64)
    for begin in range(start * lanes, pairs, step * lanes):
        members = order[begin : begin + lanes]
        sizes = lengths[members]
        n, m = sizes[:, 0].max(), sizes[:, 1].max()
        ends, ends_e = all_ends[: len(members)], all_ends_e[: len(members)]
        places, low, high = all_places[:, : n * len(members)]
        find_places(places, low, high, members, sizes, n, (pairs, count * rows, columns), -1.0)
        spans = all_spans[: n + m - 1]
        find_spans(spans, low, high, sizes, n, m, -1.0)
        squares = (panel, starts, places, low, high)
        if not _forward(flat, area, sizes, n, m, moves, rules, terms, states, work, squares, (ends, ends_e), tables):
            return False
        for p in range(len(members)):
            each, each_e = ends[p].reshape(-1), ends_e[p].reshape(-1)
            value[members[p]] = _finish(each, each_e, sizes[p, 0] - 1, rules, terms)
        if keep:
            _backward(sizes, n, m, moves, rules, terms, states, work, ends, flows, tables)
            for s in range(count):
                unfold(alignment.reshape(-1)[s * area :], tables[0][s], len(members), squares, spans)
                clear(alignment[:, s], members, low, high)
    return True
