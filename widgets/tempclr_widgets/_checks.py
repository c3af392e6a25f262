"""Argument checks and traits that several views share."""

import math
from collections.abc import Sequence

import torch
import traitlets
from torch import Tensor

GAMMA = (0.001, 10.0)  # lowest and highest smoothing in a view, in the unit of the cost


def gamma_trait(least: float = GAMMA[0]) -> traitlets.Float:
    """Return the trait of gamma."""
    return traitlets.Float(0.1, min=least, max=GAMMA[1], help="smoothing, in the unit of the cost").tag(sync=True)


def band_trait() -> traitlets.Float:
    """Return the trait of the band."""
    return traitlets.Float(-1.0, min=-1.0, help="steps off the line between the corners; -1 is none").tag(sync=True)


def limits_trait(**limits: tuple[float, float]) -> traitlets.Dict:
    """Return the trait that tells the browser the range of each slider: its lowest and highest value, by name."""
    default = {name: list(ends) for name, ends in limits.items()}
    return traitlets.Dict(default_value=default, help="lowest and highest value of sliders").tag(sync=True)


def checked_gamma(gamma: float, *, hard: bool = False) -> float:
    """Return gamma if it is in the range of a view; with `hard`, 0 is allowed too.

    Raises:
        ValueError: If it is out of range.
    """
    if not (GAMMA[0] <= gamma <= GAMMA[1] or (hard and gamma == 0)):
        raise ValueError(f"expected a gamma {'of 0 or ' * hard}from {GAMMA[0]:g} to {GAMMA[1]:g}, got {gamma}")
    return float(gamma)


def checked_band(band: float) -> float:
    """Return a band if it is a number of steps, or -1 for none.

    Raises:
        ValueError: If it is out of range.
    """
    if not (band == -1 or 0 <= band < math.inf):
        raise ValueError(f"expected a band of >= 0 steps, or -1 for none, got {band}")
    return float(band)


def checked_sentences(sentences: Sequence[str], n: int) -> list[str]:
    """Return the texts of n rows.

    Raises:
        ValueError: If there are not n of them, or they are one string instead of a list.
    """
    if isinstance(sentences, str) or len(sentences) != n:
        got = "one string" if isinstance(sentences, str) else len(sentences)
        raise ValueError(f"expected {n} sentences for a cost of {n} rows, got {got}")
    return [str(text) for text in sentences]


def checked_cost(cost: object, most: int) -> Tensor:
    """Return a cost matrix as float64, rounded to the float32 values that the browser receives.

    Raises:
        ValueError: If it is not a matrix of finite or +inf costs, is empty, or has more than `most` cells.
    """
    matrix = torch.as_tensor(cost).detach().cpu()
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"expected a cost matrix [n, m] with n, m >= 1, got shape {tuple(matrix.shape)}")
    if matrix.is_complex() or matrix.dtype == torch.bool:
        raise ValueError(f"expected a cost matrix of real numbers, got {matrix.dtype}")
    if matrix.numel() > most:
        raise ValueError(f"expected at most {most:,} cells, got {matrix.numel():,}; show a part: cost[:500, :2000]")
    if matrix.isnan().any() or (matrix == -torch.inf).any():
        raise ValueError("expected costs that are finite or +inf, got NaN or -inf")
    return matrix.float().double()
