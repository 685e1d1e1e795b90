"""The topic of a caption: its main noun phrase.

In: caption texts. Out: one phrase a caption, or an empty string. The paper's future work is "explicitly tagging a main
topic for captions in the dataset" (Conclusion); it gives no rule, so this one is ours. Ignored: pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from c2i_lib.text.noun_phrases.parser import BATCH_SIZE, name_of, parse, run_batches, words_of
from c2i_lib.text.noun_phrases.unlikely_subjects import MEDIUM_WORDS, unlikely_subject

if TYPE_CHECKING:
    from spacy.tokens import Doc


def topic_tag(topic: str) -> str:
    """What stands before a caption about ``topic`` in the arm ``ft_topic``; nothing where there is no topic."""
    return f"[{topic}] " if topic else ""


def main_phrase(document: Doc) -> str:
    """The first noun phrase that can be a picture's subject, or else the first one, or an empty string.

    First, because captions begin with what they show ("a dog on the beach"); but not a medium, a view or a measure,
    because many begin with those ("illustration of a cat", "front view of an old house"). Words for the medium at its
    end are left out ("trombone icon").
    """
    first = ""
    for chunk in document.noun_chunks:
        words = words_of(chunk)
        first = first or (name_of(words)[0] if words else "")
        while words and (words[-1][0] in MEDIUM_WORDS or not words[-1][1].startswith("NN")):
            words.pop()
        if words and not unlikely_subject(*name_of(words)):
            return name_of(words)[0]
    return first


def topics_of_batch(texts: Sequence[str], first_row: int = 0) -> list[str]:
    """The topics of a batch; ``first_row`` is not used (``run_batches`` gives it)."""
    return [main_phrase(document) for document in parse(texts)]


def topics(texts: Sequence[str], n_workers: int | None = None) -> list[str]:
    """The topic of each text. ``n_workers``: processes, one a processor by default for many captions."""
    parts = run_batches(topics_of_batch, texts, BATCH_SIZE, n_workers, "topics")
    return [topic for part in parts for topic in part]
