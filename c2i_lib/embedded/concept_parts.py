"""The parts of a concept or caption: which things, how many, of what colour, where, when, in what weather and style.

In: a text. Out: its parts, as far as the world's own words name them: names and synonyms of things, names of scenes,
and the phrases of both dialects of ``grammar``. A noun that no thing has for a name is ``unknown``, unless the caller
knows what word of the world it means. Ignored: words of quality, and adjectives other than colours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from c2i_lib.embedded.backdrops import PLAIN
from c2i_lib.embedded.grammar import (
    GOOD_FRAMES,
    HIDDEN_NIGHT,
    NEUTRAL_FRAMES,
    PLACE_PHRASES,
    PLAIN_PHRASES,
    POOR_FRAMES,
    RELATION_PHRASES,
    TAILS,
    TIME_PHRASES,
    WEATHER_PHRASES,
)
from c2i_lib.embedded.named_scenes import named_scenes
from c2i_lib.embedded.nouns import is_countable, plural
from c2i_lib.embedded.recoloring import COLORS
from c2i_lib.embedded.sprites import sprites_by_name, sprites_by_word

Nearest = Callable[[str], str | None]

# Beyond the captions' own words, those that people use for the same.
_MORE_PHRASES = {
    "place": {"in the water": "sea", "in the ocean": "sea", "in the sea": "sea", "at the beach": "beach"}
    | {"in a meadow": "meadow", "in the grass": "meadow", "on the road": "street", "on the moon": "space"}
    | {"in snow": "snow", "in the woods": "forest", "in the kitchen": "room", "in the bedroom": "room"},
    "time": {"at dawn": "dusk", "at sunrise": "dusk", "at midnight": "night", "in the morning": "day"}
    | {"in the night": "night", "at noon": "day", "at twilight": "dusk"},
    "weather": {"in fog": "fog", "in rain": "rain", "in the sunshine": "sunny", "in the mist": "fog"},
}
_STYLE_WORDS = {
    "3d": ("3d", "glossy", "render", "rendering", "sculpture"),
    "flat": ("flat", "vector", "minimalist", "paper-cut"),
    "noto": ("cartoon", "comic", "sticker", "hand-drawn"),
}
_COLOR_WORDS = {color: color for color in COLORS} | {"gray": "grey", "violet": "purple"}
_NUMBER_WORDS = {"one": 1, "single": 1, "1": 1, "two": 2, "pair of": 2, "couple of": 2, "2": 2, "three": 3, "3": 3}
_NO_ADJECTIVES = {
    "of",
    "with",
    "in",
    "on",
    "without",
    "and",
    "at",
    "to",
    "under",
    "behind",
    "below",
    "beneath",
    "beside",
}
_PREPOSITION = re.compile(
    r"^(?:in front of|on top of|on shore of|high up in|floating in|served on|during|while it is|while it|under|among|"
    r"between|below|behind|beside|against|with|on|in|at|by) "
)
_NO_CIRCUMSTANCE = {
    "home",
    "air",
    "sun",
    "trees",
    "stars",
    "rainbow",
    "rains",
    "snowing",
    "water",
}  # mean more than that
_FRAME = re.compile(
    r"^(?P<words>(?:[\w-]+ ){0,4})(?:picture|image|photo|photograph|drawing|illustration|painting|render|icon|"
    r"view|art|graphic|model|sculpture|cartoon|sticker) (?:of|showing) (?P<x>.+)$"
)


@dataclass(frozen=True)
class AskedThing:
    """``name`` of a sprite; ``color`` and ``number`` (1 to 3) None where the text says none."""

    name: str
    color: str | None = None
    number: int | None = None


@dataclass(frozen=True)
class ConceptParts:
    """What a text asks for; None and empty where it says nothing.

    Things, place, time and weather of a ``named`` scene are that scene's. ``relation`` of the first thing to the
    second: one of ``scenes.RELATIONS``. ``flaw``: one of ``degradations.DEGRADATIONS``. ``unknown``: noun phrases,
    without articles and in lower case, that are the name of nothing in the world.
    """

    things: tuple[AskedThing, ...] = ()
    relation: str | None = None
    place: str | None = None
    time: str | None = None
    weather: str | None = None
    style: str | None = None
    named: str | None = None
    flaw: str | None = None
    unknown: tuple[str, ...] = ()


def plain_words(text: str) -> str:
    """``text`` in lower case without articles and double spaces; commas and colons are words of their own."""
    words = re.findall(r"[,:]|[\w&'’.#-]+", text.lower())
    words = [word.strip(".") for word in words if word not in ("a", "an", "the")]
    return " ".join(word for word in words if word)


def _phrases(table: dict[str, tuple]) -> dict[str, str]:
    return {plain_words(phrase): key for key, dialects in table.items() for one in dialects for phrase in one}


@lru_cache(maxsize=1)
def _circumstances() -> dict[str, tuple[str, str]]:
    """``{phrase: (kind, class)}`` of places, times and weathers, longer phrases first."""
    tables = {"place": PLACE_PHRASES, "time": TIME_PHRASES, "weather": WEATHER_PHRASES}
    found = {plain_words(phrase): (kind, key) for kind, more in _MORE_PHRASES.items() for phrase, key in more.items()}
    found |= {phrase: (kind, key) for kind, table in tables.items() for phrase, key in _phrases(table).items()}
    found[plain_words(HIDDEN_NIGHT)] = ("time", "night")
    for color in PLAIN:
        for phrase in (phrase for one in PLAIN_PHRASES for phrase in one):
            found[plain_words(phrase.format(c=color))] = ("place", color)
    return dict(sorted(found.items(), key=lambda entry: -len(entry[0])))


@lru_cache(maxsize=1)
def _bare_circumstances() -> dict[str, tuple[str, str]]:
    """The same without their prepositions, as concepts have them: "snow", "black background"."""
    bare = {_PREPOSITION.sub("", phrase): found for phrase, found in reversed(_circumstances().items())}
    return {phrase: found for phrase, found in bare.items() if phrase not in _NO_CIRCUMSTANCE}


@lru_cache(maxsize=1)
def _frames() -> list[tuple[str, str, str | None, str | None]]:
    """``(before, after, style, flaw)`` of what captions put around their content, longer ones first."""
    framed = [(frame, style, None) for style, one in GOOD_FRAMES.items() for dialect in one for frame in dialect]
    framed += [(frame, None, flaw) for flaw, one in POOR_FRAMES.items() for dialect in one for frame in dialect]
    framed += [(frame, None, None) for dialect in NEUTRAL_FRAMES for frame in dialect if frame != "{x}"]
    split = [(*map(plain_words, frame.split("{x}")), style, flaw) for frame, style, flaw in framed]
    return sorted(split, key=lambda entry: -len(entry[0] + entry[1]))


@lru_cache(maxsize=1)
def _relations() -> list[tuple[str, str, bool]]:
    """``(infix, relation, swapped)``, longer infixes first; ``swapped``: the second thing comes first."""
    found = {}
    for relation, dialects in RELATION_PHRASES.items():
        for template in (template for one in dialects for template in one):
            infix = plain_words(template.replace("{a}", "").replace("{b}", ""))
            found[infix] = (relation, template.startswith("{b}"))
    return [(infix, *found[infix]) for infix in sorted(found, key=len, reverse=True)]


@lru_cache(maxsize=1)
def _scenes() -> dict[str, str]:
    """``{name in plain words: first name}`` of named scenes."""
    return {plain_words(name): first for first, recipe in named_scenes().items() for name in recipe.names}


@lru_cache(maxsize=1)
def _singulars() -> dict[str, str]:
    """``{name or synonym in plain words: name of the sprite}``."""
    return {plain_words(word): sprite.name for word, sprite in sprites_by_word().items()}


@lru_cache(maxsize=1)
def _plurals() -> dict[str, str]:
    words = {**sprites_by_word(), **{name: sprite for name, sprite in sprites_by_name().items()}}
    return {plain_words(plural(word)): sprite.name for word, sprite in words.items() if is_countable(word)}


def words_of_the_world() -> tuple[str, ...]:
    """Names and synonyms of things, then names of scenes: what another noun may be near to."""
    return (*sprites_by_word(), *(name for recipe in named_scenes().values() for name in recipe.names))


def _without_frame(text: str) -> tuple[str, str | None, str | None]:
    """The content of a caption in plain words, its style and its flaw."""
    for tail in TAILS:
        text = re.sub(re.escape(tail).replace(r"\{n\}", r"\d+") + r"$", "", text, flags=re.IGNORECASE)
    words = plain_words(text)
    for before, after, style, flaw in _frames():
        if words.startswith(f"{before} ".lstrip()) and words.endswith(f" {after}".rstrip()):
            inside = words[len(before) : len(words) - len(after)].strip()
            if inside:
                return inside, style, flaw
    style = None
    if match := _FRAME.match(words):
        words, style = match["x"], _style_of(words[: -len(match["x"])])
    *content, last = words.split(" , ")
    if content and _style_of(last) and set(last.split()) <= _style_vocabulary():
        words, style = " , ".join(content), _style_of(last)
    return words, style, None


@lru_cache(maxsize=1)
def _style_vocabulary() -> set[str]:
    """All words that can stand in a style's part of a caption."""
    frames = (frame for one in GOOD_FRAMES.values() for dialect in one for frame in dialect)
    words = {word for frame in frames for word in plain_words(frame.replace("{x}", "")).split()}
    return words | {word for one in _STYLE_WORDS.values() for word in one} | {"drawing", "picture", "illustration"}


