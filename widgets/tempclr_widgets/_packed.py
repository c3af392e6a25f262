"""Arrays as bytes for the browser."""

import numpy as np
from torch import Tensor


def floats(values: np.ndarray | Tensor) -> bytes:
    """Return numbers as float32 in row-major order, to be read by `floats` of `numbers.js`."""
    return np.ascontiguousarray(values, "<f4").tobytes()


def ints(values: np.ndarray | Tensor) -> bytes:
    """Return whole numbers as int32 in row-major order, to be read by `ints` of `numbers.js`."""
    return np.ascontiguousarray(values, "<i4").tobytes()
