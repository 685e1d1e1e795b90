"""What a picture of the world can show of a scene's parts: the classes that a judge tells apart.

In: ingredients of a scene, or a thing's name. Out: classes, and the names that are as right. Ignored: pixels.
"""

from __future__ import annotations

from c2i_lib.embedded.backdrops import INDOORS, PLACES, PLAIN
from c2i_lib.embedded.painting import TIMES, WEATHERS
from c2i_lib.embedded.recoloring import COLORS
from c2i_lib.embedded.sprites import STYLES, sprites_by_name

NONE = "none"  # of time and weather: the picture shows none, such as a thing on white
CLASSES: dict[str, tuple] = {
    "number": (1, 2, 3),
    "color": COLORS,
    "place": (*PLACES, *PLAIN),
    "time": (*TIMES, NONE),
    "weather": (*WEATHERS, NONE),
    "style": STYLES,
}
_TIMELESS = set(INDOORS) - {"room"} | set(PLAIN)  # a room has a window
_DRY = set(INDOORS) | set(PLAIN)


def visible_surroundings(place: str | None, time: str | None, weather: str | None) -> dict[str, str]:
    """What a picture with these ingredients shows as "place", "time" and "weather", each one of ``CLASSES``.

    A scene with a time or weather but without a place is "plain", one without any is "white". There is no time of day
    on a table and no sun at night.
    """
    bare = time is None and weather is None
    place = place or ("white" if bare else "plain")
    unseen_sun = weather == "sunny" and (time in ("dusk", "night") or place == "jungle")
    return {
        "place": place,
        "time": NONE if place in _TIMELESS else time or "day",
        "weather": NONE if place in _DRY or unseen_sun else weather or NONE,
    }


_OTHER_THINGS = set(
    "hot dog|computer mouse|teddy bear|carousel horse|musical keyboard|meat on bone|ferris wheel|clinking glasses|"
    "smiling face with sunglasses|red envelope".split("|")
)  # whose last word is another thing's name, of which they are no kind


def accepted_names(name: str) -> tuple[str, ...]:
    """Names of the things that a person would call ``name`` too: "polar bear" for bear, but not "hot dog" for dog."""
    kinds = [other for other in sprites_by_name() if other.lower().endswith(f" {name.lower()}")]
    return (name, *(other for other in kinds if other not in _OTHER_THINGS))
