"""One alignment, explored: cost matrix, hard path and soft alignment, true order against a shuffled one."""

import io
from collections.abc import Sequence
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets
from PIL import Image

import tempclr

MOST_CELLS = 1_000_000


class AlignmentExplorer(anywidget.AnyWidget):
    """A cost matrix with its best path and soft alignment; gamma, order and selection are live.

    Args:
        cost: n x m, rows are sentences and columns clips; finite or +inf, which forbids a cell.
        sentences: Text of each row; numbers where none are given.
        frames: 8-bit colour, [m, frames, height, width, 3] or [m, height, width, 3]: pictures of each clip.
        orders: [count, m], wrong orders of the clips to compare with.
        gamma: Smoothing of soft-DTW, 0.001 to 10, in the unit of the cost.

    Raises:
        ValueError: If the cost is not such a matrix or has more than a million cells, or anything
            else does not match it.

    Example:
        >>> view = AlignmentExplorer([[0.0, 1.0], [1.0, 0.0]], gamma=1.0)
        >>> view.values["DTW"]
        0.0
    """

    _esm = Path(__file__).parent / "static" / "alignment_explorer.js"

    gamma = traitlets.Float(0.1, min=0.001, max=10.0, help="smoothing, in the unit of the cost").tag(sync=True)
    order = traitlets.Int(-1, help="wrong order shown beside the true one; -1 is none").tag(sync=True)
    selected = traitlets.Int(-1, help="selected sentence; -1 is none").tag(sync=True)
    clip = traitlets.Int(-1, help="selected clip, as numbered in the true order; -1 is none").tag(sync=True)

    sentences = traitlets.List(traitlets.Unicode(), help="text of each row").tag(sync=True)
    orders = traitlets.List(traitlets.List(traitlets.Int()), help="wrong orders of the clips").tag(sync=True)
    values = traitlets.Dict(help="costs of both orders by name; None where no path exists").tag(sync=True)
    _shape = traitlets.List(traitlets.Int(), help="n and m").tag(sync=True)
    _cost = traitlets.Bytes(help="float32, row by row").tag(sync=True)
    _alignments = traitlets.Bytes(help="float32, of the true order and then of the shown wrong one").tag(sync=True)
    _paths = traitlets.List(help="cells of the best path, of both").tag(sync=True)
    _sheet = traitlets.Bytes(help="PNG of all frames, one clip a row").tag(sync=True)
    _frame_shape = traitlets.List(traitlets.Int(), help="frames, height and width of a clip").tag(sync=True)

    def __init__(
        self,
        cost: object,
        *,
        sentences: Sequence[str] | None = None,
        frames: np.ndarray | None = None,
        orders: object | None = None,
        gamma: float = 0.1,
    ) -> None:
        matrix = _checked_cost(cost)
        n, m = matrix.shape
        names = [f"sentence {i}" for i in range(n)] if sentences is None else [str(text) for text in sentences]
        if len(names) != n:
            raise ValueError(f"expected {n} sentences for a cost of {n} rows, got {len(names)}")
        permutations = _checked_orders(orders, m)
        sheet, frame_shape = _sheet_of(frames, m)
        if not 0.001 <= gamma <= 10:
            raise ValueError(f"expected a gamma from 0.001 to 10, got {gamma}")
        self._matrix = matrix
        super().__init__(
            gamma=gamma,
            sentences=names,
            orders=permutations,
            _shape=[n, m],
            _cost=matrix.float().numpy().astype("<f4").tobytes(),
            _sheet=sheet,
            _frame_shape=frame_shape,
        )
        self.observe(self._align, ["gamma", "order"])
        self._align()

    @traitlets.validate("order")
    def _order_exists(self, proposal: dict) -> int:
        """Refuse an order that was not given."""
        if not -1 <= proposal["value"] < len(self.orders):
            raise traitlets.TraitError(f"expected an order from -1 to {len(self.orders) - 1}, got {proposal['value']}")
        return proposal["value"]

    def _align(self, _change: object = None) -> None:
        """Recompute what depends on gamma and the order, and send it at once."""
        shown = {"": self._matrix}
        if self.order >= 0:
            shown["shuffled "] = self._matrix[:, self.orders[self.order]]
        soft, paths, values = [], [], {}
        for prefix, matrix in shown.items():
            hard = tempclr.dtw(matrix).item()
            exists = hard != torch.inf
            values[prefix + "DTW"] = hard if exists else None
            values[prefix + "soft-DTW"] = tempclr.soft_dtw(matrix, gamma=self.gamma).item() if exists else None
            soft.append(tempclr.expected_alignment(matrix, gamma=self.gamma))
            paths.append(tempclr.dtw_path(matrix).tolist() if exists else [])
        with self.hold_sync():
            self.values = values
            self._paths = paths
            self._alignments = torch.stack(soft).float().numpy().astype("<f4").tobytes()


def _checked_cost(cost: object) -> torch.Tensor:
    """The cost as a float64 matrix, refused unless it can be drawn."""
    matrix = torch.as_tensor(cost).detach().cpu().double()
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"expected a cost matrix [n, m] with n, m >= 1, got shape {tuple(matrix.shape)}")
    if matrix.numel() > MOST_CELLS:
        raise ValueError(
            f"expected at most {MOST_CELLS:,} cells, got {matrix.numel():,}; show a part, as cost[:500, :2000]"
        )
    if matrix.isnan().any() or (matrix == -torch.inf).any():
        raise ValueError("expected costs that are finite or +inf, got NaN or -inf")
    return matrix


def _checked_orders(orders: object | None, m: int) -> list[list[int]]:
    """Wrong orders as lists, refused unless each permutes the clips."""
    if orders is None:
        return []
    permutations = torch.as_tensor(orders)
    if permutations.ndim != 2 or not torch.equal(
        permutations.sort(1).values, torch.arange(m).expand(len(permutations), m)
    ):
        raise ValueError(
            f"expected orders [count, {m}], each a permutation of 0 to {m - 1}, got shape {tuple(permutations.shape)}"
        )
    return permutations.tolist()


def _sheet_of(frames: np.ndarray | None, m: int) -> tuple[bytes, list[int]]:
    """All frames in one PNG, one clip a row; nothing when there are none."""
    if frames is None:
        return b"", []
    pictures = np.asarray(frames)
    pictures = pictures[:, None] if pictures.ndim == 4 else pictures
    if pictures.ndim != 5 or len(pictures) != m or pictures.shape[-1] != 3 or pictures.dtype != np.uint8:
        raise ValueError(
            f"expected 8-bit frames [{m}, frames, height, width, 3], got {pictures.dtype} {tuple(np.shape(frames))}"
        )
    clips, count, height, width, _ = pictures.shape
    sheet = pictures.transpose(0, 2, 1, 3, 4).reshape(clips * height, count * width, 3)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(sheet)).save(file, "PNG")
    return file.getvalue(), [count, height, width]
