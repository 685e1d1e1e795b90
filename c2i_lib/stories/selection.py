"""Which events become panels: the weightiest that are not alike, in the order of the story.

In: a weight and a text for each event. Out: the places of the chosen ones. A weight is a sum that a person can follow
(``weight_of``); how alike two texts are, MiniLM's sentence embeddings say. Ignored: words of the events beyond that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from c2i_lib.stories.events import Event
from c2i_lib.stories.words import MIND, SPEECH, STATES

LIKENESS = 2.0  # points that an event loses for saying the very same as a chosen one
SAME_SENTENCE = 3.0  # points that it loses for standing in one sentence with a chosen one


def weight_of(event: Event, n_characters: int, n_things: int) -> float:
    """Points of an event for a picture: who and whom it has, where it is; action over speech over thought."""
    points = 2.0 * (n_characters > 0) + 1.0 * (n_characters > 1) + 0.5 * (n_things > 0) + 0.5 * bool(event.where)
    points += 0.5 * event.is_main + 0.5 * bool(event.who)
    if event.verb in SPEECH:
        return points - 1.0
    return points - 2.0 * (event.verb in MIND) - 1.0 * (event.verb in STATES)


def choose(weights: Sequence[float], texts: Sequence[str], sentences: Sequence[int], n: int) -> list[int]:
    """The places of ``n`` events, ascending: each time the one with most points after what is chosen already.

    After Carbonell and Goldstein 1998 (maximal marginal relevance). Likeness is rounded to hundredths and the earlier
    of equal ones is taken, so that the choice does not hang on the last bits.
    """
    if n >= len(weights):
        return list(range(len(weights)))
    likeness = _likeness(texts)
    points, chosen = np.array(weights, float), []
    penalty = np.zeros(len(weights))
    for _ in range(n):
        order = points - penalty
        order[chosen] = -np.inf
        best = int(np.argmax(order.round(4)))
        chosen.append(best)
        beside = np.array(sentences) == sentences[best]
        penalty = np.maximum(penalty, LIKENESS * likeness[best] + SAME_SENTENCE * beside)
    return sorted(chosen)


def _likeness(texts: Sequence[str]) -> np.ndarray:
    from c2i_lib.text.embeddings import embed_texts  # torch takes seconds

    vectors = embed_texts(list(texts)).numpy()
    return np.clip(vectors @ vectors.T, 0, 1).round(2)
