"""What prompts look like as text: how close to training captions, how varied.

In: texts. Out: a table, or shares. Ignored: which arm wrote them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from c2i_lib.text.concepts import words_in


class CaptionIndex:
    """Captions by their wording: TF-IDF vectors of character 3- to 5-grams."""

    def __init__(self, captions: Sequence[str]):
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.captions = captions
        self.vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, dtype=np.float32)
        self.matrix = self.vectorizer.fit_transform(captions)

    @cached_property
    def words(self) -> frozenset[str]:
        """All words of the captions, in lower case."""
        return frozenset(word for caption in self.captions for word in words_in(caption))

    def nearest(self, text: str, n: int = 1) -> list[tuple[str, float]]:
        """The ``n`` captions most like ``text``, the nearest first, each with its similarity: the cosine."""
        similarities = (self.matrix @ self.vectorizer.transform([text]).T).toarray().ravel()
        best = [similarities.argmax()] if n == 1 else np.argsort(-similarities, kind="stable")[:n]
        return [(self.captions[index], round(float(similarities[index]), 4)) for index in best]


def nearest_captions(texts: Sequence[str], captions: Sequence[str]) -> pd.DataFrame:
    """For each text the training caption most like it: ``nearest_caption, similarity, copied``.

    ``similarity`` is that of ``CaptionIndex``; ``copied`` says that the text is one of ``captions``, case and spaces
    aside.
    """
    index = CaptionIndex(captions)
    known = {" ".join(caption.lower().split()) for caption in captions}
    rows = [(*index.nearest(text)[0], " ".join(text.lower().split()) in known) for text in texts]
    return pd.DataFrame(rows, columns=["nearest_caption", "similarity", "copied"])


def diversity(texts: Sequence[str]) -> dict[str, float]:
    """How little texts repeat themselves: distinct n-grams of words / all n-grams, over all texts together.

    ``type_token_ratio`` is n = 1; ``distinct_2`` and ``distinct_3`` as in Li et al. 2016 (arXiv:1510.03055).
    """
    words = [text.lower().split() for text in texts]
    result = {}
    for n, name in ((1, "type_token_ratio"), (2, "distinct_2"), (3, "distinct_3")):
        grams = [tuple(row[start : start + n]) for row in words for start in range(len(row) - n + 1)]
        result[name] = len(set(grams)) / max(1, len(grams))
    return result
