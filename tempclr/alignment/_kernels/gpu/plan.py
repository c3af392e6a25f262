"""How the matrices of a batch are laid out on programs: lanes, tiles, and pairs that share a program."""

from dataclasses import dataclass

from torch import Tensor

from tempclr.alignment._kernels.recursion import Recursion

LANES = {1: 4096, 2: 2048, 4: 1024, 8: 64}  # most lanes of a program, by weight: as many as fit into the registers
SPAN = 1024  # rows and columns of a tile, where tiles are needed
PACKED = 32  # lanes up to which pairs share a program
EVERY = 16  # diagonals between two shifts of the offset


@dataclass(frozen=True)
class Plan:
    """How the matrices of a batch are laid out on programs."""

    cost: Tensor  # [pairs, states, n, m], contiguous
    lengths: Tensor  # [pairs, 2], rows first
    recursion: Recursion
    lanes: int  # 0 chooses

    @property
    def weight(self) -> int:
        """Registers per cell, relative to one state in float32."""
        return self.cost.shape[1] * self.cost.element_size() // 4

    @property
    def transposed(self) -> bool:
        """Whether columns lie on lanes."""
        return self.cost.shape[2] > self.cost.shape[3]

    @property
    def height(self) -> int:
        """Steps on lanes."""
        return min(self.cost.shape[2:])

    @property
    def width(self) -> int:
        """Steps along which lanes walk."""
        return max(self.cost.shape[2:])

    @property
    def tiled(self) -> bool:
        """Whether a pair has more rows than a program has lanes."""
        return self.height > (self.lanes or LANES[self.weight])

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of a tile."""
        if self.tiled:
            return (self.lanes, self.lanes) if self.lanes else (SPAN // self.weight, SPAN)
        return 1 << (self.height - 1).bit_length(), self.width

    @property
    def tiles(self) -> tuple[int, int]:
        """Number of tiles down and across."""
        lanes, span = self.tile
        return -(-self.height // lanes), -(-self.width // span)

    @property
    def pack(self) -> int:
        """Pairs per program."""
        return max(1, PACKED // self.tile[0])

    @property
    def warps(self) -> int:
        """Warps per program: one up to 128 lanes, so that no lane waits at a barrier."""
        lanes = self.tile[0] * self.pack
        if lanes <= 128 and not self.tiled:
            return 1
        return max(1, min(lanes * self.weight // 128, lanes // 32, 16))

    @property
    def sides(self) -> str:
        """Names of the axis on lanes and of the other."""
        return "yx" if self.transposed else "xy"

    @property
    def slots(self) -> int:
        """Number of cells per pair in which an alignment may end."""
        lengths = dict(zip(self.sides, (self.height, self.width), strict=True))
        return sum(lengths[axis] for axis in self.recursion.end) or 1

    def constants(self) -> dict:
        """Constants that the programs are compiled for."""
        recursion, sides = self.recursion, self.sides
        moves = recursion.predecessors
        if self.transposed:
            moves = tuple(tuple((state, dj, di) for state, di, dj in each) for each in moves)
        upright = ("left", "left but in row 0") if self.transposed else ("up", "up but in column 0")
        return {
            "MOVES": moves,
            "FIRST": recursion.first,
            "KIND": 0 if recursion.gamma == 0 else 2 if recursion.smooth else 1,
            "BEGIN": tuple(int(side in recursion.begin) for side in sides),
            "END": tuple(int(side in recursion.end) for side in sides),
            "RESTRICTED": {"always": "", "never": upright[0], "first": upright[1]}[recursion.up],
            "TILED": self.tiled,
            "PACK": self.pack,
            "LANES": self.tile[0],
            "EVERY": EVERY,
            "num_warps": self.warps,
            "enable_fp_fusion": True,
        }

    def sizes(self) -> list[int]:
        """Sizes and strides, in the order of the programs' arguments."""
        across = self.cost.shape[3]
        steps = (1, across) if self.transposed else (across, 1)
        lanes, span = self.tile
        blocks = -(-(lanes + span) // EVERY)
        return [len(self.cost), self.height, self.width, span, *steps, self.slots, blocks, *self.tiles]

    def launches(self) -> list[tuple[int, int, int]]:
        """Diagonals of tiles in order: number, first tile row, number of tiles."""
        down, across = self.tiles
        rows = [(d, max(0, d - across + 1), min(d, down - 1)) for d in range(down + across - 1)]
        return [(d, first, last - first + 1) for d, first, last in rows]
