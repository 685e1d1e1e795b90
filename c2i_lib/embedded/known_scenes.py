"""Scenes of the embedded world whose better picture, or right concept, is known: what judges are tested on.

In: a number and a seed. Out: scenes of combinations that no training shows, in words that are true of them and in words
that are wrong in one part only: thing, number, colour, place or time. Poorer copies are ``degradations``' at
``STRENGTHS``. Ignored: judges.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from c2i_lib.embedded.backdrops import INDOORS, PLACES
from c2i_lib.embedded.degradations import DEGRADATIONS, degrade
from c2i_lib.embedded.grammar import describe
from c2i_lib.embedded.recoloring import COLORS
from c2i_lib.embedded.sampling import draw_scene, fits, scene_things
from c2i_lib.embedded.scenes import Scene, compose
from c2i_lib.embedded.sprites import sprites_by_name

STRENGTHS = (0.5, 1.0)  # of a degradation; 1 is that of the captions
FLAWS = tuple((kind, strength) for kind in DEGRADATIONS for strength in STRENGTHS)
_KINDS = ("colored", "several", "pair", "placed")  # of scenes of which some are kept back


class KnownScene(NamedTuple):
    """A picture's ``scene``; ``right`` is true of it, ``wrong`` is not."""

    scene: Scene
    right: str
    wrong: str


def _other_thing(scene: Scene, random_: random.Random) -> Scene:
    """With a thing of another kind, so that no "dog face" stands in for a dog."""
    thing = scene.things[0]
    own = sprites_by_name()[thing.name].subgroup
    others = [other.name for other in scene_things() if other.subgroup != own and fits(other.name, scene.place)]
    return replace(scene, things=(replace(thing, name=random_.choice(others)),))


def _other_number(scene: Scene, random_: random.Random) -> Scene:
    thing = scene.things[0]
    return replace(scene, things=(replace(thing, count=5 - thing.count),))


def _other_color(scene: Scene, random_: random.Random) -> Scene:
    thing = scene.things[0]
    return replace(scene, things=(replace(thing, color=random_.choice([c for c in COLORS if c != thing.color])),))


def _other_place(scene: Scene, random_: random.Random) -> Scene:
    return replace(scene, place=random_.choice([place for place in PLACES if place not in ("plain", scene.place)]))


def _other_time(scene: Scene, random_: random.Random) -> Scene:
    return replace(scene, time="dusk" if scene.time == "night" else "night")


class _Part(NamedTuple):
    """``kind`` of scenes, those of them that show the part, and how to get the part wrong."""

    kind: str
    shows: Callable[[Scene], bool]
    other: Callable[[Scene, random.Random], Scene]


# A caption mostly leaves daylight out, and the time is not seen under a roof.
_PARTS = {
    "thing": _Part("placed", lambda scene: scene.things[0].color is None, _other_thing),
    "number": _Part("several", lambda scene: True, _other_number),
    "colour": _Part("colored", lambda scene: scene.things[0].color is not None, _other_color),
    "place": _Part("placed", lambda scene: scene.place is not None and scene.weather is None, _other_place),
    "time": _Part(
        "placed", lambda s: s.time in ("dusk", "night") and s.weather is None and s.place not in INDOORS, _other_time
    ),
}
PARTS = tuple(_PARTS)


def _in_words(scene: Scene, seed: int) -> str:
    return describe(scene, random.Random(seed), "A", may_invert=False)


def known_scenes(part: str, n: int, seed: int) -> list[KnownScene]:
    """``n`` scenes that no training shows, and what is wrong of each in ``part``, one of ``PARTS``."""
    kind, shows, other = _PARTS[part]
    random_ = random.Random(f"{part} {seed}")
    known: list[KnownScene] = []
    while len(known) < n:
        scene = draw_scene(random_, kind, held_out=True)
        if shows(scene):
            words = random_.getrandbits(32)
            known.append(KnownScene(scene, _in_words(scene, words), _in_words(other(scene, random_), words)))
    return known


def clean_scenes(n: int, seed: int) -> list[tuple[Scene, str]]:
    """``n`` clean scenes that no training shows, of all kinds in turn, and what is in them in words."""
    random_ = random.Random(f"clean {seed}")
    scenes = [draw_scene(random_, _KINDS[index % len(_KINDS)], held_out=True) for index in range(n)]
    return [(scene, _in_words(scene, random_.getrandbits(32))) for scene in scenes]


def picture_of(scene: Scene) -> np.ndarray:
    """The scene's picture, uint8 ``(128, 128, 3)``."""
    return np.asarray(compose(scene))


def flawed_picture_of(scene: Scene, flaw: tuple[str, float], seed: int) -> np.ndarray:
    """The scene's picture with one of ``FLAWS``, uint8 ``(128, 128, 3)``; ``seed``: of the noise."""
    return np.asarray(degrade(compose(scene), *flaw, seed))
