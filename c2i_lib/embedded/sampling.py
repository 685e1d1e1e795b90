"""Which scenes the embedded world shows and how often, and which it keeps back for tests.

In: a seeded generator. Out: scenes with captions, for training and for the study's pairs; and scenes whose
combination of ingredients never occurs in either.
"""

from __future__ import annotations

import random
import zlib
from functools import cache, lru_cache
from typing import NamedTuple

from c2i_lib.embedded.backdrops import PLACES, PLAIN
from c2i_lib.embedded.degradations import DEGRADATIONS
from c2i_lib.embedded.grammar import DIALECTS, write_caption
from c2i_lib.embedded.named_scenes import named_scenes
from c2i_lib.embedded.nouns import is_countable
from c2i_lib.embedded.painting import WEATHERS
from c2i_lib.embedded.recoloring import COLORS
from c2i_lib.embedded.scenes import RELATIONS, Scene, Thing, flies
from c2i_lib.embedded.sprites import Sprite, load_sprites, sprites_by_name

KINDS = {"single": 0.26, "colored": 0.08, "several": 0.12, "pair": 0.17, "placed": 0.3, "named": 0.07}
POOR_SHARE = 0.36  # of the pictures; with the two shares below, 40 % of the captions without style words
STYLED_SHARE_GOOD, STYLED_SHARE_POOR = 0.5, 0.4
OTHER_STYLES_SHARE = 0.25  # flat or Noto among good pictures with style words; a tenth of it without
HELD_OUT_SHARE = 0.08  # of the combinations

_PERSON = ("person", "face", "family", "hand", "body")
_COLOR_WORDS = set(COLORS) | {"gray", "golden", "light", "dark", "rainbow", "brown", "red-haired", "blond"}
_SMALL = ("food", "drink", "dishware", "household", "book", "office", "writing", "phone", "light-video", "computer")
_LARGE = {"place-building", "place-other", "place-religious", "transport-ground", "transport-water", "transport-air"}
_SWIMMERS = set("duck|swan|goose|penguin|frog|turtle|crocodile|beaver|otter|swimmer|surfer|rower|ring buoy".split("|"))


class Example(NamedTuple):
    """A scene and a caption of it; ``styled``: the caption has words for style or flaw."""

    scene: Scene
    caption: str
    dialect: str
    styled: bool


@lru_cache(maxsize=1)
def drawn_things() -> tuple[Sprite, ...]:
    """The things that captions ask for by their names."""
    return tuple(sprite for sprite in load_sprites() if sprite.occurs != "named")


@lru_cache(maxsize=1)
def scene_things() -> tuple[Sprite, ...]:
    """The things that occur in scenes, not only alone."""
    return tuple(sprite for sprite in load_sprites() if sprite.occurs == "scenes")


@lru_cache(maxsize=1)
def colored_things() -> tuple[Sprite, ...]:
    """The things that captions ask for in another colour."""
    return tuple(
        sprite
        for sprite in scene_things()
        if not sprite.subgroup.startswith(_PERSON) and not _COLOR_WORDS & set(sprite.name.lower().split())
    )


@lru_cache(maxsize=1)
def countable_things() -> tuple[Sprite, ...]:
    """The things that captions ask for in twos and threes."""
    return tuple(sprite for sprite in scene_things() if is_countable(sprite.name))


@cache
def fits(name: str, place: str | None) -> bool:
    """Whether a caption would put the thing there: boats at sea, food on a table."""
    sprite = sprites_by_name()[name]
    aquatic = sprite.subgroup in ("transport-water", "animal-marine") or name in _SWIMMERS
    if place == "sea":
        return aquatic
    if place == "underwater":
        return sprite.subgroup == "animal-marine" or name in ("anchor", "diving mask", "mermaid", "merman", "turtle")
    if place == "table":
        return sprite.subgroup.startswith(_SMALL)
    if place == "sky":
        return flies(sprite)
    if place in ("room", "stage"):
        return sprite.subgroup not in _LARGE
    return True


