"""Pictures with known parts, that the faithfulness judges of scenes are trained and tested on.

Scenes of all kinds in all styles, some with a flaw of any strength. Drawing one costs half a training step, so a
pool keeps them: each is used about ``USES`` times, every time shifted, scaled, mirrored and speckled anew. Speckle is
noise in the TTI model's latents, as its own pictures have it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from autoencoder import encode, linear_decode
from pictures import to_tensor
from torch.nn import functional

from c2i_lib.embedded.autoencoder import PatchAutoencoder
from c2i_lib.embedded.degradations import DEGRADATIONS, degrade
from c2i_lib.embedded.named_scenes import named_scenes
from c2i_lib.embedded.painting import SIZE
from c2i_lib.embedded.sampling import draw_scene
from c2i_lib.embedded.scenes import Scene, Thing, compose
from c2i_lib.embedded.sprites import sprites_by_name

KINDS = {"single": 0.36, "colored": 0.12, "several": 0.13, "pair": 0.19, "placed": 0.13, "named": 0.07}
STYLE_SHARES = {"3d": 0.64, "flat": 0.18, "noto": 0.18}
POOR_SHARE = 0.3
STRENGTHS = (0.3, 1.2)
SPECKLED_SHARE, MOST_SPECKLE = 0.5, 0.35  # of the batches' pictures; in standard deviations of the latents
SCALES, MOST_SHIFT = (0.88, 1.08), 6  # pixels
CAPACITY = 3_000
FIRST_FILL = 1_200
USES = 3


class Shown(NamedTuple):
    """A scene and its picture, uint8 ``(128, 128, 3)``. ``scene.degradation`` names its flaw."""

    scene: Scene
    picture: np.ndarray


def shown_things(scene: Scene) -> tuple[Thing, ...]:
    """The kinds of things in the picture, those of a named scene too, each once."""
    if scene.named is None:
        return scene.things
    items = named_scenes()[scene.named].items
    return tuple({item.name: Thing(item.name, item.color) for item in items}.values())


def draw_shown(
    random_: random.Random, kind: str | None = None, held_out: bool = False, poor: float = POOR_SHARE
) -> Shown:
    """A scene of ``kind`` (None: by ``KINDS``), in any style that its things have, with a flaw in ``poor`` of all."""
    kind = kind or random_.choices(list(KINDS), KINDS.values())[0]
    scene = draw_scene(random_, kind, held_out)
    style = random_.choices(list(STYLE_SHARES), STYLE_SHARES.values())[0]
    if any(style not in sprites_by_name()[thing.name].styles for thing in shown_things(scene)):
        style = "3d"
    scene = Scene(**{**vars(scene), "style": style})
    picture = compose(scene)
    if random_.random() < poor:
        # Cropping would cut off what the scene is said to have, unless one thing fills the picture.
        flaws = [flaw for flaw in DEGRADATIONS if flaw != "cropped" or kind == "single"]
        flaw, strength = random_.choice(flaws), random_.uniform(*STRENGTHS)
        scene = Scene(**{**vars(scene), "degradation": flaw})
        picture = degrade(picture, flaw, strength, random_.randrange(2**31))
    return Shown(scene, np.asarray(picture))


def speckle(pictures: torch.Tensor, vae: PatchAutoencoder, generator: torch.Generator) -> torch.Tensor:
    """Pictures ``(n, 3, 128, 128)`` through the TTI model's latents, with noise of a random strength."""
    latents = encode(vae, pictures)
    strengths = MOST_SPECKLE * torch.rand(len(pictures), 1, 1, 1, generator=generator)
    return linear_decode(latents + strengths * torch.randn(latents.shape, generator=generator), vae)


def vary(
    pictures: torch.Tensor, vae: PatchAutoencoder, generator: torch.Generator, speckled: float = SPECKLED_SHARE
) -> torch.Tensor:
    """Pictures in [-1, 1], mirrored, scaled, shifted and a share speckled: nothing that changes the answer."""
    n = len(pictures)
    low, high = SCALES
    scale = low + (high - low) * torch.rand(n, generator=generator)
    shift = (2 * torch.rand(n, 2, generator=generator) - 1) * 2 * MOST_SHIFT / SIZE
    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1], affine[:, :, 2] = mirror / scale, 1 / scale, shift
    grid = functional.affine_grid(affine, pictures.shape, align_corners=False)
    varied = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    chosen = torch.rand(n, generator=generator) < speckled
    if chosen.any():
        varied[chosen] = speckle(varied[chosen], vae, generator)
    return varied


class ShownPool:
    """Draws batches of pictures with whatever ``describe`` says of each scene (a dictionary of tensors)."""

    def __init__(self, describe: Callable[[list[Scene]], dict[str, torch.Tensor]], vae: PatchAutoencoder, seed: int):
        self.describe, self.vae, self.random = describe, vae, random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.pictures = torch.empty(CAPACITY, SIZE, SIZE, 3, dtype=torch.uint8)
        self.said: dict[str, torch.Tensor] = {}
        self.ease = 1.0  # share of pictures that are things alone without a flaw: a thousand names are learned sooner
        self.filled = 0
        while self.filled < FIRST_FILL:
            self._add(50)

    def _add(self, n: int) -> None:
        """``n`` new pictures: behind the others while there is room, then in place of random ones."""
        easy = [self.random.random() < self.ease for _ in range(n)]
        shown = [draw_shown(self.random, "single", poor=0.0) if one else draw_shown(self.random) for one in easy]
        if self.filled + n <= CAPACITY:
            rows = torch.arange(self.filled, self.filled + n)
            self.filled += n
        else:
            rows = torch.tensor(self.random.sample(range(self.filled), n))
        self.pictures[rows] = torch.from_numpy(np.stack([one.picture for one in shown]))
        for name, values in self.describe([one.scene for one in shown]).items():
            if name not in self.said:
                self.said[name] = torch.empty(CAPACITY, *values.shape[1:], dtype=values.dtype)
            self.said[name][rows] = values

    def draw(self, n: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Pictures ``(n, 3, 128, 128)`` in [-1, 1], varied, and what is said of them."""
        self._add(max(1, n // USES))
        rows = torch.randperm(self.filled, generator=self.generator)[:n]
        speckled = SPECKLED_SHARE * (1 - self.ease)
        pictures = vary(to_tensor(self.pictures[rows].numpy()), self.vae, self.generator, speckled)
        return pictures, {name: values[rows] for name, values in self.said.items()}
