"""Another colour for a thing: "a red bicycle" from a blue one.

The main hue and its neighbours move to the colour asked for; other hues (a face, a window) and plain black,
white and grey parts stay. A thing without colour of its own is coloured as a whole.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from c2i_lib.embedded.sprites import sprite_image

# Hue in [0, 1), factor for saturation, factor for value, floor of both.
_HUES = {
    "red": (0.995, 1.15, 1.0, 0.60),
    "orange": (0.075, 1.15, 1.05, 0.65),
    "yellow": (0.140, 1.10, 1.15, 0.65),
    "green": (0.345, 1.05, 0.90, 0.50),
    "blue": (0.590, 1.15, 1.0, 0.55),
    "purple": (0.760, 1.00, 0.95, 0.45),
    "pink": (0.925, 0.60, 1.15, 0.35),
    "brown": (0.065, 0.95, 0.62, 0.45),
}
# Saturation, then value as a linear map of the old one.
_GREYS = {"white": (0.04, 0.68, 0.32), "black": (0.10, 0.08, 0.30), "grey": (0.04, 0.34, 0.38)}
COLORS = (*_HUES, *_GREYS)
_SATURATED = 0.22
_NEIGHBOURS = 0.17  # of the hue circle


@lru_cache(maxsize=2048)
def recolored(code: str, style: str, color: str) -> Image.Image:
    """The sprite in ``color``, one of ``COLORS``; RGBA of the sprite's size. Callers copy before they change it."""
    image = sprite_image(code, style)
    hsv = np.asarray(image.convert("RGB").convert("HSV")).astype(np.float32) / 255
    alpha = np.asarray(image.getchannel("A"))
    part = _main_part(hsv, alpha)
    hue, saturation, value = np.moveaxis(hsv, -1, 0).copy()
    if color in _GREYS:
        level, gain, offset = _GREYS[color]
        low, high = np.percentile(value[part], (2, 98)) if part.any() else (0.0, 1.0)
        spread = np.clip((value - low) / max(high - low, 0.15), 0, 1)
        saturation = np.where(part, level, saturation)
        value = np.where(part, offset + gain * spread, value)
    else:
        target, more, brighter, floor = _HUES[color]
        shift = _difference(hue, _main_hue(hsv, part)) if (saturation[part] > _SATURATED).any() else 0 * hue
        hue = np.where(part, (target + 0.15 * shift) % 1.0, hue)
        saturation = np.where(part, np.clip(np.maximum(saturation * more, floor), 0, 1), saturation)
        lifted = _lifted(value, part, floor + 0.15)
        value = np.where(part, np.clip(lifted * brighter, 0, 1), value)
    rgb = Image.fromarray((np.stack([hue, saturation, value], -1) * 255).round().astype(np.uint8), "HSV").convert("RGB")
    return Image.merge("RGBA", (*rgb.split(), image.getchannel("A")))


def _lifted(value: np.ndarray, part: np.ndarray, least: float) -> np.ndarray:
    """Dark things are brightened until their bright parts show a colour."""
    bright = np.percentile(value[part], 80) if part.any() else 1.0
    return value if bright >= least else value ** (np.log(least) / np.log(max(bright, 0.05)))


def _difference(hue: np.ndarray, other: float) -> np.ndarray:
    """Signed distance on the hue circle, in [-0.5, 0.5)."""
    return (hue - other + 0.5) % 1.0 - 0.5


def _main_hue(hsv: np.ndarray, part: np.ndarray) -> float:
    """The hue with the most saturated area, from a smoothed histogram."""
    weights = hsv[..., 1] * hsv[..., 2] * part
    counts, _ = np.histogram(hsv[..., 0], 36, (0, 1), weights=weights)
    smooth = counts + 0.7 * (np.roll(counts, 1) + np.roll(counts, -1))
    return (smooth.argmax() + 0.5) / 36


def _main_part(hsv: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Boolean mask of the pixels to colour."""
    opaque = alpha > 20
    saturated = opaque & (hsv[..., 1] > _SATURATED) & (hsv[..., 2] > 0.12)
    if saturated.sum() < 0.25 * opaque.sum():
        return opaque & (hsv[..., 1] <= 0.45) & (hsv[..., 2] > 0.08)
    return saturated & (np.abs(_difference(hsv[..., 0], _main_hue(hsv, saturated))) < _NEIGHBOURS)
