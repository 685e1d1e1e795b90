"""What prompts look like as text: how close to training captions, how varied.

In: texts. Out: a table, or shares. Ignored: which arm wrote them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def nearest_captions(texts: Sequence[str], captions: Sequence[str]) -> pd.DataFrame:
    """For each text the training caption most like it: ``nearest_caption, similarity, copied``.

    ``similarity`` is the cosine of TF-IDF vectors of character 3- to 5-grams; ``copied`` says that the text is
    one of ``captions``, case and spaces aside.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, dtype=np.float32)
    matrix = vectorizer.fit_transform(captions)
    known = {" ".join(caption.lower().split()) for caption in captions}
    rows = []
    for text in texts:
        similarities = (matrix @ vectorizer.transform([text]).T).toarray().ravel()
        best = int(similarities.argmax())
        copied = " ".join(text.lower().split()) in known
        rows.append((captions[best], round(float(similarities[best]), 4), copied))
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
