"""The embedded world as a captioned data set: what a crawl of its web pages would give.

In: a number and a seed. Out: a list of ``Pair``: captions with the scenes that they describe. Most are ordinary alt
text in dialect A or B; some are file names and shop junk, duplicates, empties and explicit words, as on the web.
Each caption's ingredients are known, and ``ingredients`` writes them as columns.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from c2i_lib.embedded.grammar import DIALECTS, describe_thing
from c2i_lib.embedded.sampling import draw_example, draw_scene
from c2i_lib.embedded.scenes import Scene

N_PAIRS = 24_000
SEED = 2026
ODD_SHARES = {"junk": 0.05, "explicit": 0.01, "empty": 0.03}  # the rest is ordinary
DUPLICATE_SHARE = 0.03

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
    """A caption and its picture's scene.

    ``kind``: ordinary, junk, explicit or empty; ``dialect`` and ``styled`` as in ``sampling.Example``, None and
    False where the caption is not ordinary.
    """

    pair_id: str
    caption: str
    kind: str
    scene: Scene
    dialect: str | None = None
    styled: bool = False


def _odd_pair(kind: str, random_: random.Random) -> Pair:
    scene = draw_scene(random_, "single")
    name = describe_thing(scene.things[0], random_, article_share=0.0)
    text = random_.choice({"junk": _JUNK, "explicit": _EXPLICIT, "empty": ("", " ", "\t")}[kind])
    values = {"number": random_.randint(100, 9999), "digit": random_.randint(1, 9)}
    return Pair("", text.format(n=name, price=f"{random_.randint(1, 99)}.99", **values), kind, scene)


def make_pairs(n_pairs: int = N_PAIRS, seed: int = SEED, dialects: tuple[str, ...] = DIALECTS) -> list[Pair]:
    """``n_pairs`` captions with their scenes, the same for the same arguments, in the given ``dialects``."""
    random_ = random.Random(seed)
    kinds, shares = ("ordinary", *ODD_SHARES), (1 - sum(ODD_SHARES.values()), *ODD_SHARES.values())
    pairs: list[Pair] = []
    for index in range(n_pairs):
        if pairs and random_.random() < DUPLICATE_SHARE:
            pair = random_.choice(pairs)
        elif (kind := random_.choices(kinds, shares)[0]) == "ordinary":
            example = draw_example(random_, dialects=dialects)
            pair = Pair("", example.caption, kind, example.scene, example.dialect, example.styled)
        else:
            pair = _odd_pair(kind, random_)
        pairs.append(replace(pair, pair_id=f"pair-{index:06d}"))
    return pairs


def ingredients(scene: Scene) -> dict[str, str | int | None]:
    """The scene's ingredients as flat columns; None where it has none."""
    first, second = (*scene.things, None, None)[:2]
    return {
        "thing": first.name if first else None,
        "color": first.color if first else None,
        "count": first.count if first else None,
        "relation": scene.relation,
        "other_thing": second.name if second else None,
        "other_color": second.color if second else None,
        "place": scene.place,
        "time": scene.time,
        "weather": scene.weather,
        "named_scene": scene.named,
        "style": scene.style,
        "degradation": scene.degradation,
    }