def _style_of(words: str) -> str | None:
    said = set(words.split())
    return next((style for style, names in _STYLE_WORDS.items() if said & set(names)), None)


def _strip_one(words: str, taken: set[str]) -> tuple[str, str, str] | None:
    """``words`` without a circumstance at its end or beginning, the circumstance's kind and class; None without one."""
    for phrase, (kind, key) in _circumstances().items():
        if kind in taken:
            continue
        if words.endswith(f" {phrase}"):
            return words[: -len(phrase)].rstrip(" ,:"), kind, key
        if words.startswith(f"{phrase} "):
            return words[len(phrase) :].lstrip(" ,:"), kind, key
    return None


def _number_and_rest(phrase: str) -> tuple[str, str]:
    """ "pair of red cats" → ("pair of", "red cats"); the first is empty where no number is said."""
    said = next((word for word in _NUMBER_WORDS if phrase.startswith(f"{word} ")), "")
    return said, phrase[len(said) :].strip()


def _read_exact(phrase: str) -> AskedThing | None:
    """The thing of a noun phrase in plain words: number, colour and name, nothing else."""
    if phrase in _singulars():
        return AskedThing(_singulars()[phrase])
    said, rest = _number_and_rest(phrase)
    number, color = _NUMBER_WORDS.get(said), None
    tables = (_plurals(), _singulars()) if number in (2, 3) else (_singulars(), _plurals())
    first, _, after = rest.partition(" ")
    if not any(rest in table for table in tables) and first in _COLOR_WORDS and after:
        color, rest = _COLOR_WORDS[first], after
    return next((AskedThing(table[rest], color, number) for table in tables if rest in table), None)


