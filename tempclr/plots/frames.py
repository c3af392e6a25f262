"""A strip of video: the frames of clips, above the sentences that they belong to."""

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, UInt8
from matplotlib import pyplot as plt
from matplotlib.figure import Figure


def frame_strip(
    clips: UInt8[np.ndarray, "m frames height width 3"], segments: Int[np.ndarray, " m"], captions: Sequence[str]
) -> Figure:
    """Draw the last frame of every clip in order, under the sentence of its segment."""
    figure, axes = plt.subplots(1, len(clips), figsize=(0.85 * len(clips), 1.35), squeeze=False)
    for number, (ax, clip, segment) in enumerate(zip(axes[0], clips, segments, strict=True)):
        ax.imshow(clip[-1])
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(f"clip {number}", fontsize=7)
        starts = number == 0 or segment != segments[number - 1]
        if starts:
            text = captions[segment] if segment >= 0 else "(not described)"
            ax.set_title("\n".join(textwrap.wrap(text.replace("$", r"\$"), 22)[:3]), fontsize=7, loc="left")
    return figure
