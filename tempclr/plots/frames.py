"""Plot of a video: one frame per clip, under the sentences."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, UInt8
from matplotlib.figure import Figure

from tempclr.plots import _text as text
from tempclr.plots import style
from tempclr.sequences import BACKGROUND, UNKNOWN

_NAMES = {BACKGROUND: "(not described)", UNKNOWN: "(sentence unknown)"}


@style.styled
def frame_strip(
    clips: UInt8[np.ndarray, "m frames height width 3"],
    segments: Int[np.ndarray, " m"],
    captions: Sequence[str],
    *,
    width: float = style.FULL,
) -> Figure:
    """Draw the last frame of each clip in order, under the sentence of its segment.

    Args:
        clips: Frames, 8-bit colour.
        segments: As in `Pair`: sentence of each clip, from 0; or BACKGROUND, or UNKNOWN, which are named.
        captions: Text of each sentence.
        width: Of the figure, in inches; the strip wraps where clips would be narrower than 0.6 inches.

    Raises:
        ValueError: If there is no clip, or a segment has no caption and no name.
    """
    if len(clips) == 0 or len(segments) != len(clips) or not {*segments.tolist()} <= {*_NAMES, *range(len(captions))}:
        raise ValueError(f"expected clips, a segment for each and a caption for each segment, got {len(clips)} clips")
    columns = min(len(clips), int(width / 0.6))
    rows = -(-len(clips) // columns)
    size = width / columns
    picture = 0.94 * size * clips.shape[2] / clips.shape[3]
    above, below = 0.47, 0.16  # inches above and below each row: captions and numbers
    height = rows * (picture + above + below)
    # placed by hand, since captions are wider than the clips where they begin
    figure, axes = style.subplots(rows, columns, width=width, height=height, layout="none")
    figure.subplots_adjust(0.01, below / height, 0.99, 1 - above / height, 0.04, (above + below) / picture)
    starts = np.flatnonzero(np.diff(segments, prepend=segments[0] - 1))
    for number, ax in enumerate(axes.flat):
        ax.set(xticks=[], yticks=[], frame_on=False)
        if number >= len(clips):
            continue
        ax.imshow(clips[number, -1])
        ax.text(0.5, -0.04, f"clip {number}", fontsize=style.SMALL, ha="center", va="top", transform=ax.transAxes)
        if number in starts:
            later = starts[starts > number]
            end = min(int(later[0]) if len(later) else len(clips), (number // columns + 1) * columns)
            segment = int(segments[number])
            caption = captions[segment] if segment >= 0 else _NAMES[segment]
            ax.set_title(
                text.plain(caption, 0.88 * size * (end - number), style.SMALL, lines=3),
                fontsize=style.SMALL,
                style="italic" if segment == UNKNOWN else "normal",
                pad=3,
            )
    return figure
