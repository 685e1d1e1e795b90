"""Sprites → one sheet, and the atlas that says where each one is.

In: RGBA pictures of one size, with names. Out: the sheet, and its atlas in TexturePacker's layout "JSON (Hash)", which
Phaser (``load.atlas``), PixiJS, Godot and Unity read. Ignored: packing: all frames have one size, so a grid does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_GAP = 2  # pixels between frames, so that a renderer which scales them mixes none


def sprite_sheet(sprites: Mapping[str, np.ndarray], image: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The sheet, ``(height, width, 4)`` uint8, row by row in the order of the sprites, and its atlas, ready for JSON.

    ``sprites``: name of the frame → ``(side, side, 4)``; ``image``: the name of the sheet's file.
    """
    side = next(iter(sprites.values())).shape[0]
    columns = math.ceil(math.sqrt(len(sprites)))
    rows = math.ceil(len(sprites) / columns)
    width, height = (n * (side + _GAP) - _GAP for n in (columns, rows))
    sheet, frames = np.zeros((height, width, 4), np.uint8), {}
    for place, (name, sprite) in enumerate(sprites.items()):
        top, left = ((side + _GAP) * step for step in divmod(place, columns))
        sheet[top : top + side, left : left + side] = sprite
        frames[name] = {
            "frame": {"x": left, "y": top, "w": side, "h": side},
            "rotated": False,
            "trimmed": False,
            "spriteSourceSize": {"x": 0, "y": 0, "w": side, "h": side},
            "sourceSize": {"w": side, "h": side},
        }
    meta = {"app": "c2i", "version": "1.0", "image": image, "format": "RGBA8888"}
    return sheet, {"frames": frames, "meta": {**meta, "size": {"w": width, "h": height}, "scale": "1"}}
