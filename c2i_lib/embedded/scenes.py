"""Pictures of the embedded world: what a caption asks for, laid out and drawn.

In: a ``Scene``, the full list of a picture's ingredients. Out: an RGB image of 128 pixels.
A scene has one canonical picture: nothing is left to chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from c2i_lib.embedded.backdrops import PLAIN, draw_backdrop, draw_weather, light_of
from c2i_lib.embedded.degradations import degrade
from c2i_lib.embedded.named_scenes import named_scenes
from c2i_lib.embedded.painting import SIZE, tinted
from c2i_lib.embedded.recoloring import recolored
from c2i_lib.embedded.sprites import Sprite, sprite_image, sprites_by_name

SINGLE_SIZE = 116  # a thing alone on a plain ground, pixels: it leaves a margin of six
# Every thing in a scene has this size, and its place is one of a grid of 32 pixels: two patches of the TTI model's
# latents, one of its lower level. A thing elsewhere is then the same patches, and each picture of it teaches all.
BOX, LEFT, MIDDLE, RIGHT = 60, 32, 64, 96  # longer side; centres
HIGH, LEVEL, NEAR = 62, 94, 126  # lower edges: in the air, on the ground, in front
PATCH = 16  # pixels of a cell of the latents
RELATIONS = ("and", "on", "under", "behind")
FLOATING_PLACES = ("sky", "space", "underwater")
_GLOWING = set(
    "fire|jack-o-lantern|fireworks|sparkler|candle|star|glowing star|sparkles|light bulb|lightning bolt|ghost|sun|"
    "crescent moon|full moon|diya lamp|red paper lantern|shooting star|flying saucer|mirror ball".split("|")
)  # not darkened at night
_FLYING = {"transport-air", "sky-weather", "animal-bird"}
_FLYING_NAMES = set("balloon|kite|honeybee|butterfly|bat|fairy|dragon|flying disc|parachute|fly|mosquito".split("|"))
_WALKING_BIRDS = set(
    "penguin|rooster|chicken|turkey|hatching chick|baby chick|duck|peacock|flamingo|swan|goose".split("|")
)


@dataclass(frozen=True)
class Thing:
    """A kind of thing: ``name`` of its sprite, ``color`` or None for its own, ``count`` 1 to 3."""

    name: str
    color: str | None = None
    count: int = 1


@dataclass(frozen=True)
class Scene:
    """The ingredients of one picture.

    ``things``: none to two kinds; ``relation`` of the first to the second, one of ``RELATIONS``; ``place``, ``time``,
    ``weather``: see ``backdrops``, None when not said; ``named``: a scene made by hand, whose own things and place
    come instead; ``style``: of the sprites; ``degradation``: None for a good picture.
    """

    things: tuple[Thing, ...] = ()
    relation: str | None = None
    place: str | None = None
    time: str | None = None
    weather: str | None = None
    named: str | None = None
    style: str = "3d"
    degradation: str | None = None


class Placement(NamedTuple):
    """Where a thing goes: it fits into a square of ``box`` pixels whose lower edge's middle is given."""

    thing: Thing
    center: int
    bottom: int
    shadow: bool
    box: int = BOX


def compose(scene: Scene) -> Image.Image:
    """The scene's picture, RGB, 128 x 128.

    Raises ``KeyError`` for a name that is no sprite's or no named scene's.
    """
    picture = _compose_good(scene)
    return picture if scene.degradation is None else degrade(picture, scene.degradation)


def _compose_good(scene: Scene) -> Image.Image:
    if scene.named is not None:
        return _compose_named(scene)
    if _is_single(scene):
        thing = scene.things[0]
        return draw_alone(_picture_of(thing.name, thing.color, scene.style), PLAIN[scene.place or "white"])
    canvas = draw_backdrop(scene.place, scene.time, scene.weather, scene.style).copy()
    tint = light_of(scene.place, scene.time or ("day" if scene.weather else None))
    for placement in lay_out(scene):
        draw_thing(canvas, placement, scene.style, tint)
    return draw_weather(canvas, scene.place, scene.weather)


def _compose_named(scene: Scene) -> Image.Image:
    recipe = named_scenes()[scene.named]
    time, weather = scene.time or recipe.time, scene.weather or recipe.weather
    canvas = draw_backdrop(recipe.place, time, weather, scene.style).copy()
    for item in recipe.items:
        shadow = item.shadow and recipe.place not in (*FLOATING_PLACES, "sea", "white")
        placement = Placement(Thing(item.name, item.color), item.center, item.bottom, shadow, item.size)
        draw_thing(canvas, placement, scene.style, light_of(recipe.place, time))
    return draw_weather(canvas, recipe.place, weather)


def _is_single(scene: Scene) -> bool:
    bare = scene.place in (None, *PLAIN) and scene.time is None and scene.weather is None
    return bare and len(scene.things) == 1 and scene.things[0].count == 1


