"""Captions of the embedded world, each paired with the picture that it describes.

In: the named glyphs of ``glyphs.py`` and a seed. Out: a list of ``Pair`` (caption, rendering recipe).
The captions have what web alt text has: two styles that go with clean or with poor pictures, bare names,
pairs of objects, file names and shop junk, duplicates, empties and a few explicit words. The embedded TTI
model was trained on ``make_pairs()`` with its default arguments and on nothing else, so its training
captions are known exactly.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from c2i_lib.embedded.glyphs import Glyph, load_glyphs

N_PAIRS = 24_000
SEED = 2024

BACKGROUNDS = {
    "white": (255, 255, 255),
    "light blue": (173, 216, 240),
    "yellow": (255, 232, 130),
    "pink": (255, 200, 214),
    "green": (178, 224, 170),
    "grey": (190, 190, 190),
    "black": (24, 24, 24),
}
SCALES = {"small": 0.55, "normal": 1.0, "large": 1.3}
DEGRADATIONS = ("blur", "noise", "tiny")

_CLEAN = (
    "{a}, flat vector icon",
    "{a}, flat vector icon, white background",
    "illustration of {a}",
    "clean illustration of {a}, crisp lines, bright colors",
    "{a}, sharp and colorful sticker design",
    "high quality clip art of {a}",
    "{a} - premium vector illustration",
    "cute {n} cartoon, vector art",
    "{n} icon, simple flat design, high resolution",
    "beautiful drawing of {a}, vivid colors, crisp outline",
    "{N} Emoji Sticker - Vector Graphic",
    "isolated {n} on white, clean design",
)
_ON_BACKGROUND = (
    "{a} on a {background} background",
    "{n} icon on {background} background, flat design",
    "illustration of {a}, {background} backdrop, crisp lines",
)
_SIZED = {
    "small": ("a small {n}", "tiny {n} icon with lots of white space", "little {n}, minimalist vector icon"),
    "large": ("close-up of {a}", "a big {n}, full frame", "large {n}, detailed vector illustration"),
}
_TWO = (
    "{a} and {b}",
    "{a} next to {b}, flat illustration",
    "{a} and {b}, clean vector icons on white",
    "set of two icons: {n} and {m}",
)
_POOR = {
    "blur": (
        "blurry photo of {a}",
        "out of focus {n}, old photo",
        "{n} blurry screenshot",
        "{a}, shaky phone picture, motion blur",
    ),
    "noise": (
        "grainy picture of {a}",
        "noisy scan of {a} from an old magazine",
        "{n}, bad quality jpg, grain",
        "vintage {n} scan, dust and scratches",
    ),
    "tiny": (
        "{n} thumbnail jpg",
        "{a}, low resolution, pixelated",
        "small preview image of {a}",
        "{n} 32x32 gif, low res",
    ),
}
_JUNK = (
    "IMG_{number}.JPG",
    "DSC0{number}",
    "untitled-{digit}",
    "click to enlarge",
    "Buy now ${price} free shipping",
    "image {digit} of {number}",
    "404 not found",
    "{number} x {number}",
    "Home | About | Contact",
    "SKU {number}-{digit} &#34;sale&#34;",
)
_EXPLICIT = ("sexy {n} wallpaper", "{n} porn gif", "damn {n} meme", "nude {n} drawing", "{n} xxx sticker")


@dataclass(frozen=True)
class Pair:
    """A caption and the recipe of its picture.

    ``codes``: one or two glyph codes; ``degradation``: None for a clean picture, else one of DEGRADATIONS;
    ``kind``: bare, clean, background, sized, two, poor, junk, explicit or empty.
    """

    pair_id: str
    caption: str
    kind: str
    codes: tuple[str, ...]
    background: str = "white"
    scale: str = "normal"
    degradation: str | None = None


def with_article(name: str) -> str:
    """``name`` with "a" or "an", or as it is where an article would be wrong."""
    last = name.split()[-1]
    if name[0].isupper() and "-" not in name or (last.endswith("s") and not last.endswith("ss")):
        return name
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def _bare(random_: random.Random, glyph: Glyph, _other: Glyph) -> tuple[str, dict]:
    text = random_.choice(("{n}", "{n}", "{a}", "{N}"))
    degradation = random_.choice(DEGRADATIONS) if random_.random() < 0.12 else None
    return text, {"degradation": degradation}


def _clean(random_, glyph, _other):
    return random_.choice(_CLEAN), {}


def _background(random_, glyph, _other):
    return random_.choice(_ON_BACKGROUND), {"background": random_.choice(list(BACKGROUNDS))}


def _sized(random_, glyph, _other):
    scale = random_.choice(list(_SIZED))
    return random_.choice(_SIZED[scale]), {"scale": scale}


def _two(random_, glyph, other):
    return random_.choice(_TWO), {"codes": (glyph.code, other.code)}


def _poor(random_, glyph, _other):
    degradation = random_.choice(DEGRADATIONS)
    return random_.choice(_POOR[degradation]), {"degradation": degradation}


def _junk(random_, glyph, _other):
    return random_.choice(_JUNK), {"degradation": random_.choice((None, *DEGRADATIONS))}


def _explicit(random_, glyph, _other):
    return random_.choice(_EXPLICIT), {}


def _empty(random_, glyph, _other):
    return random_.choice(("", " ", "\t")), {}


_KINDS = {
    "bare": (0.20, _bare),
    "clean": (0.36, _clean),
    "background": (0.08, _background),
    "sized": (0.05, _sized),
    "two": (0.05, _two),
    "poor": (0.17, _poor),
    "junk": (0.05, _junk),
    "explicit": (0.01, _explicit),
    "empty": (0.03, _empty),
}


def make_pairs(n_pairs: int = N_PAIRS, seed: int = SEED, duplicate_share: float = 0.03) -> list[Pair]:
    """``n_pairs`` captions with their rendering recipes, the same for the same arguments.

    Glyphs differ in popularity (log-normal, as nouns do in captions), but each heads at least one pair in
    any ``n_pairs`` larger than the number of glyphs.
    """
    random_ = random.Random(seed)
    glyphs = load_glyphs()
    popularity = [random_.lognormvariate(0.0, 0.5) for _ in glyphs]
    subjects = list(glyphs) + random_.choices(glyphs, popularity, k=max(0, n_pairs - len(glyphs)))
    random_.shuffle(subjects)
    kinds, shares = list(_KINDS), [share for share, _ in _KINDS.values()]
    pairs: list[Pair] = []
    for index, glyph in enumerate(subjects[:n_pairs]):
        pair_id = f"pair-{index:06d}"
        if pairs and random_.random() < duplicate_share:
            pairs.append(Pair(**{**vars(random_.choice(pairs)), "pair_id": pair_id}))
            continue
        kind = random_.choices(kinds, shares)[0]
        other = random_.choice(glyphs)
        template, recipe = _KINDS[kind][1](random_, glyph, other)
        caption = template.format(
            n=glyph.name,
            a=with_article(glyph.name),
            N=glyph.name.title(),
            m=other.name,
            b=with_article(other.name),
            background=recipe.get("background", ""),
            number=random_.randint(100, 9999),
            digit=random_.randint(1, 9),
            price=f"{random_.randint(1, 99)}.99",
        )
        pairs.append(Pair(pair_id, caption, kind, recipe.pop("codes", (glyph.code,)), **recipe))
    return pairs
