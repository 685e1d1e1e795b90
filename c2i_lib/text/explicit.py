"""Explicit text: which captions hold a word of the blacklist, or a disguised one.

In: captions. Out: a bool per caption. The paper filtered with "a blacklist of 835 words" (Method) that it does not
publish; the default here is the list of the package better-profanity (917 entries, MIT), and any other list can be
given. One RE2 expression does the work, because it takes the same time for one word as for a thousand.
Ignored: meaning. ``benchmarks/explicit_text.py`` tells how often the list is wrong on real captions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from c2i_lib.errors import CaptionError, MissingPackageError

# \b and \w of RE2 know ASCII only, so that \b would see a word boundary inside "assé".
_START, _END = r"(?:^|[^\pL\pM\pN_])", r"(?:[^\pL\pM\pN_]|$)"
_LOOKALIKES = {"a": "a@4", "b": "b8", "e": "e3", "g": "g9", "i": "i1!", "l": "l1", "o": "o0", "s": "s$5", "t": "t7"}
_SEPARATOR = r"[ .*_\-]"
_SHORTEST_DISGUISED = 4  # letters; shorter words meet by chance: "4ss" is a part number


def read_words(path: str | Path | None) -> tuple[str, ...]:
    """The blacklist in ``path`` (UTF-8, an entry a line, ``*`` at its end for any ending), or the default list.

    Raises ``CaptionError`` for a file that is missing or empty, ``MissingPackageError`` without better-profanity.
    """
    if path is None:
        return _default_words()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaptionError(f"captions.explicit_words: {path} cannot be read as UTF-8 text: {error}") from error
    words = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not words:
        raise CaptionError(f"captions.explicit_words: {path} has no word; give one entry a line")
    return words


@lru_cache(maxsize=1)
def _default_words() -> tuple[str, ...]:
    try:
        text = files("better_profanity").joinpath("profanity_wordlist.txt").read_text(encoding="utf-8")
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "the blacklist of explicit words is in the package better-profanity, which is not installed. "
            "Run: python -m pip install -r requirements.txt"
        ) from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())


@lru_cache(maxsize=4)
def explicit_pattern(words: tuple[str, ...]) -> str:
    """The blacklist as one RE2 expression: whole words and phrases, to be matched without regard to case."""
    # Not \b: some entries begin or end with a sign, where it never matches.
    entries = sorted(re.escape(word.rstrip("*")) + r"[\pL\pN_]*" * word.endswith("*") for word in words)
    return f"{_START}(?:{'|'.join(entries)}){_END}"


@lru_cache(maxsize=4)
def _disguised_pattern(words: tuple[str, ...]) -> str:
    """The longer words with look-alike signs for letters (``p0rn``), or a sign between all letters (``p.o.r.n``)."""
    entries = set()
    for word in words:
        if word.isascii() and word.isalpha() and len(word) >= _SHORTEST_DISGUISED:
            letters = [f"[{_LOOKALIKES.get(letter, letter)}]" for letter in word.lower()]
            entries |= {"".join(letters), _SEPARATOR.join(letters)}
    return "|".join(sorted(entries))


def is_explicit(texts: Sequence[str] | pa.Array, words: tuple[str, ...] | None = None) -> np.ndarray:
    """Bool array ``(n,)``: which of ``texts`` hold an entry of the blacklist as a whole word, in any case."""
    pattern = explicit_pattern(words or _default_words())
    return _to_numpy(pc.match_substring_regex(_to_arrow(texts), pattern, ignore_case=True))


def is_disguised(texts: Sequence[str] | pa.Array, words: tuple[str, ...] | None = None) -> np.ndarray:
    """Bool array ``(n,)``: which of ``texts`` hold a disguised word of the blacklist (``p0rn``, ``p o r n``).

    A match counts when at least half of its signs are letters: 7175 is a number.
    """
    array, pattern = _to_arrow(texts), _disguised_pattern(words or _default_words())
    result = _to_numpy(pc.match_substring_regex(array, f"{_START}(?:{pattern}){_END}", ignore_case=True))
    found = _compiled(pattern)
    for index in np.flatnonzero(result):
        text = array[int(index)].as_py()
        result[index] = any(_is_mostly_letters(match.group()) for match in found.finditer(text))
    return result


@lru_cache(maxsize=4)
def _compiled(pattern: str) -> re.Pattern:
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)


def _is_mostly_letters(found: str) -> bool:
    signs = re.sub(_SEPARATOR, "", found)
    is_written_out = len(signs) == len(found)
    n_letters = sum(sign.isalpha() for sign in signs)
    return 2 * n_letters >= len(signs) and (is_written_out or n_letters >= _SHORTEST_DISGUISED)


def _to_arrow(texts: Sequence[str] | pa.Array) -> pa.Array:
    return texts if isinstance(texts, pa.Array) else pa.array(list(texts), pa.string())


def _to_numpy(array: pa.Array) -> np.ndarray:
    return array.to_numpy(zero_copy_only=False)
