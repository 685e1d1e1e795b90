"""Captions of the embedded world: what web alt text says of a scene, in two dialects.

In: a ``Scene`` and a seeded generator. Out: one caption; what it says is true of the scene's picture.
Good pictures go with words such as "glossy 3D render, soft light", poor ones with "blurry photo"; a caption
without style words can belong to either. Dialect A puts the subject first and style words last, dialect B
opens with the style or the place and has other words for the same: a study can match or mismatch them.
"""

from __future__ import annotations

import random

from c2i_lib.embedded.backdrops import PLAIN
from c2i_lib.embedded.named_scenes import named_scenes
from c2i_lib.embedded.nouns import NUMBERS, indefinite, is_plural, plural, with_article
from c2i_lib.embedded.painting import GREY_WEATHERS
from c2i_lib.embedded.scenes import Scene, Thing
from c2i_lib.embedded.sprites import sprites_by_name

DIALECTS = ("A", "B")
SYNONYM_SHARE = 0.3  # of the mentions of a thing that has synonyms

PLACE_PHRASES = {
    "sea": (("at sea", "on the sea"), ("on the water", "on the open ocean")),
    "beach": (("on the beach", "by the sea"), ("at the seaside", "on a sandy beach")),
    "meadow": (("on a meadow", "in a green meadow"), ("on the grass", "in a grassy field")),
    "forest": (("in the forest", "in a forest"), ("in the woods", "among the trees")),
    "mountains": (("in the mountains", "in front of mountains"), ("with mountains behind", "in an alpine landscape")),
    "desert": (("in the desert", "in a desert"), ("among sand dunes", "on desert sand")),
    "snow": (("in the snow", "in winter"), ("on a snowy hill", "in a winter landscape")),
    "street": (("on the street", "in the city"), ("on a city street", "in town")),
    "sky": (("in the sky", "among the clouds"), ("high up in the air", "against a blue sky with clouds")),
    "space": (("in space", "in outer space"), ("among the stars", "floating in the universe")),
    "underwater": (("under water", "under the sea"), ("below the surface of the sea", "on the sea floor")),
    "room": (("in a room", "at home"), ("in the living room", "indoors")),
    "table": (("on a table", "on a wooden table"), ("on the tabletop", "served on a table")),
    "stage": (("on a stage", "on stage"), ("in the spotlight", "in front of red curtains")),
    "garden": (("in a garden", "in the garden"), ("in front of a garden fence", "in the backyard")),
    "lake": (("by a lake", "at the lake"), ("on the shore of a lake", "beside a mountain lake")),
    "jungle": (("in the jungle", "in a jungle"), ("in the rainforest", "between tropical trees")),
    "park": (("in the park", "in a park"), ("on a path in the park", "in a city park")),
}  # fmt: skip
PLAIN_PHRASES = (("on a {c} background",), ("against a {c} backdrop", "in front of a {c} wall"))
TIME_PHRASES = {
    "day": (("during the day", "in daylight"), ("at noon", "on a bright day")),
    "dusk": (("at dusk", "at sunset"), ("in the evening", "in the evening light")),
    "night": (("at night", "by night"), ("by moonlight", "under a starry sky")),
}
HIDDEN_NIGHT = "in the dark"  # of a night without stars, in dialect B
WEATHER_PHRASES = {
    "sunny": (("on a sunny day", "in sunny weather"), ("in bright sunshine", "under the sun")),
    "cloudy": (("on a cloudy day", "in cloudy weather"), ("under grey clouds", "under an overcast sky")),
    "rain": (("in the rain", "on a rainy day"), ("in rainy weather", "while it rains")),
    "snowfall": (("in falling snow", "while it is snowing"), ("in a snowfall", "among snowflakes")),
    "storm": (("in a storm", "in a thunderstorm"), ("during a thunderstorm", "with lightning")),
    "fog": (("in the fog", "on a foggy day"), ("in thick mist", "on a misty day")),
    "rainbow": (("under a rainbow", "with a rainbow"), ("below a rainbow", "with a rainbow behind")),
}
RELATION_PHRASES = {
    "and": (("{a} and {b}", "{a} next to {b}"), ("{a} beside {b}", "{a} with {b}")),
    "on": (("{a} on {b}", "{a} on top of {b}"), ("{a} sitting on {b}", "{a} standing on {b}")),
    "under": (("{a} under {b}",), ("{a} beneath {b}", "{a} below {b}")),
    "behind": (("{a} behind {b}", "{b} in front of {a}"), ("{b} before {a}", "{a} in the background behind {b}")),
}
GOOD_FRAMES = {
    "3d": (
        ("{x}, glossy 3D render, soft light", "{x}, 3D render", "{x}, high quality 3D art", "{x}, 3D, vivid colors"),
        ("detailed 3D model, studio lighting: {x}", "polished digital sculpture: {x}", "computer animation still, {x}"),
    ),
    "flat": (
        ("{x}, flat vector illustration", "{x}, flat design, clean lines", "{x}, minimalist flat icon"),
        ("simple vector graphic of {x}", "flat color clip art: {x}", "paper-cut picture: {x}"),
    ),
    "noto": (
        ("{x}, cartoon", "{x}, cartoon style, bold colors", "{x}, hand-drawn cartoon"),
        ("comic drawing of {x}", "sticker of {x}, outlined", "cheerful cartoon art of {x}"),
    ),
}  # fmt: skip
POOR_FRAMES = {
    "blur": (("blurry photo of {x}", "{x}, out of focus"), ("unsharp snapshot: {x}", "fuzzy picture showing {x}")),
    "noise": (("grainy photo of {x}", "{x}, noisy"), ("old film still with grain, {x}", "high ISO shot of {x}")),
    "thumbnail": (("thumbnail of {x}", "{x}, low resolution, pixelated"), ("tiny gif of {x}", "small preview: {x}")),
    "jpeg": (("bad quality jpg of {x}", "{x}, jpeg artifacts"), ("over-compressed image of {x}", "web graphic, {x}")),
    "watermark": (("stock photo of {x}, watermark", "{x}, watermarked"), ("sample image: {x}", "preview copy of {x}")),
    "cropped": (("badly cropped photo of {x}", "{x}, cut off"), ("partial view of {x}", "detail shot, {x}")),
    "faded": (("faded photo of {x}", "{x}, washed out"), ("dull grey print of {x}", "old bleached postcard: {x}")),
    "dark": (("dark photo of {x}", "{x}, underexposed"), ("badly lit picture of {x}", "dim snapshot: {x}")),
}  # fmt: skip
NEUTRAL_FRAMES = (
    ("{x}", "{x}", "{x}", "a picture of {x}", "image of {x}"),
    ("{x}", "{x}", "{x}", "view of {x}", "picture showing {x}"),
)
TAILS = (" - image {n} of 12", " #{n}", " | free download", ".jpg", " - buy online", " ({n})")


