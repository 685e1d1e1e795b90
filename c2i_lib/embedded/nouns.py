"""English around a thing's name: article, plural, number."""

from __future__ import annotations

import re

_PROPER = {
    "Santa Claus",
    "Mrs. Claus",
    "Father Christmas",
    "Santa",
    "Saturn",
    "Mount Fuji",
    "mount fuji",
    "planet Earth",
}
_WITH_THE = re.compile(
    r"^(flag of|map of|Statue|Tokyo tower|Eiffel|Golden Gate|milky way|globe showing|"
    r"Earth$|sun$|moon$|sun with|sun behind)"
)
_MASS = set(
    (
        "bread|popcorn|bacon|butter|salt|garlic|spaghetti|sushi|ice|wood|fog|soap|sake|yarn|thread|coral|oden|fondue|"
        "tennis|bowling|badminton|lacrosse|ice hockey|field hockey|ping pong|horse racing|cooked rice|curry rice|"
        "cooking|fire|foggy|sunrise|sunset|money|pasta|pudding|toast|fries|chips|coffee|beer|champagne|sunshine|rain|"
        "poop|cutlery|porridge|cereal|lunch|soda|steak|lettuce|kale|camping|karate|judo|boxing|yoga|meditation|"
        "broccoli|canned food|ginger root|leafy green|dna|denim|mining|laundry|edamame|naan|plumage|timber|lavender|"
        "performing arts|construction|tempura|paella|prawn|pho"
    ).split("|")
)
_PLURAL_ENDING = re.compile(r"(?<![s])s$")
_SINGULAR_IN_S = {
    "bus",
    "trolleybus",
    "minibus",
    "cactus",
    "octopus",
    "walrus",
    "lotus",
    "hibiscus",
    "compass",
    "dress",
    "glass",
    "abacus",
    "asparagus",
    "princess",
    "badminton",
    "Tyrannosaurus",
    "brontosaurus",
    "circus",
    "Christmas",
    "bus stop",
    "hippopotamus",
    "rhinoceros",
    "Santa Claus",
    "atlas",
    "T-Rex",
    "Tyrannosaurus rex",
    "palace",
    "lens",
    "tennis",
    "gas",
    "canvas",
    "iris",
    "virus",
    "colossus",
}
_AN = re.compile(r"^([ai]|e(?!u|we)|o(?!ne)|u(?!ni|se|k[aeu]|rn|FO|ti)|hour|x-ray|SUV|S\b|L\b|8|11|18)", re.IGNORECASE)
_IRREGULAR = {
    "man": "men", "woman": "women", "person": "people", "child": "children", "mouse": "mice", "sheep": "sheep",
    "fish": "fish", "goose": "geese", "tooth": "teeth", "foot": "feet", "ox": "oxen", "deer": "deer",
    "moose": "moose", "bison": "bison", "squid": "squid", "shrimp": "shrimp", "knife": "knives", "leaf": "leaves",
    "wolf": "wolves", "loaf": "loaves", "scarf": "scarves", "elf": "elves", "potato": "potatoes", "tomato": "tomatoes",
    "mango": "mangoes", "volcano": "volcanoes", "mosquito": "mosquitoes", "hero": "heroes", "superhero": "superheroes",
    "buffalo": "buffalo", "cactus": "cacti", "snowman": "snowmen", "policeman": "policemen", "fireman": "firemen",
    "businessman": "businessmen", "businesswoman": "businesswomen", "aircraft": "aircraft", "gentleman": "gentlemen",
    "torpedo": "torpedoes", "domino": "dominoes", "blowfish": "blowfish", "jellyfish": "jellyfish", "salmon": "salmon",
    "die": "dice", "calf": "calves", "thief": "thieves", "grouse": "grouse", "swine": "swine",
}  # fmt: skip
NUMBERS = {2: ("two", "a pair of"), 3: ("three", "three")}


def _head_and_rest(name: str) -> tuple[str, str]:
    """ "cup of coffee" → ("cup", " of coffee"): the part that takes the plural, and what follows it."""
    match = re.search(r" (of|with|in|on|and|behind|at|from|without|blowing|wearing)\b", name)
    return (name[: match.start()], name[match.start() :]) if match else (name, "")


def is_plural(name: str) -> bool:
    """Whether the name is a plural already, such as "jeans" or "grapes"."""
    last = _head_and_rest(name)[0].split()[-1]
    return (
        bool(_PLURAL_ENDING.search(last)) and last not in _SINGULAR_IN_S or last in ("men", "women", "people", "dice")
    )


def is_countable(name: str) -> bool:
    """Whether "two" can stand before the name's plural."""
    proper = name in _PROPER or _WITH_THE.match(name) or name[0].isdigit()
    return not (proper or " and " in name or name in _MASS or is_plural(name))


def with_article(name: str) -> str:
    """``name`` with "a", "an" or "the", or as it is where none belongs."""
    if _WITH_THE.match(name):
        return f"the {name}"
    if name in _PROPER or name in _MASS or is_plural(name):
        return name
    return indefinite(name)


def indefinite(phrase: str) -> str:
    """``phrase`` with "a" or "an" by its sound."""
    return f"{'an' if _AN.match(phrase) else 'a'} {phrase}"


def plural(name: str) -> str:
    """The plural of a countable name; only its head noun changes."""
    head, rest = _head_and_rest(name)
    *before, last = head.split()
    lower = last.lower()
    if lower in _IRREGULAR:
        last = _IRREGULAR[lower]
    elif lower.endswith(("s", "x", "ch", "sh", "z")):
        last += "es"
    elif lower.endswith("y") and lower[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*before, last]) + rest
