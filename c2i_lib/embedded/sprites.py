"""The things of the embedded world as sprites: cut-out pictures in three styles, with names and synonyms.

In: ``sprites.zip`` beside this module, written by ``tools/embedded_world/make_sprite_pack.py``, and ``things.txt``: the
things of the world, one a line, with further words for it after bars, under a heading that says where they occur.
Out: a list of named things, and each thing's picture with alpha. The pack holds 1,171 things; the world draws a fifth
of them, because a TTI model of 14 million parameters learns each thing by heart, from hundreds of pictures of it.
The styles are Microsoft's Fluent 3D and Fluent flat (MIT) and Google's Noto (Apache-2.0); the licences lie in
``SPRITES_LICENSES.txt``. Every thing has a picture in 3D; a few of the world lack one of the other two, and things that
are not in the world have no other.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from PIL import Image

PACK = Path(__file__).parent / "sprites.zip"
THINGS = Path(__file__).parent / "things.txt"
STYLES = ("3d", "flat", "noto")
# Headings of ``things.txt``: in scenes and alone on white; alone; only where the world paints it in by itself.
OCCURRENCES = {"# in scenes and alone": "scenes", "# alone": "alone", "# only in named scenes and backdrops": "named"}
SPRITE_SIZE = 128  # pixels, both sides


@dataclass(frozen=True)
class Sprite:
    """One thing of the world.

    ``code``: its Unicode code points, the identity in the pack; ``name``: plain English noun phrase;
    ``synonyms``: other words for the same thing, best first; ``group`` and ``subgroup``: Unicode's, such as
    "animals-nature" and "animal-mammal"; ``styles``: those of ``STYLES`` that it has; ``occurs``: one of the values of
    ``OCCURRENCES``, empty for a thing that is not in the world.
    """

    code: str
    name: str
    synonyms: tuple[str, ...]
    group: str
    subgroup: str
    styles: tuple[str, ...]
    occurs: str = ""


@lru_cache(maxsize=1)
def _entries() -> dict[str, bytes]:
    """The whole pack in memory: 6 MB, where opening it for each sprite would take longer than decoding one."""
    with zipfile.ZipFile(PACK) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


@lru_cache(maxsize=1)
def pack_sprites() -> tuple[Sprite, ...]:
    """All things of the pack, also those that are not in the world, sorted by code. Names are unique."""
    return tuple(
        Sprite(**{**row, "synonyms": tuple(row["synonyms"]), "styles": tuple(row["styles"])})
        for row in json.loads(_entries()["index.json"])
    )


def read_things() -> dict[str, tuple[tuple[str, ...], str]]:
    """``{name: (further words for it, one of the values of OCCURRENCES)}``, as ``things.txt`` says it."""
    occurs, things = "", {}
    for line in THINGS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            occurs = OCCURRENCES[line]
        else:
            name, *words = line.split("|")
            things[name] = (tuple(words), occurs)
    return things


@lru_cache(maxsize=1)
def load_sprites() -> tuple[Sprite, ...]:
    """The things of the world, sorted by code."""
    things = read_things()
    return tuple(
        replace(sprite, synonyms=things[sprite.name][0] + sprite.synonyms, occurs=things[sprite.name][1])
        for sprite in pack_sprites()
        if sprite.name in things
    )


@lru_cache(maxsize=1)
def sprites_by_name() -> dict[str, Sprite]:
    """``{name: sprite}``; synonyms are not keys."""
    return {sprite.name: sprite for sprite in load_sprites()}


@lru_cache(maxsize=1)
def sprites_by_word() -> dict[str, Sprite]:
    """``{name or synonym in lower case: sprite}``; a name wins over a synonym of another thing."""
    words = {synonym.lower(): sprite for sprite in reversed(load_sprites()) for synonym in sprite.synonyms}
    return words | {sprite.name.lower(): sprite for sprite in load_sprites()}


@lru_cache(maxsize=4096)
def sprite_image(code: str, style: str = "3d") -> Image.Image:
    """The thing as an RGBA image of ``SPRITE_SIZE`` pixels. Callers copy before they change it.

    Raises ``KeyError`` for an unknown code, or a style that the thing lacks.
    """
    return Image.open(io.BytesIO(_entries()[f"{style}/{code}.webp"])).convert("RGBA")