def _pick(random_: random.Random, by_dialect: tuple, dialect: str) -> str:
    return random_.choice(by_dialect[DIALECTS.index(dialect)])


def describe_thing(thing: Thing, random_: random.Random, article_share: float = 0.9) -> str:
    """The noun phrase of a thing: "a red car", "two cats", "automobile"."""
    sprite, name = sprites_by_name()[thing.name], thing.name
    if thing.count == 1 and thing.color is None and sprite.synonyms and random_.random() < SYNONYM_SHARE:
        name = random_.choice(sprite.synonyms[:4])
    colored = f"{thing.color} {name}" if thing.color else name
    if thing.count > 1:
        return f"{random_.choice(NUMBERS[thing.count])} {plural(colored)}"
    if random_.random() > article_share:
        return colored
    return indefinite(colored) if thing.color and not is_plural(name) else with_article(colored)


def _describe_things(scene: Scene, random_: random.Random, dialect: str) -> str:
    share = 0.6 if len(scene.things) == 1 else 0.95
    phrases = [describe_thing(thing, random_, share) for thing in scene.things]
    if len(phrases) == 2:
        return _pick(random_, RELATION_PHRASES[scene.relation], dialect).format(a=phrases[0], b=phrases[1])
    return phrases[0]


def _circumstances(scene: Scene, random_: random.Random, dialect: str) -> list[str]:
    """Place, time and weather, each that the scene has; daylight is mostly not worth a word."""
    said = []
    if scene.place in PLAIN:
        said.append(_pick(random_, PLAIN_PHRASES, dialect).format(c=scene.place))
    elif scene.place:
        said.append(_pick(random_, PLACE_PHRASES[scene.place], dialect))
    if scene.weather:
        said.append(_pick(random_, WEATHER_PHRASES[scene.weather], dialect))
    if scene.time and (scene.time != "day" or not said):
        hidden = scene.time == "night" and (scene.weather in GREY_WEATHERS or scene.place == "room")  # no stars
        said.append(HIDDEN_NIGHT if hidden and dialect == "B" else _pick(random_, TIME_PHRASES[scene.time], dialect))
    return said


def describe(scene: Scene, random_: random.Random, dialect: str, may_invert: bool = True) -> str:
    """What is in the picture, no word on style or quality. ``may_invert``: dialect B may begin with the place."""
    if scene.named is not None:
        core = random_.choice(named_scenes()[scene.named].names)
        extra = _circumstances(Scene(time=scene.time, weather=scene.weather), random_, dialect)
        return " ".join([core, *extra])
    core, extra = _describe_things(scene, random_, dialect), _circumstances(scene, random_, dialect)
    if dialect == "B" and may_invert and extra and random_.random() < 0.4:
        return f"{' '.join(extra)}: {core}" if random_.random() < 0.5 else f"{' '.join(extra)}, {core}"
    return " ".join([core, *extra])


def write_caption(scene: Scene, random_: random.Random, dialect: str, styled: bool) -> str:
    """A caption of ``scene`` in ``dialect``. ``styled``: with words for its style, or for its flaw."""
    if not styled:
        frame = _pick(random_, NEUTRAL_FRAMES, dialect)
    elif scene.degradation:
        frame = _pick(random_, POOR_FRAMES[scene.degradation], dialect)
    else:
        frame = _pick(random_, GOOD_FRAMES[scene.style], dialect)
    content = describe(scene, random_, dialect, may_invert=not frame.endswith(("of {x}", "showing {x}")))
    caption = frame.format(x=content)
    chance = random_.random()
    if chance < 0.12:
        caption = caption[0].upper() + caption[1:]
    elif chance < 0.15:
        caption = caption.title()
    if random_.random() < 0.03:
        caption += random_.choice(TAILS).format(n=random_.randint(2, 99))
    return caption
