"""Checks of the arrays that plots draw."""

import numpy as np


def check_costs(cost: np.ndarray) -> None:
    """Raise `ValueError` unless costs are a matrix with at least one cell, each finite or +inf."""
    _check_shape(cost, 2, "a cost matrix [n, m]")
    if np.isnan(cost).any() or np.isneginf(cost).any():
        raise ValueError("expected costs that are finite or +inf, got NaN or -inf")


def check_finite(values: np.ndarray, dimensions: int, what: str) -> None:
    """Raise `ValueError` unless an array has this many dimensions, is not empty, and is finite."""
    _check_shape(values, dimensions, what)
    if not np.isfinite(values).all():
        raise ValueError(f"expected {what} to be finite, got {int((~np.isfinite(values)).sum())} values that are not")


def check_path(path: np.ndarray, n: int, m: int) -> None:
    """Raise `ValueError` unless a path has at least one cell and stays inside an n x m matrix."""
    if path.ndim != 2 or path.shape[1] != 2 or len(path) == 0:
        raise ValueError(f"expected a path [cells, 2] of at least one cell, got shape {path.shape}")
    if (path < 0).any() or (path >= (n, m)).any():
        raise ValueError(f"expected a path inside {n} x {m} cells, got {path.min(0)} to {path.max(0)}")


def _check_shape(values: np.ndarray, dimensions: int, what: str) -> None:
    """Refuse a wrong number of dimensions and an empty array."""
    if values.ndim != dimensions or values.size == 0:
        raise ValueError(f"expected {what} with at least one value, got shape {values.shape}")
