"""The alignment functions that a reader can choose in a view, by name."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from torch import Tensor

from tempclr import alignment

# name of each function in `tempclr.alignment`, and its label on buttons and in titles
VIEW_ALIGNMENTS: Mapping[str, str] = MappingProxyType(
    {"dtw": "Soft-DTW", "otam": "OTAM", "drop_dtw": "Drop-DTW", "subsequence_dtw": "Subsequence"}
)


def alignment_fn(
    name: str, *, gamma: float, band: float = -1.0, drop_cost: float = 0.0, drops: str = "y"
) -> Callable[..., Tensor]:
    """Return an alignment function with the settings of a view.

    Args:
        name: Key of `VIEW_ALIGNMENTS`.
        gamma: Smoothing; 0 is the hard minimum.
        band: Steps off the line between the corners, for "dtw"; negative is no band.
        drop_cost: Cost of dropping a step, for "drop_dtw".
        drops: Axes whose steps may be dropped, for "drop_dtw": "x", "y" or "xy".
    """
    if name == "dtw":
        within = None if band < 0 else band
        if gamma == 0:
            return partial(alignment.dtw, band=within)
        return partial(alignment.soft_dtw, gamma=gamma, band=within)
    if name == "drop_dtw":
        prices: dict[str, Any] = {f"drop_{axis}": drop_cost for axis in drops}
        return partial(alignment.drop_dtw, gamma=gamma, **prices)
    return partial(getattr(alignment, name), gamma=gamma)


def labelled(hints: Mapping[str, str]) -> list[list[str]]:
    """Return the key, label and hint of each button."""
    return [[key, name, hints[key]] for key, name in VIEW_ALIGNMENTS.items()]
