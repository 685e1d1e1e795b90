"""Pictures of the embedded world: a ``Pair`` in, a 64 x 64 RGB array out. Deterministic."""

from __future__ import annotations

import zlib

import numpy as np
from PIL import Image, ImageFilter

from c2i_lib.embedded.captions import BACKGROUNDS, SCALES, Pair
from c2i_lib.embedded.glyphs import rasterise

SIZE = 64
NOISE_SIGMA = 45.0  # of 255
BLUR_RADIUS = 2.2  # pixels
TINY_SIZE = 14  # pixels


def _paste(canvas: Image.Image, code: str, size: int, centre: tuple[int, int]) -> None:
    glyph = Image.fromarray(rasterise(code, size), "RGBA")
    canvas.paste(glyph, (centre[0] - size // 2, centre[1] - size // 2), glyph)


def degrade(image: Image.Image, degradation: str, seed: int) -> Image.Image:
    """A poorer version of ``image``: ``blur``, ``noise`` (drawn from ``seed``) or ``tiny`` (pixelated)."""
    if degradation == "blur":
        return image.filter(ImageFilter.GaussianBlur(BLUR_RADIUS))
    if degradation == "tiny":
        return image.resize((TINY_SIZE, TINY_SIZE), Image.BOX).resize(image.size, Image.NEAREST)
    if degradation == "noise":
        noise = np.random.default_rng(seed).normal(0.0, NOISE_SIGMA, (*image.size, 3))
        return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    raise ValueError(f"unknown degradation {degradation!r}; known: blur, noise, tiny")


def render(pair: Pair, size: int = SIZE) -> np.ndarray:
    """The picture of a pair as ``(size, size, 3)`` uint8."""
    canvas = Image.new("RGB", (size, size), BACKGROUNDS[pair.background])
    if len(pair.codes) == 2:
        half = size // 2
        _paste(canvas, pair.codes[0], half, (half // 2, half))
        _paste(canvas, pair.codes[1], half, (half + half // 2, half))
    else:
        _paste(canvas, pair.codes[0], round(size * SCALES[pair.scale]), (size // 2, size // 2))
    if pair.degradation:
        canvas = degrade(canvas, pair.degradation, zlib.crc32(pair.pair_id.encode()))
    return np.asarray(canvas)
