"""The alignment recursion in Triton: one sweep along the anti-diagonals forward, one back.

Rows are lanes, and a lane walks along its row one diagonal behind the lane before it, so what it needs
lies in its own registers and in its neighbour's. Of short pairs several share a program. A pair with more rows than
lanes is cut into tiles, whose borders travel through memory.

A diagonal is relative to an offset in float64, which is moved to its minimum every EVERY diagonals. Diagonal k = i + j
is stored at row k mod m of the table, where every cell finds a place of its own: n * m numbers per state. The way back
reads this table alone, never the cost.
"""

from typing import no_type_check

from tempclr._util.optional import import_optional

triton = import_optional("triton", "gpu")
tl = import_optional("triton.language", "gpu")

INFINITY = tl.constexpr(float("inf"))
LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)
# of any value without being compiled again
SIZES = ["pairs", "height", "width", "span", "row_step", "column_step", "slots", "blocks", "tile_rows", "tile_columns"]
SIZES += ["tile_diagonal", "first_tile"]
HARD, SOFT, SMOOTH = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)


@triton.jit
@no_type_check
def _least(values, gamma, KIND: tl.constexpr):
    """Minimum of choices, as `recursion.minimum`."""
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
def _shares(values, gamma, KIND: tl.constexpr):
    """Derivative of the minimum with respect to each choice; all 0 where none is finite."""
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
def _choices(up, left, diagonal, MOVES: tl.constexpr, state: tl.constexpr):
    """Values at the predecessors of one state; a move is a state and steps back in rows and columns."""
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
def _opened(up, left, diagonal, row, column, offset, skip, BEGIN: tl.constexpr, RESTRICTED: tl.constexpr):
    """Predecessors of the only state, with moves that are not allowed taken out and late beginnings put in."""
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


@triton.jit
@no_type_check
def _place(tile_diagonal, tile_row, lengths, pairs, span, PACK: tl.constexpr, LANES: tl.constexpr):
    """Pairs, lanes, and the rectangle of the matrix that a program works on."""
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
    # a tile beyond the lengths of all pairs of the program has none
    steps = tl.max(tl.where((rows > 0) & (last_column > first_column), last_column - first_column + rows - 1, 0))
    return pair.to(tl.int64), thread, lane, n, m, first_row, first_column, last_column, steps


