"""What both sweeps do at one cell, in Triton: moves and minimum, with their derivatives."""

from typing import no_type_check

from tempclr._util.optional import import_optional

triton = import_optional("triton", "gpu")
tl = import_optional("triton.language", "gpu")

INFINITY = tl.constexpr(float("inf"))
LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)
HARD, SOFT, SMOOTH = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)


@triton.jit
@no_type_check
def least_of(values, gamma, KIND: tl.constexpr):
    """Return the minimum of choices, as `soft_minimum.minimum` defines it."""
    least = values[0]
    for t in tl.static_range(1, len(values)):
        least = tl.minimum(least, values[t])
    if KIND != HARD:
        floor = tl.where(least == INFINITY, 0.0, least)
        rate = tl.full((), LOG2_E, gamma.dtype) / gamma
        total = tl.zeros_like(least)
        moment = tl.zeros_like(least)
        for t in tl.static_range(len(values)):
            part = tl.exp2((floor - values[t]) * rate)
            total += part
            if KIND == SMOOTH:
                moment += part * tl.where(part > 0, values[t] - floor, 0.0)
        total = tl.where(least == INFINITY, 1.0, total)
        above = moment / total if KIND == SMOOTH else -gamma * tl.full((), LN_2, gamma.dtype) * tl.log2(total)
        least = tl.where(least == INFINITY, INFINITY, floor + above)
    return least


@triton.jit
@no_type_check
def shares_of(values, gamma, KIND: tl.constexpr):
    """Return the derivative of the minimum with respect to each choice; all 0 where none is finite."""
    least = values[0]
    for t in tl.static_range(1, len(values)):
        least = tl.minimum(least, values[t])
    floor = tl.where(least == INFINITY, 0.0, least)
    total = tl.zeros_like(least)
    moment = tl.zeros_like(least)
    parts = ()
    for t in tl.static_range(len(values)):
        if KIND == HARD:  # the first of equals
            part = tl.where((values[t] == least) & (total == 0) & (least < INFINITY), 1.0, 0.0).to(least.dtype)
        else:
            part = tl.exp2((floor - values[t]) * (tl.full((), LOG2_E, gamma.dtype) / gamma))
        total += part
        if KIND == SMOOTH:
            moment += part * tl.where(part > 0, values[t] - floor, 0.0)
        parts = parts + (part,)
    once = 1.0 / tl.where(total > 0, total, 1.0)
    shares = ()
    for t in tl.static_range(len(values)):
        share = parts[t] * once
        if KIND == SMOOTH:
            share = share * (1.0 - (tl.where(share > 0, values[t] - floor, 0.0) - moment * once) / gamma)
        shares = shares + (share,)
    return shares


@triton.jit
@no_type_check
def choices(up, left, diagonal, MOVES: tl.constexpr, state: tl.constexpr):
    """Return the values at the predecessors of one state; a move is a state, and steps back in rows and columns."""
    values = ()
    for t in tl.static_range(len(MOVES[state])):
        if MOVES[state][t][1] == 0:
            values = values + (left[MOVES[state][t][0]],)
        elif MOVES[state][t][2] == 0:
            values = values + (up[MOVES[state][t][0]],)
        else:
            values = values + (diagonal[MOVES[state][t][0]],)
    return values


@triton.jit
@no_type_check
def opened(up, left, diagonal, row, column, offset, skip, BEGIN: tl.constexpr, RESTRICTED: tl.constexpr):
    """Return the predecessors of the only state, without forbidden moves and with late beginnings."""
    here = (row < 0) & (column < 0)
    if BEGIN[0]:
        here = here | ((row > 0) & (column == 0))
    if BEGIN[1]:
        here = here | ((row == 0) & (column > 0))
    if BEGIN[0] or BEGIN[1]:
        diagonal = (tl.where(here, (skip - offset).to(diagonal[0].dtype), diagonal[0]),)
    if RESTRICTED == "up":
        up = (up[0] + INFINITY,)
    if RESTRICTED == "up but in column 0":
        up = (tl.where(column == 0, up[0], INFINITY),)
    if RESTRICTED == "left":
        left = (left[0] + INFINITY,)
    if RESTRICTED == "left but in row 0":
        left = (tl.where(row == 0, left[0], INFINITY),)
    return up, left, diagonal
