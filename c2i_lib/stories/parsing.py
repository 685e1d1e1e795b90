"""A story's text → a parsed document: sentences, words, their parts of speech and their places in the sentence.

In: plain text in English. Out: spaCy's ``Doc`` of the text with single spaces, where each character of it stands in
the text as given, and which words are spoken. Sentences end at ``.``, ``!`` or ``?`` before a capital, at an empty
line, and never inside a quotation. Ignored: quotations in single marks, which cannot be told from apostrophes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from c2i_lib.errors import C2IError
from c2i_lib.text.noun_phrases.wordnet import load_spacy

if TYPE_CHECKING:  # importing spaCy takes seconds
    from spacy.language import Language
    from spacy.tokens import Doc

MAX_CHARACTERS = 100_000
_MARKS = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"', "\u2019": "'"})
_PAIRED = {"``": '"', "''": '"'}  # as treebanks write quotation marks
_ABBREVIATIONS = frozenset("Mr. Mrs. Ms. Dr. St. Prof. Sr. Jr.".split())


@dataclass(frozen=True)
class Parsed:
    """``doc``; ``quotes``: of each token the number of the quotation it is in, or -1; ``places``: of each character of
    ``doc.text``, where it stands in the text as given."""

    doc: Doc
    quotes: tuple[int, ...]
    places: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the tokens from ``start`` to before ``end`` stand in the text as given."""
        last = self.doc[end - 1]
        return self.places[self.doc[start].idx], self.places[last.idx + len(last) - 1] + 1


@lru_cache(maxsize=1)
def load_pipeline() -> Language:
    """spaCy's English pipeline, whole but for its own sentences."""
    return load_spacy(("senter",))


def parse_story(text: str) -> Parsed:
    """Parse a story. Raises ``C2IError`` for one that is empty or longer than ``MAX_CHARACTERS``."""
    if not text.strip():
        raise C2IError("the story is empty: give some sentences of plain text")
    if len(text) > MAX_CHARACTERS:
        raise C2IError(
            f"a story should be at most {MAX_CHARACTERS:,} characters, found {len(text):,}: give a part of it"
        )
    words, places, paragraphs = _single_spaces(text)
    doc = load_pipeline().make_doc(words)
    return _finish(doc, tuple(places), paragraphs)


def parse_tokens(words: Sequence[str], spaces: Sequence[bool], sentence_starts: Sequence[bool]) -> Parsed:
    """Parse a story that another system has cut into words and sentences: these stay as they are.

    ``spaces``: whether a space follows each word. Places are those in the text that the words make.
    """
    from spacy.tokens import Doc

    if not words:
        raise C2IError("the story is empty: give some sentences")
    plain = [_PAIRED.get(word, word.translate(_MARKS)) for word in words]
    doc = Doc(load_pipeline().vocab, plain, list(spaces))
    starts = frozenset(token.idx for token, starts in zip(doc, sentence_starts, strict=True) if starts)
    return _finish(doc, tuple(range(len(doc.text))), frozenset(), starts)


def _finish(
    doc: Doc, places: tuple[int, ...], paragraphs: frozenset[int], starts: frozenset[int] | None = None
) -> Parsed:
    quotes = quotations(doc, paragraphs)
    for token in doc:
        known = token.idx in (paragraphs if starts is None else starts)
        token.is_sent_start = known or (starts is None and _starts_sentence(doc, token.i, quotes))
    for _, component in load_pipeline().pipeline:
        doc = component(doc)
    return Parsed(doc, quotes, places)


def _single_spaces(text: str) -> tuple[str, list[int], frozenset[int]]:
    """The text with single spaces and straight marks; where each character was; where paragraphs start."""
    characters, places, paragraphs = [], [], {0}
    for match in re.finditer(r"\S+", text):
        if characters:
            gap = text[places[-1] + 1 : match.start()]
            characters.append(" ")
            places.append(match.start() - 1)
            if gap.count("\n") > 1:
                paragraphs.add(len(characters))
        characters += match.group().translate(_MARKS)
        places += range(match.start(), match.end())
    return "".join(characters), places, frozenset(paragraphs)


def quotations(doc: Doc, paragraphs: frozenset[int] = frozenset()) -> tuple[int, ...]:
    """Of each token the number of the quotation that it is in, its marks with it, or -1. A paragraph ends it."""
    numbers, number, is_open = [], -1, False
    for token in doc:
        is_open = is_open and token.idx not in paragraphs
        is_mark = token.text == '"'
        number += is_mark and not is_open
        numbers.append(number if is_open or is_mark else -1)
        is_open ^= is_mark
    return tuple(numbers)


def _starts_sentence(doc: Doc, index: int, quotes: tuple[int, ...]) -> bool:
    """Whether a sentence ends before token ``index``: after a full stop and the marks that close on it."""
    if index == 0:
        return True
    last, token = index - 1, doc[index]
    if quotes[index] >= 0 and quotes[index] == quotes[last]:  # inside a quotation, or at the mark that closes it
        return False
    while last > 0 and doc[last].text in ('"', ")", "'"):
        last -= 1
    ends = doc[last].text in (".", "!", "?", "...") and doc[last].text not in _ABBREVIATIONS
    first = doc[index + 1] if token.text in ('"', "(") and index + 1 < len(doc) else token
    return ends and (first.text[0].isupper() or first.text[0].isdigit() or token.text == '"')
