"""What a person wants in a prompt and does not want in it.

In: words to keep and to ban, a style, a length; a text that an arm wrote. Out: the text as it is rendered, and what was
done to it. The study has no wishes: its prompts are as the arms write them. Ignored: what words mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from c2i_lib.errors import C2IError
from c2i_lib.stages.prompts.window import Window

MAX_LENGTH = 500  # tokens; more than any TTI model sees


def has_word(text: str, word: str) -> bool:
    """Whether ``text`` has ``word`` (or words) as a whole, in any case."""
    return bool(_pattern(word).search(text))


def _pattern(word: str) -> re.Pattern:
    return re.compile(r"(?<!\w)" + r"\s+".join(map(re.escape, word.split())) + r"(?!\w)", re.IGNORECASE)


def _words(name: str, given: str | Sequence[str]) -> tuple[str, ...]:
    words = tuple(" ".join(word.split()) for word in ([given] if isinstance(given, str) else given))
    if not all(re.search(r"\w", word) for word in words):
        raise C2IError(f"{name} should be words, such as tree, found {list(words)}")
    return tuple(dict.fromkeys(words))


@dataclass(frozen=True)
class Wishes:
    """``keep``: words that must stand in a prompt; ``ban``: words that never do; ``style``: words that are put after
    it; ``length``: its tokens at most, as the arm's model counts them, without the style (None: as in the study).

    Raises ``C2IError`` for wishes that contradict each other.
    """

    keep: tuple[str, ...] = ()
    ban: tuple[str, ...] = ()
    style: str = ""
    length: int | None = None

    def __post_init__(self):
        for name in ("keep", "ban"):
            object.__setattr__(self, name, _words(name, getattr(self, name)))
        object.__setattr__(self, "style", " ".join(self.style.split()).strip(" ,;"))
        for wanted in (*self.keep, self.style):
            self.refuse_banned(wanted, f"{wanted!r} is wanted")
        if self.length is not None and not 1 <= self.length <= MAX_LENGTH:
            raise C2IError(f"length should be 1 to {MAX_LENGTH} tokens, found {self.length}")

    def refuse_banned(self, text: str, what: str) -> None:
        """Raise ``C2IError`` where ``text``, which has to be in the prompt, has a banned word."""
        banned = [word for word in self.ban if has_word(text, word)]
        if banned:
            raise C2IError(f"{what}, and it has the banned {', '.join(map(repr, banned))}: give up one of the two")

    def lacks(self, text: str) -> list[str]:
        """The words to keep that ``text`` does not have."""
        return [word for word in self.keep if not has_word(text, word)]

    def breaks(self, text: str) -> list[str]:
        """The banned words that ``text`` has."""
        return [word for word in self.ban if has_word(text, word)]


NO_WISHES = Wishes()


@dataclass(frozen=True)
class Finished:
    """A text that fits the window. ``lost``: what did not fit. ``appended``: words to keep that had to be put after it;
    ``removed``: banned words that had to be taken out of it."""

    text: str
    lost: str
    appended: tuple[str, ...]
    removed: tuple[str, ...]


def finish(text: str, concept: str, wishes: Wishes, window: Window) -> Finished:
    """``text`` with what it lacks and the style after it, all within the window: it is the text's own end that is cut.

    Raises ``C2IError`` where the concept with these words is longer than the window.
    """
    removed = wishes.breaks(text)
    for word in removed:
        text = " ".join(_pattern(word).sub("", text).split()).replace(" ,", ",")
    appended: list[str] = []
    while True:  # a text that is cut to make room may lose another word to keep
        parts = [part for part in (*appended, wishes.style) if part]
        tail = "".join(f", {part}" for part in parts)
        body = text.rstrip(" ,;:.") if tail else text
        _check_room(concept, tail, window)
        fitted = window.fit(body, tail)
        new = [word for word in wishes.lacks(fitted["text"]) if word not in appended]
        if not new:
            break
        appended += new
    n_body = len(fitted["text"]) - len(tail)
    return Finished(fitted["text"], body[n_body:].strip(" ,;"), tuple(appended), tuple(removed))


def _check_room(concept: str, tail: str, window: Window) -> None:
    if tail and window.count(concept + tail) > window.size:
        raise C2IError(
            f"the concept, the words to keep and the style should fit into the TTI model's {window.size} tokens, found "
            f"{window.count(concept + tail)}: shorten them"
        )
