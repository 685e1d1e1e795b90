"""Flaws that the embedded world's captions do not name: those of a TTI model half trained, and some of other makings.

In: a picture, a kind, a strength (0: nearly as it is, 1: plain to see) and a seed. Out: the picture with that flaw.
Quality judges are trained on some and tested on the others, so that they judge quality and not eight known filters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from autoencoder import PATCH, SIZE, encode, linear_decode
from pictures import to_tensor
from PIL import Image, ImageFilter
from torch.nn import functional

from c2i_lib.embedded.autoencoder import PatchAutoencoder
from c2i_lib.embedded.degradations import DEGRADATIONS, degrade

_SPECKLE = 0.33  # standard deviations of the latents at strength 1


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def _field(picture: Image.Image, cells: int, channels: int, seed: int) -> np.ndarray:
    """A smooth random field ``(h, w, channels)`` with a standard deviation near 1 and ``cells`` bumps a side."""
    coarse = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, channels, cells, cells)))
    fine = functional.interpolate(coarse, picture.size[::-1], mode="bicubic", align_corners=False)[0]
    return fine.permute(1, 2, 0).numpy()


def _warped(picture: Image.Image, strength: float, seed: int) -> Image.Image:
    """Bent outlines."""
    values = torch.from_numpy(np.asarray(picture).copy()).float().permute(2, 0, 1)[None]
    shift = torch.from_numpy(_field(picture, 12, 2, seed)).float() * (3.2 * strength * 2 / picture.width)
    straight = functional.affine_grid(torch.eye(2, 3)[None], values.shape, align_corners=False)
    bent = functional.grid_sample(values, straight + shift, padding_mode="border", align_corners=False)
    return _image(bent[0].permute(1, 2, 0).numpy())


def _smeared(picture: Image.Image, strength: float, seed: int) -> Image.Image:
    """The camera moved, in any direction."""
    angle, values = np.random.default_rng(seed).uniform(0, np.pi), np.asarray(picture).astype(float)
    steps = np.linspace(-5 * strength, 5 * strength, 15)
    padded = np.pad(values, ((8, 8), (8, 8), (0, 0)), "edge")
    height, width = values.shape[:2]
    total = np.zeros_like(values)
    for step in steps:
        down, right = round(8 + step * np.sin(angle)), round(8 + step * np.cos(angle))
        total += padded[down : down + height, right : right + width]
    return _image(total / len(steps))


def _ringing(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    """A sharp cut in frequency: soft edges with waves beside them."""
    values = np.fft.fft2(np.asarray(picture).astype(float), axes=(0, 1))
    across, down = np.fft.fftfreq(picture.width)[None], np.fft.fftfreq(picture.height)[:, None]
    keep = np.hypot(across, down) <= 0.71 * 0.22**strength
    return _image(np.fft.ifft2(values * keep[..., None], axes=(0, 1)).real)


def _posterised(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    """Few levels of each colour."""
    levels = max(2, round(2 + 60 * 0.08**strength))
    return _image(np.round(np.asarray(picture) / 255 * (levels - 1)) * 255 / (levels - 1))


def _ghost(picture: Image.Image, strength: float, seed: int) -> Image.Image:
    """Parts blended with another place of the picture, as where a model has not made up its mind."""
    random_, values = np.random.default_rng(seed), np.asarray(picture).astype(float)
    other = np.roll(values, random_.integers(10, 40, 2) * random_.choice((-1, 1), 2), (0, 1))
    other = other[:, ::-1] if random_.random() < 0.5 else other
    where = 1 / (1 + np.exp(-3 * _field(picture, 5, 1, seed + 1)))
    return _image(values + min(0.55 * strength, 0.9) * where * (other - values))


def _painted(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    """Small things melt away: medians over more and more pixels."""
    size = 3 * strength  # pixels beyond one; between odd sizes a blend
    lower = int(size // 2)
    both = [picture.filter(ImageFilter.MedianFilter(2 * half + 1)) for half in (lower, lower + 1)]
    return Image.blend(*both, size / 2 - lower)


def _jigsaw(picture: Image.Image, strength: float, seed: int) -> Image.Image:
    """Patches of 16 pixels in places of their neighbours."""
    values = np.asarray(picture).copy()
    cells = [(top, left) for top in range(0, SIZE, PATCH) for left in range(0, SIZE, 2 * PATCH)]
    order = np.random.default_rng(seed).permutation(len(cells))
    for top, left in (cells[index] for index in order[: round(len(cells) * strength / 1.6)]):
        rows, here, there = slice(top, top + PATCH), slice(left, left + PATCH), slice(left + PATCH, left + 2 * PATCH)
        values[rows, here], values[rows, there] = values[rows, there].copy(), values[rows, here].copy()
    return Image.fromarray(values)


def _blotches(picture: Image.Image, strength: float, seed: int) -> Image.Image:
    """Coloured clouds."""
    return _image(np.asarray(picture) + 30 * strength * _field(picture, 10, 3, seed))


def _stripes(picture: Image.Image, strength: float, seed: int) -> Image.Image:
    """Lines brighter and darker than they should be."""
    lines = np.random.default_rng(seed).normal(size=(picture.height, 1, 1))
    return _image(np.asarray(picture) + 24 * strength * lines)


def _salt(picture: Image.Image, strength: float, seed: int) -> Image.Image:
    """Single pixels black or white."""
    random_, values = np.random.default_rng(seed), np.asarray(picture).copy()
    hit = random_.random(values.shape[:2]) < 0.05 * strength
    values[hit] = random_.choice((0, 255), (hit.sum(), 1))
    return Image.fromarray(values)


_PLAIN: dict[str, Callable[[Image.Image, float, int], Image.Image]] = {
    "warped": _warped,
    "smeared": _smeared,
    "ringing": _ringing,
    "posterised": _posterised,
    "ghost": _ghost,
    "painted": _painted,
    "jigsaw": _jigsaw,
    "blotches": _blotches,
    "stripes": _stripes,
    "salt": _salt,
}
LATENT_FLAWS = ("speckle", "undecided")
OTHER_FLAWS = (*LATENT_FLAWS, *_PLAIN)
ALL_FLAWS = (*DEGRADATIONS, *OTHER_FLAWS)


def _in_latents(vae: PatchAutoencoder, picture: Image.Image, kind: str, strength: float, seed: int) -> Image.Image:
    """ "speckle": noise in the TTI model's latents. "undecided": each cell mixed with its neighbours."""
    latents = encode(vae, to_tensor(np.asarray(picture)[None]))
    if kind == "speckle":
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))
        latents = latents + _SPECKLE * strength * noise
    else:
        around = functional.avg_pool2d(functional.pad(latents, (1, 1, 1, 1), "replicate"), 3, 1)
        latents = torch.lerp(latents, around, min(0.7 * strength, 0.9))
    return _image((linear_decode(latents, vae)[0].permute(1, 2, 0).numpy() + 1) * 127.5)


def add_flaw(picture: Image.Image, kind: str, strength: float, seed: int, vae: PatchAutoencoder) -> Image.Image:
    """``picture`` (RGB, 128 x 128) with one flaw of ``ALL_FLAWS``. Raises ``KeyError`` for an unknown kind."""
    if kind in DEGRADATIONS:
        return degrade(picture, kind, strength, seed)
    if kind in LATENT_FLAWS:
        return _in_latents(vae, picture, kind, strength, seed)
    return _PLAIN[kind](picture, strength, seed)
