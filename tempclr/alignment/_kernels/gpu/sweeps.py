"""The alignment recursion in Triton: one sweep along the anti-diagonals forward, one back.

Rows are lanes. A lane walks along its row one diagonal behind the lane before it, so that what it needs lies in its
own registers and in its neighbour's. Several short pairs share a program. A pair with more rows than lanes is cut
into tiles, whose borders travel through memory.

A diagonal is relative to an offset in float64, which is moved to the minimum every EVERY diagonals. Diagonal
k = i + j is stored at row k mod m of the table, where every cell has a place of its own: n * m numbers per state. The
sweep back reads this table alone, never the cost.

A Triton program takes each array and each size as an argument of its own, hence the long signatures. What the two
sweeps do is in the functions before them, which Triton inlines; their loops keep what travels in registers from one
diagonal to the next.
"""

from typing import no_type_check

from tempclr._util.optional import import_optional
from tempclr.alignment._kernels.gpu.cells import INFINITY, choices, least_of, opened, shares_of

triton = import_optional("triton", "gpu")
tl = import_optional("triton.language", "gpu")

# arguments that take any value without being compiled again
SIZES = ["pairs", "height", "width", "span", "row_step", "column_step", "slots", "blocks", "tile_rows", "tile_columns"]
SIZES += ["tile_diagonal", "first_tile"]