def is_held_out(scene: Scene) -> bool:
    """Whether this combination is kept for tests. A thing alone in its own colour never is."""
    things = [(thing.name, thing.color, thing.count) for thing in scene.things]
    if scene.named is not None or not things or (len(things) == 1 and things[0][1:] == (None, 1) and not scene.place):
        return False
    return zlib.crc32(repr((things, scene.relation, scene.place)).encode()) % 1000 < 1000 * HELD_OUT_SHARE


def _thing(random_: random.Random, color_share: float = 0.2, count: int = 1) -> Thing:
    if count > 1:
        return Thing(random_.choice(countable_things()).name, None, count)
    if random_.random() < color_share:
        return Thing(random_.choice(colored_things()).name, random_.choice(COLORS))
    return Thing(random_.choice(scene_things()).name)


def _surroundings(random_: random.Random, names: list[str]) -> dict[str, str | None]:
    """A place that suits all ``names``, a time and a weather; one of them at least."""
    places = [place for place in PLACES if place != "plain" and all(fits(name, place) for name in names)]
    place = random_.choice(places) if random_.random() < 0.8 else None
    time = random_.choices((None, "day", "dusk", "night"), (5, 0.5, 2, 2.5))[0]
    weather = random_.choice(WEATHERS) if random_.random() < 0.18 else None
    if place in ("sky", "snow") and weather in ("fog", "rainbow") or place in ("room", "table", "stage", "space"):
        weather = None
    if place in ("table", "stage", "space", "underwater"):
        time = None
    if place is None and time is None and weather is None:
        time = random_.choice(("dusk", "night"))
    return {"place": place, "time": time, "weather": weather}


def _draw_content(kind: str, random_: random.Random) -> Scene:
    """A good picture of this kind, in 3D."""
    if kind == "single":
        return Scene((Thing(random_.choice(drawn_things()).name),))
    if kind == "colored":
        if random_.random() < 0.3:
            return Scene((_thing(random_, 0.2),), place=random_.choice(list(PLAIN)))
        return Scene((_thing(random_, 1.0),))
    if kind == "named":
        return Scene(named=random_.choice(list(named_scenes())))
    if kind == "placed":
        thing = _thing(random_)
        return Scene((thing,), **_surroundings(random_, [thing.name]))
    if kind == "several":
        things, relation = (_thing(random_, count=random_.choice((2, 3))),), None
    else:
        things, relation = (_thing(random_), _thing(random_)), random_.choices(RELATIONS, (5, 2, 2, 2))[0]
    around = _surroundings(random_, [thing.name for thing in things]) if random_.random() < 0.4 else {}
    return Scene(things, relation, **around)


def draw_scene(random_: random.Random, kind: str | None = None, held_out: bool = False) -> Scene:
    """A good scene in 3D of ``kind`` (a key of ``KINDS``; None: by their shares).

    ``held_out``: one that training never shows; "single" and "named" have none, so they never return then.
    """
    while True:
        chosen = kind or random_.choices(list(KINDS), KINDS.values())[0]
        scene = _draw_content(chosen, random_)
        if len({thing.name for thing in scene.things}) == len(scene.things) and is_held_out(scene) == held_out:
            return scene


def draw_example(random_: random.Random, kind: str | None = None, dialects: tuple[str, ...] = DIALECTS) -> Example:
    """A scene with flaw or style, and a caption in one of ``dialects`` that may name it."""
    content, poor = draw_scene(random_, kind), random_.random() < POOR_SHARE
    styled = random_.random() < (STYLED_SHARE_POOR if poor else STYLED_SHARE_GOOD)
    style, degradation = "3d", None
    if poor:
        degradation = random_.choice(DEGRADATIONS)
    elif random_.random() < OTHER_STYLES_SHARE * (1 if styled else 0.1):
        style = random_.choice(("flat", "noto"))
        if any(style not in sprites_by_name()[thing.name].styles for thing in content.things):
            style = "3d"
    scene = Scene(**{**vars(content), "style": style, "degradation": degradation})
    dialect = random_.choice(dialects)
    return Example(scene, write_caption(scene, random_, dialect, styled), dialect, styled)
