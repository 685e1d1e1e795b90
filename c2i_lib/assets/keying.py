"""A picture of one thing on a plain background → the thing alone, with a soft edge, in a frame of equal scale.

In: uint8 RGB pictures. Out: uint8 RGBA. The background is what has the border's colour and is connected with the
border; so a white belly stays, and so does what the thing encloses, as the inside of a ring. A pixel at the edge is a
mixture: it gets the colour of the nearest pixel within the thing, and as much opacity as explains its own colour
between that and the background's. Ignored: shadows, which are part of the thing.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

TOLERANCE = 32  # of 255, in the channel that differs most: still the background's colour
PLAIN_SHARE = 0.98  # of the border, that has one colour where the background is plain
_EDGE = 2  # pixels: how wide the edge is that is mixed with the background
_NEAR = 5  # pixels: as far as a pixel of the edge borrows its colour
_SPECK = 0.002  # of the picture: what is smaller is dirt, no part of the thing
_MARGIN = 1 / 16  # of the frame, on each side


def background_of(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """The colour of the border ``(3,)``, its median, and the share of the border that has it."""
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    color = np.median(border, axis=0)
    return color, float((np.abs(border - color).max(-1) <= TOLERANCE).mean())


def cut_out(picture: np.ndarray) -> np.ndarray:
    """``(height, width, 4)`` uint8: the picture ``(height, width, 3)`` without its background; transparent pixels are
    black."""
    color, _ = background_of(picture)
    alike = np.abs(picture - color).max(-1) <= TOLERANCE
    thing = _without_specks(~_connected_with_border(alike))
    inner = ndimage.binary_erosion(thing, iterations=_EDGE, border_value=1)
    pixels, alpha = picture.astype(float), thing.astype(float)
    if inner.any():
        distance, (rows, columns) = ndimage.distance_transform_edt(~inner, return_indices=True)
        mixed = ndimage.binary_dilation(thing, iterations=1) & ~inner & (distance <= _NEAR)
        full = picture[rows, columns].astype(float)[mixed]
        span = full - color
        length = (span**2).sum(-1)
        share = ((pixels[mixed] - color) * span).sum(-1) / np.maximum(length, 1)
        alpha[mixed] = np.where(length > TOLERANCE**2, share.clip(0, 1), alpha[mixed])
        pixels[mixed] = full
    cut = np.dstack([pixels, 255 * alpha]).round().astype(np.uint8)
    cut[cut[..., 3] == 0] = 0
    return cut


def _connected_with_border(alike: np.ndarray) -> np.ndarray:
    """Pixels of a mask that are reached from the border, by sides."""
    areas, _ = ndimage.label(alike)
    border = np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]])
    return np.isin(areas, border[border > 0])


def _without_specks(thing: np.ndarray) -> np.ndarray:
    areas, _ = ndimage.label(thing, np.ones((3, 3)))
    sizes = np.bincount(areas.ravel())
    sizes[0] = 0
    return (sizes >= _SPECK * thing.size)[areas]


def framed(cut: np.ndarray, side: int) -> np.ndarray:
    """``(side, side, 4)`` uint8: what is not transparent, in the middle of a frame, its longer side as long as the
    frame leaves room for. An empty picture is an empty frame."""
    frame = Image.new("RGBA", (side, side))
    box = Image.fromarray(cut[..., 3]).getbbox()
    if box:
        thing = Image.fromarray(cut).crop(box)
        scale = (side - 2 * round(_MARGIN * side)) / max(thing.size)
        thing = thing.resize([max(1, round(scale * length)) for length in thing.size], Image.Resampling.LANCZOS)
        frame.paste(thing, ((side - thing.width) // 2, (side - thing.height) // 2))
    return np.asarray(frame)
