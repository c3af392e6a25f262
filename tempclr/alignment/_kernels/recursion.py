"""The one recursion behind every alignment, and what varies in it.

    R_s(i, j) = cost_s(i, j) + min{ R_t(i - di, j - dj) : (t, di, dj) in predecessors of s }

The state s says what happens at the cell: step i of x is matched with step j of y, or one of them is
dropped. Plain DTW has one state and three moves. The minimum is hard, soft, or SmoothDTW's weighted mean.
"""

from dataclasses import dataclass, fields
from numbers import Real

import torch

Move = tuple[int, int, int]  # the state it comes from, steps back in x, steps back in y

DIAGONAL, UP, LEFT = (1, 1), (1, 0), (0, 1)
MATCH, DROP_X, DROP_Y, DROP_BOTH = 0, 1, 2, 3


def _from(*moves: tuple[int, tuple[int, int]]) -> tuple[Move, ...]:
    """Moves from pairs of state and direction."""
    return tuple((state, *direction) for state, direction in moves)


# Between two matches, dropped steps of x come before dropped steps of y, so that each alignment is counted once.
# A step may be matched again only if no step of its own sequence was dropped since.
PREDECESSORS: dict[str, tuple[tuple[Move, ...], ...]] = {
    "": (_from((0, DIAGONAL), (0, UP), (0, LEFT)),),
    "x": (
        _from((0, DIAGONAL), (1, DIAGONAL), (0, UP), (1, UP), (0, LEFT)),
        _from((0, UP), (1, UP)),
    ),
    "y": (
        _from((0, DIAGONAL), (1, DIAGONAL), (0, UP), (0, LEFT), (1, LEFT)),
        _from((0, LEFT), (1, LEFT)),
    ),
    "xy": (
        _from(
            *((state, DIAGONAL) for state in (MATCH, DROP_X, DROP_Y, DROP_BOTH)),
            *((MATCH, UP), (DROP_X, UP), (MATCH, LEFT), (DROP_Y, LEFT)),
        ),
        _from((MATCH, UP), (DROP_X, UP)),
        _from((MATCH, LEFT), (DROP_Y, LEFT)),
        _from((DROP_X, LEFT), (DROP_BOTH, LEFT)),
    ),
    # each step of x is matched with one run of steps of y; those between two runs are dropped
    "between": (
        _from((0, DIAGONAL), (1, DIAGONAL), (0, LEFT)),
        _from((0, LEFT), (1, LEFT)),
    ),
}
AXES = ("", "x", "y", "xy")


@dataclass(frozen=True)
class Recursion:
    """One kind of alignment, as every kernel understands it.

    Raises:
        ValueError: If a field is out of range, or drops, open ends and a band are combined.
    """

    gamma: float = 0.0  # smoothing, in the unit of the cost; 0 is the hard minimum
    smooth: bool = False  # the softmax-weighted mean in place of the soft minimum
    begin: str = ""  # axes whose first steps may be skipped; "y": begin at any (0, j)
    end: str = ""  # axes whose last steps may be skipped; "y": end at any (n-1, j)
    skip: float = 0.0  # cost of beginning, and of ending, outside the corner
    up: str = "always"  # where (i-1, j) -> (i, j) is allowed: "always", "first" (column 0), "never"
    drops: str = ""  # axes whose steps may be dropped anywhere, at a cost of their own; "between": see above
    band: float | None = None  # only cells within this many steps of the line between the corners; None: all

    def __post_init__(self) -> None:
        if not isinstance(self.gamma, Real) or not 0 <= self.gamma < torch.inf:
            raise ValueError(f"expected a finite gamma >= 0, got {self.gamma}")
        known = {self.begin, self.end} <= set(AXES) and self.drops in PREDECESSORS
        if not known or self.up not in ("always", "first", "never"):
            raise ValueError(
                f"expected axes among {AXES}, drops of {tuple(PREDECESSORS)}, up of always, first or never, got {self}"
            )
        if self.drops and (self.begin or self.end or self.up != "always"):
            raise ValueError(f"expected either drops or open ends, got {self}: drops may also happen at the ends")
        if self.smooth and (self.gamma == 0 or self.skip):
            raise ValueError(f"expected gamma > 0 and no skip with the weighted mean, got {self}")
        if self.band is not None and (not isinstance(self.band, Real) or not self.band >= 0):
            raise ValueError(f"expected a band of >= 0 steps, got {self.band}")
        if self.band is not None and (self.begin or self.end or self.drops):
            raise ValueError(f"expected no band with open ends or drops, got {self}: it lies between the corners")

    @property
    def predecessors(self) -> tuple[tuple[Move, ...], ...]:
        """Moves into each state; a tie goes to the first."""
        return PREDECESSORS[self.drops]

    @property
    def states(self) -> int:
        """Number of states of a cell; the first is a match."""
        return len(self.predecessors)

    @property
    def first(self) -> int:
        """State of the corner (0, 0) in which an alignment begins."""
        return 1 if self.drops else 0

    @property
    def changed(self) -> set[str]:
        """Names of the fields that differ from plain DTW: a kernel must read all of them to compute this."""
        return {each.name for each in fields(self) if getattr(self, each.name) != each.default}


class OutOfRangeError(ValueError):
    """These costs and this gamma lead to numbers that a kernel cannot represent."""
