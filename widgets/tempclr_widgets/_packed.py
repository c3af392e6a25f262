"""Arrays as bytes, as a browser reads them."""

import numpy as np
from torch import Tensor


def floats(values: np.ndarray | Tensor) -> bytes:
    """Return numbers as float32, the last axis first to change; `floats` of `numbers.js` reads them."""
    return np.ascontiguousarray(values, "<f4").tobytes()


def ints(values: np.ndarray | Tensor) -> bytes:
    """Return whole numbers as int32; `ints` of `numbers.js` reads them."""
    return np.ascontiguousarray(values, "<i4").tobytes()
