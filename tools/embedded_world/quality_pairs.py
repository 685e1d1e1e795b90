"""What the two quality judges of scenes learn from: versions of a scene whose order is known.

In: a role and a seed. Out: groups of four pictures of one scene, a flaw rising through them. The roles share no
scene (whatever its style), no seed, and not all kinds of flaw; a tenth of all scenes is in neither, for tests.
"""

from __future__ import annotations

import random
import zlib
from typing import NamedTuple

import numpy as np
from flaws import ALL_FLAWS, add_flaw
from PIL import Image, ImageOps

from c2i_lib.embedded.autoencoder import PatchAutoencoder
from c2i_lib.embedded.named_scenes import named_scenes
from c2i_lib.embedded.sampling import draw_scene
from c2i_lib.embedded.scenes import Scene, compose
from c2i_lib.embedded.sprites import sprites_by_name

SPLITS = {"reporting": range(45), "selecting": range(45, 90), "test": range(90, 100)}  # percent of the scenes
NEVER_SHOWN = {
    "reporting": ("smeared", "posterised", "jigsaw", "stripes", "salt"),
    "selecting": ("undecided", "ringing", "painted", "blotches", "stripes"),
}
STYLE_SHARES = {"3d": 0.6, "flat": 0.2, "noto": 0.2}
KINDS = {"single": 0.3, "colored": 0.12, "several": 0.14, "pair": 0.2, "placed": 0.16, "named": 0.08}
N_VERSIONS = 4
MOST, LEAST_GAP = 1.5, 0.12  # of strengths
LATER_SHARE = 0.35  # of the groups have a second flaw, the same on all versions, put on after the rising one
LATER_FLAWS = ("speckle", "speckle", "blur", "jpeg", "noise", "warped")


class Group(NamedTuple):
    """``pictures``: uint8 ``(4, 128, 128, 3)``; ``strengths``: ``(4,)``, rising; ``later``: strength of what came
    after, on all four alike (0: nothing, so that the first is clean)."""

    pictures: np.ndarray
    strengths: np.ndarray
    later: float


def split_of(scene: Scene) -> str:
    """The split that a scene belongs to, by its content."""
    content = {key: value for key, value in vars(scene).items() if key not in ("style", "degradation")}
    part = zlib.crc32(repr(sorted(content.items())).encode()) // 7 % 100
    return next(name for name, parts in SPLITS.items() if part in parts)


def styles_of(scene: Scene) -> list[str]:
    """The styles that all things of the scene have."""
    names = [thing.name for thing in scene.things]
    if scene.named is not None:
        names = [item.name for item in named_scenes()[scene.named].items]
    return [style for style in STYLE_SHARES if all(style in sprites_by_name()[name].styles for name in names)]


def draw_judged(random_: random.Random, split: str, kind: str | None = None, style: str | None = None) -> Scene:
    """A good scene of ``split``, in any style that its things have, or in ``style``."""
    while True:
        scene = draw_scene(random_, kind or random_.choices(list(KINDS), KINDS.values())[0])
        styles = styles_of(scene)
        if split_of(scene) == split and (style is None or style in styles):
            chosen = style or random_.choices(styles, [STYLE_SHARES[one] for one in styles])[0]
            return Scene(**{**vars(scene), "style": chosen})


def draw_picture(random_: random.Random, split: str) -> Image.Image:
    """A clean picture of ``split``; half of them mirrored."""
    picture = compose(draw_judged(random_, split))
    return ImageOps.mirror(picture) if random_.random() < 0.5 else picture


def _strengths(random_: random.Random, n: int) -> list[float]:
    """0 and ``n - 1`` rising strengths, at least ``LEAST_GAP`` apart."""
    free = MOST - (n - 1) * LEAST_GAP
    points = sorted(random_.uniform(0, free) for _ in range(n - 1))
    return [0.0, *(point + (index + 1) * LEAST_GAP for index, point in enumerate(points))]


def draw_group(random_: random.Random, role: str, vae: PatchAutoencoder) -> Group:
    """A scene of ``role``'s split in four versions. The first of a group without ``later`` is the clean picture."""
    kinds = [kind for kind in ALL_FLAWS if kind not in NEVER_SHOWN[role]]
    picture, kind, seed = draw_picture(random_, role), random_.choice(kinds), random_.randrange(2**31)
    strengths = _strengths(random_, N_VERSIONS)
    versions = [picture, *(add_flaw(picture, kind, strength, seed, vae) for strength in strengths[1:])]
    later = 0.0
    if random_.random() < LATER_SHARE:
        later, second = random_.uniform(0.1, 1.0), random_.choice([one for one in LATER_FLAWS if one != kind])
        versions = [add_flaw(version, second, later, seed + 1, vae) for version in versions]
    return Group(np.stack([np.asarray(version) for version in versions]), np.array(strengths), later)