@triton.jit
@no_type_check
def _place(tile_diagonal, tile_row, lengths, pairs, span, PACK: tl.constexpr, LANES: tl.constexpr):
    """Return the pairs and lanes of a program, and the rectangle of the matrix that it computes."""
    thread = tl.arange(0, PACK * LANES)
    lane = thread % LANES
    pair = tl.program_id(0) * PACK + (tl.zeros((1,), tl.int32) if PACK == 1 else thread // LANES)
    real = pair < pairs
    n = tl.load(lengths + 2 * pair, mask=real, other=0).to(tl.int32)
    m = tl.load(lengths + 2 * pair + 1, mask=real, other=0).to(tl.int32)
    one = tl.full((1,), 1, tl.int32)
    first_row = tile_row * LANES * one
    first_column = (tile_diagonal - tile_row) * span * one
    last_column = tl.minimum(m, first_column + span)  # the one after it
    rows = tl.minimum(n - first_row, LANES)
    # none if the tile lies beyond the lengths of all pairs of the program
    steps = tl.max(tl.where((rows > 0) & (last_column > first_column), last_column - first_column + rows - 1, 0))
    return pair.to(tl.int64), thread, lane, n, m, first_row, first_column, last_column, steps


@triton.jit
@no_type_check
def _lowest(values, thread, PACK: tl.constexpr, LANES: tl.constexpr):
    """Return the minimum over the lanes of each pair, or 0 where none is finite."""
    if PACK == 1:
        values = tl.min(values, 0) + tl.zeros((1,), values.dtype)
    else:
        for bit in tl.static_range(5):
            if (1 << bit) < LANES:
                values = tl.minimum(values, tl.gather(values, thread ^ (1 << bit), 0))
    return tl.where(values == INFINITY, 0.0, values)


@triton.jit
@no_type_check
def _slot(row, column, n, m, width, END: tl.constexpr):
    """Return whether a path may end in a cell, whether that is the corner, and where the end is kept."""
    corner = (row == n - 1) & (column == m - 1)
    slot = tl.zeros_like(row + column)
    here = corner
    if END[1]:
        here = here | ((row == n - 1) & (column >= 0) & (column < m))
        slot = tl.where(row == n - 1, column, slot)
    if END[0]:
        if END[1]:
            other = (column == m - 1) & (row < n - 1)
            slot = tl.where(other, width + row, slot)
        else:
            other = (column == m - 1) & (row < n)
            slot = tl.where(other, row, slot)
        here = here | other
    return here, corner, slot


@triton.jit
@no_type_check
def _entering(
    nothing, pair, above, beside, thread, lane, n, m, first_row, first_column, height, width,
    STATES: tl.constexpr, TILED: tl.constexpr, PACK: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Return the offset before the first diagonal of a tile, and what lies left and diagonally before its lanes."""
    offset = pair.to(tl.float64) * 0
    one = ()
    diagonal = ()
    for s in tl.static_range(STATES):
        one = one + (nothing,)
        diagonal = diagonal + (nothing,)
    if TILED:
        row = first_row + lane
        least_border = tl.full((PACK * LANES,), INFINITY, tl.float64)
        held = ()
        corner = ()
        for s in tl.static_range(STATES):
            left = tl.load(beside + s * height + row, mask=(row < n) & (first_column > 0), other=INFINITY)
            over = (lane == 0) & (first_row > 0) & (row < n)
            start = tl.load(above + s * width + first_column - 1, mask=over & (first_column > 0), other=INFINITY)
            next_one = tl.load(above + s * width + first_column, mask=over & (first_column < m), other=INFINITY)
            least_border = tl.minimum(least_border, tl.minimum(left, tl.minimum(start, next_one)))
            held = held + (left,)
            corner = corner + (start,)
        offset = _lowest(least_border, thread, PACK, LANES)
        one = ()
        diagonal = ()
        for s in tl.static_range(STATES):
            one = one + ((held[s] - offset).to(nothing.dtype),)
            diagonal = diagonal + ((corner[s] - offset).to(nothing.dtype),)
    return offset, one, diagonal


@triton.jit
@no_type_check
def _lowered(one, diagonal, thread, PACK: tl.constexpr, LANES: tl.constexpr):
    """Return the minimum of two diagonals over all states, and both relative to it."""
    lowest = tl.minimum(one[0], diagonal[0])
    for s in tl.static_range(1, len(one)):
        lowest = tl.minimum(lowest, tl.minimum(one[s], diagonal[s]))
    lowest = _lowest(lowest, thread, PACK, LANES)
    moved = ()
    moved_diagonal = ()
    for s in tl.static_range(len(one)):
        moved = moved + (one[s] - lowest,)
        moved_diagonal = moved_diagonal + (diagonal[s] - lowest,)
    return lowest, moved, moved_diagonal


@triton.jit
@no_type_check
def _above(one, border, offset, before, lane, column, on_border, width, TILED: tl.constexpr):
    """Return what lies above each cell: in the lane before, or on the border of the tile above."""
    up = ()
    for s in tl.static_range(len(one)):
        shifted = tl.where(lane == 0, INFINITY, tl.gather(one[s], before, 0))
        if TILED:
            arrived = tl.load(border + s * width + column, mask=on_border, other=INFINITY)
            shifted = tl.where(lane == 0, (arrived - offset).to(one[s].dtype), shifted)
        up = up + (shifted,)
    return up


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def forward(
    cost, table, offsets, ends, borders_below, borders_right, lengths, gammas,  # what lies in memory
    pairs, height, width, span, row_step, column_step, slots, blocks, tile_rows, tile_columns,
    tile_diagonal, first_tile,
    MOVES: tl.constexpr, FIRST: tl.constexpr, KIND: tl.constexpr, BEGIN: tl.constexpr,
    END: tl.constexpr, RESTRICTED: tl.constexpr, KEEP: tl.constexpr, TILED: tl.constexpr,
    PACK: tl.constexpr, LANES: tl.constexpr, EVERY: tl.constexpr,
):  # fmt: skip
    """Sweep a tile: write the states of all cells to the table, and those at ends and borders to theirs."""
    states: tl.constexpr = len(MOVES)
    tile_row = first_tile + tl.program_id(1)
    pair, thread, lane, n, m, first_row, first_column, last_column, steps = _place(
        tile_diagonal, tile_row, lengths, pairs, span, PACK, LANES
    )
    row = first_row + lane
    gamma = tl.load(gammas)
    skip = tl.load(gammas + 1).to(tl.float64)
    cells = height.to(tl.int64) * width
    before = tl.maximum(thread - 1, 0)
    tile_column = tile_diagonal - tile_row
    above = borders_below + (pair * tile_rows + tile_row - 1) * states * width
    beside = borders_right + (pair * tile_columns + tile_column - 1) * states * height
    nothing = tl.full((PACK * LANES,), INFINITY, cost.dtype.element_ty)
    offset, one, diagonal = _entering(
        nothing, pair, above, beside, thread, lane, n, m, first_row, first_column, height, width,
        states, TILED, PACK, LANES,
    )  # fmt: skip

    for t in range(steps):
        k = first_row + first_column + t
        column = k - row
        inside = (row < n) & (column >= first_column) & (column < last_column)
        if t % EVERY == 0:
            lowest, one, diagonal = _lowered(one, diagonal, thread, PACK, LANES)
            offset += lowest.to(tl.float64)
            if KEEP:
                block = ((pair * tile_rows + tile_row) * tile_columns + tile_column) * blocks + t // EVERY
                tl.store(offsets + block, offset, mask=(pair < pairs) & (lane == 0 if PACK > 1 else pair >= 0))
        up = _above(one, above, offset, before, lane, column, inside & (lane == 0) & (first_row > 0), width, TILED)
        from_up, from_left, from_diagonal = up, one, diagonal
        if states == 1:
            from_up, from_left, from_diagonal = opened(up, one, diagonal, row, column, offset, skip, BEGIN, RESTRICTED)
        here, corner_cell, slot = _slot(row, column, n, m, width, END)
        new = ()
        for s in tl.static_range(states):
            low = least_of(choices(from_up, from_left, from_diagonal, MOVES, s), gamma, KIND)
            low = tl.where((row == 0) & (column == 0), 0.0 if s == FIRST else INFINITY, low)
            place = (pair * states + s) * cells
            paid = tl.load(
                cost + place + row.to(tl.int64) * row_step + column.to(tl.int64) * column_step,
                mask=inside,
                other=INFINITY,
            )
            reached = tl.where(inside, paid + low, INFINITY)
            if KEEP:
                tl.store(table + place + (k % width).to(tl.int64) * height + row, reached, mask=inside)
            total = reached.to(tl.float64) + offset + tl.where(corner_cell, 0.0, skip)
            tl.store(ends + (pair * slots + slot) * states + s, total, mask=inside & here)
            if TILED:
                below = borders_below + ((pair * tile_rows + tile_row) * states + s) * width + column
                tl.store(below, reached.to(tl.float64) + offset, mask=inside & (lane == LANES - 1))
                right = borders_right + ((pair * tile_columns + tile_column) * states + s) * height + row
                tl.store(right, reached.to(tl.float64) + offset, mask=inside & (column == first_column + span - 1))
                reached = tl.where(column < first_column, one[s], reached)  # a lane that waits keeps what is beside it
            new = new + (reached,)
        diagonal = up
        one = new


@triton.jit
@no_type_check
def _stored(table, place, k, row, height, width, inside):
    """Return one diagonal of the table, as it was stored."""
    return tl.load(table + place + (k % width).to(tl.int64) * height + row, mask=inside, other=INFINITY)


@triton.jit
@no_type_check
def _offsets(offsets, block, step, real, EVERY: tl.constexpr):
    """Return the offset of a diagonal, and how far those of the two diagonals before lie below it."""
    offset = tl.load(offsets + block + step // EVERY, mask=real, other=0.0)
    offset_one = tl.load(offsets + block + tl.maximum(step - 1, 0) // EVERY, mask=real, other=0.0)
    offset_two = tl.load(offsets + block + tl.maximum(step - 2, 0) // EVERY, mask=real, other=0.0)
    return offset, offset - offset_one, offset - offset_two


@triton.jit
@no_type_check
def _around(
    table, above, beside, place, k, row, column, lane, first_row, first_column, inside, height, width,
    offset, one_back, two_back, TILED: tl.constexpr,
):  # fmt: skip
    """Return the values above, left and diagonally before cells in one state, which the sweep forward left."""
    dtype = table.dtype.element_ty
    one = _stored(table, place, k - 1 + width, row, height, width, inside & (column > first_column))
    one = one - one_back.to(dtype)
    # the neighbour's diagonal is read where it lies, one row up
    over = (lane > 0) & inside
    up = _stored(table, place, k - 1 + width, row - 1, height, width, over)
    up = up - one_back.to(dtype)
    two = _stored(table, place, k - 2 + 2 * width, row - 1, height, width, over & (column > first_column))
    two = two - two_back.to(dtype)
    if TILED:
        top = inside & (lane == 0) & (first_row > 0)
        side = inside & (column == first_column) & (first_column > 0)
        here = tl.load(above + column, mask=top, other=INFINITY)
        up = tl.where(top, (here - offset).to(dtype), up)
        here = tl.load(above + column - 1, mask=top & (column > 0), other=INFINITY)
        two = tl.where(top, (here - offset).to(dtype), two)
        here = tl.load(beside + row, mask=side, other=INFINITY)
        one = tl.where(side, (here - offset).to(dtype), one)
        here = tl.load(beside + row - 1, mask=side & (lane > 0), other=INFINITY)
        two = tl.where(side & (lane > 0), (here - offset).to(dtype), two)
    return up, one, two


@triton.jit
@no_type_check
def _received(visit, under, edge, row, column, lane, n, m, height, width, inside, last, LANES: tl.constexpr):
    """Add to the visits of cells in one state what the tiles below and to the right sent: up or left, diagonal."""
    bottom = inside & (lane == LANES - 1) & (row + 1 < n)
    visit += tl.load(under + column, mask=bottom, other=0.0)
    visit += tl.load(under + column + width + 1, mask=bottom & (column + 1 < m), other=0.0)
    right = inside & (column == last) & (column + 1 < m)
    visit += tl.load(edge + row, mask=right, other=0.0)
    visit += tl.load(edge + row + height + 1, mask=right & (lane < LANES - 1) & (row + 1 < n), other=0.0)
    return visit


@triton.jit
@no_type_check
def _added(sums, amount, state: tl.constexpr):
    """Return sums per state, with an amount added to that of one state."""
    new = ()
    for s in tl.static_range(len(sums)):
        new = new + ((sums[s] + amount) if s == state else sums[s],)
    return new


@triton.jit
@no_type_check
def _sent(sent, visit, parts, MOVES: tl.constexpr, state: tl.constexpr):
    """Add the visits of one state, shared out among its moves, to what is sent up, left and diagonally."""
    to_up, to_left, to_diagonal = sent
    for t in tl.static_range(len(MOVES[state])):
        amount = visit * parts[t]
        if MOVES[state][t][1] == 0:
            to_left = _added(to_left, amount, MOVES[state][t][0])
        elif MOVES[state][t][2] == 0:
            to_up = _added(to_up, amount, MOVES[state][t][0])
        else:
            to_diagonal = _added(to_diagonal, amount, MOVES[state][t][0])
    return to_up, to_left, to_diagonal


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def backward(
    table, visits, offsets, end_shares, borders_below, borders_right, sent_up, sent_left, lengths, gammas,
    pairs, height, width, span, row_step, column_step, slots, blocks, tile_rows, tile_columns,
    tile_diagonal, first_tile,
    MOVES: tl.constexpr, FIRST: tl.constexpr, KIND: tl.constexpr, BEGIN: tl.constexpr,
    END: tl.constexpr, RESTRICTED: tl.constexpr, TILED: tl.constexpr,
    PACK: tl.constexpr, LANES: tl.constexpr, EVERY: tl.constexpr,
):  # fmt: skip
    """Sweep a tile back: write how often each cell is visited in each state."""
    states: tl.constexpr = len(MOVES)
    tile_row = first_tile + tl.program_id(1)
    pair, thread, lane, n, m, first_row, first_column, last_column, steps = _place(
        tile_diagonal, tile_row, lengths, pairs, span, PACK, LANES
    )
    row = first_row + lane
    gamma = tl.load(gammas)
    skip = tl.load(gammas + 1).to(tl.float64)
    cells = height.to(tl.int64) * width
    after = tl.minimum(thread + 1, PACK * LANES - 1)
    tile_column = tile_diagonal - tile_row
    above = borders_below + (pair * tile_rows + tile_row - 1) * states * width
    beside = borders_right + (pair * tile_columns + tile_column - 1) * states * height
    block = ((pair * tile_rows + tile_row) * tile_columns + tile_column) * blocks

    nothing = tl.zeros((PACK * LANES,), visits.dtype.element_ty)
    arriving = ()
    late = ()  # what the diagonal after sent two diagonals back
    for s in tl.static_range(states):
        arriving = arriving + (nothing,)
        late = late + (nothing,)

    for back in range(steps):
        step = steps - 1 - back
        k = first_row + first_column + step
        column = k - row
        inside = (row < n) & (column >= first_column) & (column < last_column)
        offset, one_back, two_back = _offsets(offsets, block, step, pair < pairs, EVERY)
        up = ()
        left = ()
        diagonal = ()
        none = ()
        for s in tl.static_range(states):
            over, beside_it, before = _around(
                table, above + s * width, beside + s * height, (pair * states + s) * cells, k, row, column, lane,
                first_row, first_column, inside, height, width, offset, one_back, two_back, TILED,
            )  # fmt: skip
            up = up + (over,)
            left = left + (beside_it,)
            diagonal = diagonal + (before,)
            none = none + (nothing,)
        if states == 1:
            up, left, diagonal = opened(up, left, diagonal, row, column, offset, skip, BEGIN, RESTRICTED)
        here, _, slot = _slot(row, column, n, m, width, END)
        sent = (none, none, none)
        for s in tl.static_range(states):
            visit = arriving[s]
            visit += tl.load(end_shares + (pair * slots + slot) * states + s, mask=inside & here, other=0.0)
            if TILED:
                under = sent_up + (((pair * tile_rows + tile_row + 1) * states + s) * 2) * width
                edge = sent_left + (((pair * tile_columns + tile_column + 1) * states + s) * 2) * height
                last = first_column + span - 1
                visit = _received(visit, under, edge, row, column, lane, n, m, height, width, inside, last, LANES)
            visit = tl.where(inside, visit, 0.0)
            place = (pair * states + s) * cells
            tl.store(
                visits + place + row.to(tl.int64) * row_step + column.to(tl.int64) * column_step, visit, mask=inside
            )
            parts = shares_of(choices(up, left, diagonal, MOVES, s), gamma, KIND)
            sent = _sent(sent, visit, parts, MOVES, s)
        to_up, to_left, to_diagonal = sent
        next_ones = ()
        for s in tl.static_range(states):
            from_below = tl.gather(to_up[s] + late[s], after, 0)
            next_ones = next_ones + (to_left[s] + tl.where(lane == LANES - 1, 0.0, from_below),)
            if TILED:
                target = sent_up + (((pair * tile_rows + tile_row) * states + s) * 2) * width + column
                tl.store(target, to_up[s], mask=inside & (lane == 0))
                tl.store(target + width, to_diagonal[s], mask=inside & (lane == 0))
                target = sent_left + (((pair * tile_columns + tile_column) * states + s) * 2) * height + row
                tl.store(target, to_left[s], mask=inside & (column == first_column))
                tl.store(target + height, to_diagonal[s], mask=inside & (column == first_column))
        arriving = next_ones
        late = to_diagonal