def _read_loosely(phrase: str, nearest: Nearest | None) -> AskedThing | None:
    """The thing of a noun phrase with adjectives ("two sleepy cats"), or of one that is only near to a thing's name."""
    if thing := _read_exact(phrase):
        return thing
    said, rest = _number_and_rest(phrase)
    words = rest.split(" ")
    for start in range(1, len(words)):
        if words[start - 1] in _NO_ADJECTIVES:
            break
        if thing := _read_exact(" ".join([said, *words[start:]]).strip()):
            colors = [_COLOR_WORDS[word] for word in words[:start] if word in _COLOR_WORDS]
            return replace(thing, color=thing.color or next(iter(colors), None))
    word = nearest(rest) if nearest else None
    if word not in sprites_by_word():
        return None
    return AskedThing(sprites_by_word()[word].name, None, _NUMBER_WORDS.get(said))


def _splits(core: str) -> Iterator[tuple[str, str, str]]:
    """``(first phrase, second phrase, relation)`` for every place where a relation's words stand."""
    for infix, relation, swapped in _relations():
        for match in re.finditer(rf" {re.escape(infix)} ", core):
            before, after = core[: match.start()], core[match.end() :]
            yield (after, before, relation) if swapped else (before, after, relation)


def _read_core(core: str, parts: ConceptParts, nearest: Nearest | None) -> ConceptParts:
    """``parts`` with the things of ``core``: one, or two in a relation; what is not understood becomes unknown."""
    if thing := _read_exact(core):
        return replace(parts, things=(thing,))
    readers = [_read_exact, lambda phrase: _read_loosely(phrase, None), lambda phrase: _read_loosely(phrase, nearest)]
    for read in readers:
        for first, second, relation in _splits(core):
            things = read(first), read(second)
            if all(things):
                return replace(parts, things=things, relation=relation)
    if thing := _read_loosely(core, nearest):
        return replace(parts, things=(thing,))
    word = nearest(core) if nearest else None
    if word and plain_words(word) in _scenes():
        return _with_scene(parts, _scenes()[plain_words(word)])
    for phrases in _splits(core):
        for phrase, other in (phrases[:2], phrases[1::-1]):
            if thing := _read_loosely(phrase, nearest):
                return replace(parts, things=(thing,), unknown=(other,))
    return replace(parts, unknown=(core,))


def _with_scene(parts: ConceptParts, named: str) -> ConceptParts:
    """``parts`` with those of a named scene; a time or weather that the text itself says counts instead."""
    recipe = named_scenes()[named]
    things = {item.name: AskedThing(item.name, item.color) for item in recipe.items}
    return replace(
        parts,
        named=named,
        things=tuple(things.values()),
        place=recipe.place,
        time=parts.time or recipe.time,
        weather=parts.weather or recipe.weather,
    )


def read_concept(text: str, nearest: Nearest | None = None, scene_first: bool = False) -> ConceptParts:
    """The parts of ``text``. ``nearest``: a noun phrase → the one of ``words_of_the_world`` it means, or None.

    ``scene_first``: a word for a scene or place as well as for a thing ("a wedding", "rain") means the former.
    """
    core, style, flaw = _without_frame(text)
    parts = ConceptParts(style=style, flaw=flaw)
    while core:
        if core in _scenes() and (scene_first or core not in _singulars()):
            return _with_scene(parts, _scenes()[core])
        taken = {kind for kind in ("place", "time", "weather") if getattr(parts, kind)}
        if core in _bare_circumstances() and (scene_first or core not in _singulars()):
            kind, key = _bare_circumstances()[core]
            return replace(parts, **{kind: getattr(parts, kind) or key})
        if core in _singulars() or not (found := _strip_one(core, taken)):
            break
        core, kind, key = found
        parts = replace(parts, **{kind: key})
    return _read_core(core, parts, nearest) if core else parts


def readings(text: str, nearest: Nearest | None = None) -> tuple[ConceptParts, ...]:
    """The one or two things that ``text`` can mean."""
    return tuple(dict.fromkeys(read_concept(text, nearest, scene_first) for scene_first in (False, True)))
