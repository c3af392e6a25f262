"""Pack the pictures of all clips into one image, which the page loads once and cuts up again."""

import io
import math

import numpy as np
from PIL import Image

MOST_PIXELS = 3_000_000  # of the packed image, so that a page stays small


def sheet_of(frames: np.ndarray | None, m: int) -> tuple[bytes, list[int]]:
    """Return all frames as one PNG or JPEG, and [frames per clip, height, width, frames per row].

    Args:
        frames: 8-bit colour, [m, frames, height, width, 3] or [m, height, width, 3]; None gives an empty result.
        m: Number of clips.

    Raises:
        ValueError: If the frames do not have this shape and type.
    """
    if frames is None:
        return b"", []
    pictures = np.asarray(frames)
    pictures = pictures[:, None] if pictures.ndim == 4 else pictures
    if (
        pictures.ndim != 5
        or len(pictures) != m
        or pictures.shape[-1] != 3
        or pictures.dtype != np.uint8
        or 0 in pictures.shape
    ):
        raise ValueError(
            f"expected 8-bit frames [{m}, frames, height, width, 3], got {pictures.dtype} {tuple(np.shape(frames))}"
        )
    clips, count, height, width, _ = pictures.shape
    flat = pictures.reshape(clips * count, height, width, 3)
    smaller = min(1.0, math.sqrt(MOST_PIXELS / flat[..., 0].size))
    height, width = max(1, round(height * smaller)), max(1, round(width * smaller))
    across = math.ceil(math.sqrt(len(flat) * height / width))
    sheet = Image.new("RGB", (across * width, math.ceil(len(flat) / across) * height))
    for number, picture in enumerate(flat):
        image = Image.fromarray(np.ascontiguousarray(picture))
        if smaller < 1:
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(image, (number % across * width, number // across * height))
    return _encoded(sheet), [count, height, width, across]


def _encoded(sheet: Image.Image) -> bytes:
    """The image as lossless PNG, or as JPEG if the PNG is large and the JPEG is smaller."""
    png, jpeg = io.BytesIO(), io.BytesIO()
    sheet.save(png, "PNG", optimize=True)
    if png.tell() < 200_000:
        return png.getvalue()
    sheet.save(jpeg, "JPEG", quality=82)
    return min(png.getvalue(), jpeg.getvalue(), key=len)
