"""What is promised about a picture that is made again: the same bytes from the same batches, else the same picture.

No library of floating point promises more: other batch sizes, orders, threads and processors take other kernels, which
add in another order. The last bits of a pixel differ, and where it lies at the border of two levels, its level does.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from c2i_lib.stages.images import read_images, to_pixels

LEVELS = 1  # of 255, by which a value of a pixel may differ
SHARE_BEYOND = 1e-3  # of a picture's values may differ by more; none did in 20 pictures on four kinds of processors


def as_pixels(picture: np.ndarray | Path) -> np.ndarray:
    """uint8 pixels of a file, of a float image in [0, 1], or of pixels."""
    if isinstance(picture, Path):
        return read_images([picture])[0]
    return picture if picture.dtype == np.uint8 else to_pixels(picture)


def share_beyond(one: np.ndarray | Path, other: np.ndarray | Path) -> float:
    """The share of values that differ by more than ``LEVELS``; 1 for pictures of different sizes."""
    one, other = as_pixels(one).astype(int), as_pixels(other).astype(int)
    return (np.abs(one - other) > LEVELS).mean() if one.shape == other.shape else 1.0


def assert_same_pictures(some: Iterable[np.ndarray | Path], others: Iterable[np.ndarray | Path]) -> None:
    """Each of ``some`` is, to within what is promised, the one of ``others`` in its place."""
    for index, (one, other) in enumerate(zip(some, others, strict=True)):
        share = share_beyond(one, other)
        assert share <= SHARE_BEYOND, f"picture {index}: {share:.2%} of its values differ by more than {LEVELS} level"