@triton.jit
@no_type_check
def _lowest(values, thread, PACK: tl.constexpr, LANES: tl.constexpr):
    """Minimum over the lanes of each pair, or 0 where none is finite."""
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
    """Where the end of a path in a cell is kept, and whether it may end there."""
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
    """Sweep a tile: the states of all cells to the table, those at ends and borders to theirs."""
    states: tl.constexpr = len(MOVES)
    tile_row = first_tile + tl.program_id(1)
    pair, thread, lane, n, m, first_row, first_column, last_column, steps = _place(
        tile_diagonal, tile_row, lengths, pairs, span, PACK, LANES
    )
    row = first_row + lane
    gamma = tl.load(gammas)
    skip = tl.load(gammas + 1).to(tl.float64)
    dtype = cost.dtype.element_ty
    cells = height.to(tl.int64) * width
    before = tl.maximum(thread - 1, 0)
    above = borders_below + (pair * tile_rows + tile_row - 1) * states * width
    beside = borders_right + (pair * tile_columns + tile_diagonal - tile_row - 1) * states * height

    offset = pair.to(tl.float64) * 0
    nothing = tl.full((PACK * LANES,), INFINITY, dtype)
    one = ()
    diagonal = ()
    for s in tl.static_range(states):
        one = one + (nothing,)
        diagonal = diagonal + (nothing,)
    if TILED:
        least_border = tl.full((PACK * LANES,), INFINITY, tl.float64)
        held = ()
        corner = ()
        for s in tl.static_range(states):
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
        for s in tl.static_range(states):
            one = one + ((held[s] - offset).to(dtype),)
            diagonal = diagonal + ((corner[s] - offset).to(dtype),)

    for t in range(steps):
        k = first_row + first_column + t
        column = k - row
        inside = (row < n) & (column >= first_column) & (column < last_column)
        if t % EVERY == 0:
            lowest = tl.minimum(one[0], diagonal[0])
            for s in tl.static_range(1, states):
                lowest = tl.minimum(lowest, tl.minimum(one[s], diagonal[s]))
            lowest = _lowest(lowest, thread, PACK, LANES)
            offset += lowest.to(tl.float64)
            moved = ()
            moved_diagonal = ()
            for s in tl.static_range(states):
                moved = moved + (one[s] - lowest,)
                moved_diagonal = moved_diagonal + (diagonal[s] - lowest,)
            one = moved
            diagonal = moved_diagonal
            if KEEP:
                block = ((pair * tile_rows + tile_row) * tile_columns + tile_diagonal - tile_row) * blocks + t // EVERY
                tl.store(offsets + block, offset, mask=(pair < pairs) & (lane == 0 if PACK > 1 else pair >= 0))
        up = ()
        for s in tl.static_range(states):
            shifted = tl.where(lane == 0, INFINITY, tl.gather(one[s], before, 0))
            if TILED:
                top = inside & (lane == 0) & (first_row > 0)
                arrived = tl.load(above + s * width + column, mask=top, other=INFINITY)
                shifted = tl.where(lane == 0, (arrived - offset).to(dtype), shifted)
            up = up + (shifted,)
        from_up, from_left, from_diagonal = up, one, diagonal
        if states == 1:
            from_up, from_left, from_diagonal = _opened(up, one, diagonal, row, column, offset, skip, BEGIN, RESTRICTED)
        here, corner_cell, slot = _slot(row, column, n, m, width, END)
        new = ()
        for s in tl.static_range(states):
            least = _least(_choices(from_up, from_left, from_diagonal, MOVES, s), gamma, KIND)
            least = tl.where((row == 0) & (column == 0), 0.0 if s == FIRST else INFINITY, least)
            place = (pair * states + s) * cells
            paid = tl.load(
                cost + place + row.to(tl.int64) * row_step + column.to(tl.int64) * column_step,
                mask=inside,
                other=INFINITY,
            )
            reached = tl.where(inside, paid + least, INFINITY)
            if KEEP:
                tl.store(table + place + (k % width).to(tl.int64) * height + row, reached, mask=inside)
            total = reached.to(tl.float64) + offset + tl.where(corner_cell, 0.0, skip)
            tl.store(ends + (pair * slots + slot) * states + s, total, mask=inside & here)
            if TILED:
                below = borders_below + ((pair * tile_rows + tile_row) * states + s) * width + column
                tl.store(below, reached.to(tl.float64) + offset, mask=inside & (lane == LANES - 1))
                right = borders_right + ((pair * tile_columns + tile_diagonal - tile_row) * states + s) * height + row
                tl.store(right, reached.to(tl.float64) + offset, mask=inside & (column == first_column + span - 1))
                reached = tl.where(column < first_column, one[s], reached)  # a lane that waits keeps what is beside it
            new = new + (reached,)
        diagonal = up
        one = new


@triton.jit
@no_type_check
def _stored(table, place, k, row, height, width, inside):
    """One diagonal of the table, as it was stored."""
    return tl.load(table + place + (k % width).to(tl.int64) * height + row, mask=inside, other=INFINITY)


