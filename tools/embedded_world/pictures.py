"""Training pictures that need no captions: singles, and the mixture that the latent space is fitted to.

In: the sprite pack. Out: uint8 arrays ``(n, 128, 128, 3)``.
"""

from __future__ import annotations

import colorsys
import random

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from c2i_lib.embedded.painting import SIZE
from c2i_lib.embedded.scenes import Scene, Thing, compose
from c2i_lib.embedded.sprites import STYLES, Sprite, load_sprites, sprite_image


def draw_single(sprite: Sprite, style: str = "3d") -> Image.Image:
    """The thing alone in the middle of a white square."""
    return compose(Scene((Thing(sprite.name),), style=style))


def _random_background(random_: random.Random) -> Image.Image:
    """Two vertical gradients of any colours, meeting at a horizon."""

    def color() -> np.ndarray:
        return np.array(colorsys.hsv_to_rgb(random_.random(), 0.8 * random_.random(), random_.uniform(0.05, 1.0)))

    def ramp(height: int) -> np.ndarray:
        share = np.linspace(0, 1, max(height, 1))[:, None, None]
        return np.repeat((1 - share) * color() + share * color(), SIZE, 1)

    horizon = random_.randint(SIZE // 2, SIZE)
    values = np.concatenate([ramp(horizon), ramp(SIZE - horizon)])[:SIZE] * 255
    return Image.fromarray(values.astype(np.uint8)).convert("RGBA")


def draw_mixture(random_: random.Random) -> Image.Image:
    """One to five things of one style, any size and brightness, on a gradient or on white."""
    style = random_.choices(STYLES, (2, 1, 1))[0]
    canvas = Image.new("RGBA", (SIZE, SIZE), "white") if random_.random() < 0.25 else _random_background(random_)
    for _ in range(random_.randint(1, 5)):
        sprite = random_.choice(load_sprites())
        if style not in sprite.styles:
            continue
        size = random_.randint(20, 100)
        image = sprite_image(sprite.code, style).resize((size, size), Image.LANCZOS)
        values = np.asarray(image).astype(np.float32)
        values[..., :3] *= random_.choice((1.0, 1.0, random_.uniform(0.4, 1.0)))
        image = Image.fromarray(values.astype(np.uint8), "RGBA")
        canvas.alpha_composite(image, (random_.randint(0, SIZE - size), random_.randint(0, SIZE - size)))
    return canvas.convert("RGB")


def mixed_pictures(n_mixed: int = 6000, seed: int = 0) -> np.ndarray:
    """All singles in all styles, and ``n_mixed`` composed pictures."""
    random_ = random.Random(seed)
    singles = [(sprite, style) for sprite in load_sprites() for style in sprite.styles]
    drawn = [draw_single(sprite, style) for sprite, style in tqdm(singles, desc="draw singles", mininterval=5)]
    drawn += [draw_mixture(random_) for _ in tqdm(range(n_mixed), desc="draw mixture", mininterval=5)]
    return np.stack([np.asarray(picture) for picture in drawn])


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """``(n, 3, h, w)`` fp32 in [-1, 1] from uint8 pictures ``(n, h, w, 3)``."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float().div(127.5).sub(1.0)
