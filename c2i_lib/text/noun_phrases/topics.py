"""The topic of a caption: its main noun phrase.

In: caption texts. Out: one phrase per caption, or an empty string. The paper's future work is "explicitly tagging a
main topic for captions in the dataset" (Conclusion); it gives no rule, so this one is ours. Ignored: pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from c2i_lib.text.noun_phrases.parser import BATCH_SIZE, name_of, parse, run_batches, words_of
from c2i_lib.text.noun_phrases.unlikely_subjects import MEDIUM_WORDS, STYLE_WORDS, unlikely_subject
from c2i_lib.text.noun_phrases.wordnet import load_nouns, singular

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span


def topic_tag(topic: str) -> str:
    """What stands before a caption about ``topic`` in the arm ``ft_topic``; nothing where there is no topic."""
    return f"[{topic}] " if topic else ""


def main_phrase(document: Doc) -> str:
    """The first noun phrase that can be a picture's subject, or else the first one, or an empty string.

    First, because captions begin with what they show ("a dog on the beach"); but not a medium, a view or a measure,
    because many begin with those ("illustration of a cat", "front view of an old house"), nor a style or a place
    ("studio lighting: a cat", "in the snow, a cat"): what follows a colon and what no preposition of place leads in
    come first. Words for the medium at its end are left out ("trombone icon"). Where the parser sees no noun in
    "raccoon on top of a bat", what WordNet calls a thing is one.
    """
    first, best = "", (3, "")
    colon = max((token.i for token in document if token.text == ":"), default=-1)
    for chunk in document.noun_chunks:
        words = words_of(chunk)
        first = first or (name_of(words)[0] if words else "")
        while words and (words[-1][0] in MEDIUM_WORDS or not words[-1][1].startswith("NN")):
            words.pop()
        if words and not unlikely_subject(*name_of(words)):
            phrase, head = name_of(words)
            is_medium = chunk.root.lower_ in MEDIUM_WORDS and head not in _things()  # "blurry photo"
            rank = 2 if is_medium or head in STYLE_WORDS else _is_circumstance(chunk) or chunk.start < colon
            best = min(best, (int(rank), phrase), key=lambda pair: pair[0])
    return (best[0] > 0 and _named_at_the_front(document, colon + 1)) or best[1] or first


@lru_cache(maxsize=1)
def _things() -> frozenset[str]:
    nouns = load_nouns()
    return frozenset(nouns.index[nouns["physical"]])


def _named_at_the_front(document: Doc, start: int) -> str:
    """The words before the first preposition or comma, where the last one names a thing; else an empty string."""
    words: list[str] = []
    for token in document[start:]:
        if token.tag_ in ("IN", "CC", "TO", ",", ":", ".", "-LRB-", "HYPH"):
            break
        if token.tag_ not in ("DT", "CD", "PRP$"):
            words.append(token.lower_)
    thing = bool(words) and len(words) <= 3 and all(word.isalpha() for word in words)
    head = singular(words[-1]) if thing else ""
    phrase = " ".join([*words[:-1], head])
    return (
        phrase if head in _things() and not {*words, head} & STYLE_WORDS and not unlikely_subject(phrase, head) else ""
    )


def _is_circumstance(chunk: Span) -> bool:
    """Whether a noun chunk says where, when or with what: that of "in the snow", but not that of "of a cat"."""
    token = chunk.root
    while token.dep_ == "pobj" and token.head.dep_ == "prep":
        if token.head.lower_ != "of":
            return True
        token = token.head.head
    return False


def topics_of_batch(texts: Sequence[str], first_row: int = 0) -> list[str]:
    """The topics of a batch; ``first_row`` is not used (``run_batches`` gives it)."""
    return [main_phrase(document) for document in parse(texts)]


def topics(texts: Sequence[str], n_workers: int | None = None) -> list[str]:
    """The topic of each text. ``n_workers``: processes, one per processor by default for many captions."""
    parts = run_batches(topics_of_batch, texts, BATCH_SIZE, n_workers, "topics")
    return [topic for part in parts for topic in part]