def draw_alone(picture: Image.Image, ground: tuple[int, int, int] = PLAIN["white"]) -> Image.Image:
    """A sprite's picture in the middle of a square of the colour ``ground``."""
    canvas, margin = Image.new("RGBA", (SIZE, SIZE), ground), (SIZE - SINGLE_SIZE) // 2
    canvas.alpha_composite(picture.resize((SINGLE_SIZE,) * 2, Image.LANCZOS), (margin, margin))
    return canvas.convert("RGB")


@lru_cache(maxsize=4096)
def _picture_of(name: str, color: str | None, style: str) -> Image.Image:
    sprite = sprites_by_name()[name]
    style = style if style in sprite.styles else "3d"
    return sprite_image(sprite.code, style) if color is None else recolored(sprite.code, style, color)


@lru_cache(maxsize=4096)
def _fitted(name: str, color: str | None, style: str, box: int) -> Image.Image:
    """The thing without its margin, its longer side ``box`` pixels."""
    picture = _picture_of(name, color, style)
    picture = picture.crop(picture.getchannel("A").getbbox())
    scale = box / max(picture.size)
    return picture.resize([max(1, round(side * scale)) for side in picture.size], Image.LANCZOS)


def draw_thing(canvas: Image.Image, placement: Placement, style: str, tint: tuple[float, float, float]) -> None:
    """Paste a thing, in the scene's light, over a soft shadow where it stands on something."""
    picture = _fitted(placement.thing.name, placement.thing.color, style, placement.box)
    left, top = placement.center - picture.width // 2, placement.bottom - picture.height
    if placement.shadow:
        canvas.paste((20, 24, 40), (0, 0), _shadow(placement.center, placement.bottom, picture.width))
    if placement.thing.name not in _GLOWING:
        picture = tinted(picture, tint)
    canvas.paste(picture, (left, top), picture)


@lru_cache(maxsize=2048)
def _shadow(center: int, bottom: int, width: int) -> Image.Image:
    mask = Image.new("L", (SIZE, SIZE), 0)
    half = 0.46 * width
    ImageDraw.Draw(mask).ellipse((center - half, bottom - 5, center + half, bottom + 4), fill=96)
    return mask.filter(ImageFilter.GaussianBlur(2))


def flies(sprite: Sprite) -> bool:
    """Whether the thing is drawn in the air where there is a ground."""
    return sprite.name in _FLYING_NAMES or (sprite.subgroup in _FLYING and sprite.name not in _WALKING_BIRDS)


def lay_out(scene: Scene) -> list[Placement]:
    """Where each thing goes, in the order of drawing."""
    on_white = scene.place in PLAIN or (scene.place is None and scene.time is None and scene.weather is None)
    shadow = not on_white and scene.place not in FLOATING_PLACES and scene.place != "sea"
    if len(scene.things) == 2:
        return _lay_out_pair(scene, shadow)
    if not scene.things:
        return []
    thing = scene.things[0]
    if thing.count > 1:
        places = [(LEFT, LEVEL), (RIGHT, LEVEL), (MIDDLE, NEAR)][: thing.count]
        return [Placement(thing, center, bottom, shadow) for center, bottom in places]
    if flies(sprites_by_name()[thing.name]) and not on_white:
        return [Placement(thing, MIDDLE, HIGH, False)]
    return [Placement(thing, MIDDLE, LEVEL, shadow)]


def _lay_out_pair(scene: Scene, shadow: bool) -> list[Placement]:
    first, second = scene.things
    if scene.relation == "on":
        base = _fitted(second.name, second.color, scene.style, BOX)
        return [Placement(second, MIDDLE, NEAR, shadow), Placement(first, MIDDLE, _feet_on(base), False)]
    if scene.relation == "under":
        return [Placement(second, MIDDLE, LEVEL, False), Placement(first, MIDDLE, NEAR, shadow)]
    if scene.relation == "behind":
        return [Placement(first, MIDDLE, LEVEL, shadow), Placement(second, LEFT, NEAR, shadow)]
    return [Placement(first, LEFT, LEVEL, shadow), Placement(second, RIGHT, LEVEL, shadow)]


def _feet_on(base: Image.Image) -> int:
    """The lower edge of what stands on ``base``: on the seat of a couch, not on the lamp beside it.

    In steps of a patch of the latents, so that no height is a picture of its own.
    """
    opaque = np.asarray(base.getchannel("A")) > 60
    middle = opaque[:, round(0.2 * base.width) : round(0.8 * base.width)]
    tops = middle.argmax(0)[middle.any(0)]
    height = base.height - int(np.median(tops)) if len(tops) else base.height
    return NEAR - PATCH * max(1, round((height - 6) / PATCH))
