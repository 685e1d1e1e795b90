"""Scenes that one name stands for, such as London, a birthday or autumn: composed by hand.

In: ``named_scenes.txt``, one scene a line: ``names; backdrop; things``.
Names are separated by ``|``, the best first. The backdrop is a place and perhaps a time and a weather. A thing is
``slot=sprite`` or ``slot=sprite:color``, in the order of drawing; slots are those of ``SLOTS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from c2i_lib.embedded.backdrops import PLACES, PLAIN
from c2i_lib.embedded.painting import TIMES, WEATHERS

SOURCE = Path(__file__).parent / "named_scenes.txt"


class Slot(NamedTuple):
    """A square of ``size`` pixels; ``center`` and ``bottom`` of its lower edge; ``shadow``: it stands on the ground."""

    size: int
    center: int
    bottom: int
    shadow: bool


SLOTS = {
    "back": Slot(88, 64, 98, False),
    "backleft": Slot(70, 36, 98, False),
    "backright": Slot(70, 92, 98, False),
    "center": Slot(78, 64, 112, True),
    "left": Slot(56, 34, 114, True),
    "right": Slot(56, 94, 114, True),
    "front": Slot(46, 64, 121, True),
    "frontleft": Slot(36, 26, 122, True),
    "frontright": Slot(36, 102, 122, True),
    "topleft": Slot(32, 24, 38, False),
    "top": Slot(32, 64, 38, False),
    "topright": Slot(32, 104, 38, False),
    "high": Slot(56, 64, 66, False),
    "highleft": Slot(40, 32, 62, False),
    "highright": Slot(40, 96, 62, False),
    "ontop": Slot(34, 64, 46, False),
}


class Item(NamedTuple):
    """A thing of a named scene and its place in the picture, in pixels."""

    name: str
    color: str | None
    size: int
    center: int
    bottom: int
    shadow: bool


@dataclass(frozen=True)
class Recipe:
    """A named scene: its ``names`` (best first), its backdrop and its things in the order of drawing."""

    names: tuple[str, ...]
    place: str
    time: str | None
    weather: str | None
    items: tuple[Item, ...]


def _parse_item(text: str) -> Item:
    slot, _, thing = text.strip().partition("=")
    name, _, color = thing.partition(":")
    size, center, bottom, shadow = SLOTS[slot.strip()]
    return Item(name.strip(), color.strip() or None, size, center, bottom, shadow)


def parse_line(line: str) -> Recipe:
    """One line of ``named_scenes.txt``. Raises ``ValueError`` that names the line when it is not understood."""
    try:
        names, backdrop, things = line.split(";")
        place, *rest = backdrop.split()
        time = next((word for word in rest if word in TIMES), None)
        weather = next((word for word in rest if word in WEATHERS), None)
        if place not in PLACES and place not in PLAIN or len(rest) != (time is not None) + (weather is not None):
            raise ValueError(f"unknown backdrop {backdrop.strip()!r}")
        items = tuple(_parse_item(text) for text in things.split(",") if text.strip())
    except (ValueError, KeyError) as error:
        raise ValueError(f"named_scenes.txt: expected 'names; backdrop; slot=thing, ...', found {line!r}") from error
    return Recipe(tuple(name.strip() for name in names.split("|")), place, time, weather, items)


@lru_cache(maxsize=1)
def named_scenes() -> dict[str, Recipe]:
    """``{first name: recipe}`` of every named scene."""
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    recipes = [parse_line(line) for line in lines if line.strip() and not line.startswith("#")]
    return {recipe.names[0]: recipe for recipe in recipes}
