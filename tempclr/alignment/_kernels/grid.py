"""Where the anti-diagonals of a batch of matrices lie, and which cells precede those of one diagonal."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tempclr.alignment._kernels.recursion import UP, Recursion


@dataclass(frozen=True)
class Grid:
    """Where the diagonals of a batch of n x m matrices lie."""

    n: int
    m: int
    lengths: Tensor  # [pairs, 2]
    recursion: Recursion

    @property
    def diagonals(self) -> range:
        return range(self.n + self.m - 1)

    @property
    def every(self) -> int:
        """Distance between the diagonals that are kept when the others are recomputed, chosen for the least memory."""
        return math.isqrt(2 * len(self.diagonals)) + 1

    def rows(self, k: int) -> tuple[int, int]:
        """First row, and the row after the last, that diagonal k crosses."""
        return max(0, k - self.m + 1), min(k, self.n - 1) + 1

    def view(self, matrices: Tensor, k: int) -> Tensor:
        """Diagonal k of contiguous [pairs, states, n, m] as [states, cells, pairs], in place, by rising row."""
        first, last = self.rows(k)
        pairs, states = matrices.shape[:2]
        step = max(self.m - 1, 1)  # with one column, a diagonal is one cell and the step is never used
        cells = self.n * self.m
        offset = matrices.storage_offset() + first * self.m + (k - first)
        return matrices.as_strided((states, last - first, pairs), (cells, step, states * cells), offset)

    def cells(self, k: int) -> tuple[Tensor, Tensor]:
        """Numbers of steps of x and of y after each cell [cells, pairs]; negative beyond the lengths."""
        first, last = self.rows(k)
        i = torch.arange(first, last, device=self.lengths.device)[:, None]
        return self.lengths[:, 0] - 1 - i, self.lengths[:, 1] - 1 - (k - i)

    def real(self, k: int) -> Tensor:
        """Which cells of diagonal k lie within the lengths of their pair."""
        x_left, y_left = self.cells(k)
        return (x_left >= 0) & (y_left >= 0)

    def ends(self, k: int) -> list[tuple[Tensor, Tensor]]:
        """Where an alignment may end on diagonal k, at most one cell per pair and mask, and at what cost."""
        x_left, y_left = self.cells(k)
        corner = (x_left == 0) & (y_left == 0)
        skip = torch.zeros_like(corner, dtype=torch.float64).masked_fill(~corner, self.recursion.skip)
        found = []
        if "y" in self.recursion.end:
            found.append(((x_left == 0) & (y_left >= 0), skip))
        if "x" in self.recursion.end:
            found.append(((y_left == 0) & (x_left >= (1 if found else 0)), skip))
        return found or [(corner, skip)]

    def open(self, two: Tensor, k: int, offset: Tensor) -> None:
        """Write the cost of late beginnings on diagonal k into the border, from which a path continues diagonally.

        `two` holds diagonal k-2 relative to `offset`, row i at index i + 1.
        """
        if "y" in self.recursion.begin and 0 < k < self.m:
            two[0, 0] = self.recursion.skip - offset
        if "x" in self.recursion.begin and 0 < k < self.n:
            two[0, k] = self.recursion.skip - offset

    def before(self, one: Tensor, two: Tensor, k: int, closed: float = torch.inf) -> list[Tensor]:
        """For each state, values [moves, cells, pairs] at the predecessors of diagonal k; `closed` at forbidden moves.

        `one` and `two` hold diagonals k-1 and k-2, row i at index i + 1, behind a border.
        """
        first, last = self.rows(k)
        reach = {(1, 1): two[:, first:last], (1, 0): one[:, first:last], (0, 1): one[:, first + 1 : last + 1]}
        if self.recursion.up != "always":
            reach[UP] = torch.full_like(reach[UP], closed)
            if self.recursion.up == "first" and k < self.n:
                reach[UP][:, k - first] = one[:, k]
        return [torch.stack([reach[move[1:]][move[0]] for move in moves]) for moves in self.recursion.predecessors]