@triton.jit
@no_type_check
def _added(sums, amount, state: tl.constexpr):
    """Sums per state, with an amount added to that of one state."""
    new = ()
    for s in tl.static_range(len(sums)):
        new = new + ((sums[s] + amount) if s == state else sums[s],)
    return new


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
    """Sweep a tile back: how often each cell is visited in each state."""
    states: tl.constexpr = len(MOVES)
    tile_row = first_tile + tl.program_id(1)
    pair, thread, lane, n, m, first_row, first_column, last_column, steps = _place(
        tile_diagonal, tile_row, lengths, pairs, span, PACK, LANES
    )
    row = first_row + lane
    gamma = tl.load(gammas)
    skip = tl.load(gammas + 1).to(tl.float64)
    dtype = visits.dtype.element_ty
    cells = height.to(tl.int64) * width
    after = tl.minimum(thread + 1, PACK * LANES - 1)
    tile_column = tile_diagonal - tile_row
    above = borders_below + (pair * tile_rows + tile_row - 1) * states * width
    beside = borders_right + (pair * tile_columns + tile_column - 1) * states * height
    block = ((pair * tile_rows + tile_row) * tile_columns + tile_column) * blocks

    nothing = tl.zeros((PACK * LANES,), dtype)
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
        real = pair < pairs
        offset = tl.load(offsets + block + step // EVERY, mask=real, other=0.0)
        offset_one = tl.load(offsets + block + tl.maximum(step - 1, 0) // EVERY, mask=real, other=0.0)
        offset_two = tl.load(offsets + block + tl.maximum(step - 2, 0) // EVERY, mask=real, other=0.0)
        up = ()
        left = ()
        diagonal = ()
        for s in tl.static_range(states):
            place = (pair * states + s) * cells
            one = _stored(table, place, k - 1 + width, row, height, width, inside & (column > first_column))
            one = one - (offset - offset_one).to(dtype)
            # the neighbour's diagonal is read where it lies, one row up
            over = (lane > 0) & inside
            up_one = _stored(table, place, k - 1 + width, row - 1, height, width, over)
            up_one = up_one - (offset - offset_one).to(dtype)
            two = _stored(table, place, k - 2 + 2 * width, row - 1, height, width, over & (column > first_column))
            two = two - (offset - offset_two).to(dtype)
            if TILED:
                top = inside & (lane == 0) & (first_row > 0)
                side = inside & (column == first_column) & (first_column > 0)
                here = tl.load(above + s * width + column, mask=top, other=INFINITY)
                up_one = tl.where(top, (here - offset).to(dtype), up_one)
                here = tl.load(above + s * width + column - 1, mask=top & (column > 0), other=INFINITY)
                two = tl.where(top, (here - offset).to(dtype), two)
                here = tl.load(beside + s * height + row, mask=side, other=INFINITY)
                one = tl.where(side, (here - offset).to(dtype), one)
                here = tl.load(beside + s * height + row - 1, mask=side & (lane > 0), other=INFINITY)
                two = tl.where(side & (lane > 0), (here - offset).to(dtype), two)
            left = left + (one,)
            up = up + (up_one,)
            diagonal = diagonal + (two,)
        if states == 1:
            up, left, diagonal = _opened(up, left, diagonal, row, column, offset, skip, BEGIN, RESTRICTED)
        here, _, slot = _slot(row, column, n, m, width, END)
        to_up = ()
        to_left = ()
        to_diagonal = ()
        for s in tl.static_range(states):
            to_up = to_up + (nothing,)
            to_left = to_left + (nothing,)
            to_diagonal = to_diagonal + (nothing,)
        for s in tl.static_range(states):
            visit = arriving[s]
            visit += tl.load(end_shares + (pair * slots + slot) * states + s, mask=inside & here, other=0.0)
            if TILED:
                # sent by the tiles below and to the right, [up or left, diagonal]
                under = inside & (lane == LANES - 1) & (row + 1 < n)
                source = sent_up + (((pair * tile_rows + tile_row + 1) * states + s) * 2) * width + column
                visit += tl.load(source, mask=under, other=0.0)
                visit += tl.load(source + width + 1, mask=under & (column + 1 < m), other=0.0)
                edge = inside & (column == first_column + span - 1) & (column + 1 < m)
                source = sent_left + (((pair * tile_columns + tile_column + 1) * states + s) * 2) * height + row
                visit += tl.load(source, mask=edge, other=0.0)
                visit += tl.load(source + height + 1, mask=edge & (lane < LANES - 1) & (row + 1 < n), other=0.0)
            visit = tl.where(inside, visit, 0.0)
            place = (pair * states + s) * cells
            tl.store(
                visits + place + row.to(tl.int64) * row_step + column.to(tl.int64) * column_step, visit, mask=inside
            )
            shares = _shares(_choices(up, left, diagonal, MOVES, s), gamma, KIND)
            for t in tl.static_range(len(MOVES[s])):
                amount = visit * shares[t]
                if MOVES[s][t][1] == 0:
                    to_left = _added(to_left, amount, MOVES[s][t][0])
                elif MOVES[s][t][2] == 0:
                    to_up = _added(to_up, amount, MOVES[s][t][0])
                else:
                    to_diagonal = _added(to_diagonal, amount, MOVES[s][t][0])
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
