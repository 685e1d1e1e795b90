"""The topic of a caption: its main noun phrase.

In: caption texts. Out: one phrase a caption, or an empty string. The paper's future work is "explicitly tagging a main
topic for captions in the dataset" (Conclusion); it gives no rule, so this one is ours. Ignored: pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from c2i_lib.noun_phrases.kinds import unlikely_subject
from c2i_lib.noun_phrases.parser import BATCH_SIZE, normalise_chunk, parse, run_batches

if TYPE_CHECKING:
    from spacy.tokens import Doc


def main_phrase(document: Doc) -> str:
    """The first noun phrase that can be a picture's subject, or else the first one, or an empty string.

    First, because captions begin with what they show ("a dog on the beach"); but not a medium, a view or a measure,
    because many begin with those ("illustration of a cat", "front view of an old house").
    """
    found = [normalised for chunk in document.noun_chunks if (normalised := normalise_chunk(chunk))]
    fitting = (phrase for phrase, head, _ in found if not unlikely_subject(phrase, head))
    return next(fitting, found[0][0] if found else "")


def topics_of_batch(texts: Sequence[str], first_row: int = 0) -> list[str]:
    """The topics of a batch; ``first_row`` is not used (``run_batches`` gives it)."""
    return [main_phrase(document) for document in parse(texts)]


def topics(texts: Sequence[str], n_workers: int | None = None) -> list[str]:
    """The topic of each text. ``n_workers``: processes, one a processor by default for many captions."""
    parts = run_batches(topics_of_batch, texts, BATCH_SIZE, n_workers, "topics")
    return [topic for part in parts for topic in part]
