"""Whether a text holds a phrase as it is: verbatim, case aside, and whole, so that no "cat" is found in "catalogue".

In: a text and a phrase. Out: where the phrase stands. Ignored: other forms of its words ("cats"), and meaning.
"""

from __future__ import annotations

import re


def find_whole(text: str, phrase: str) -> tuple[int, int] | None:
    """Begin and end of the first mention of ``phrase`` in ``text``; None where there is none.

    Letters, digits, hyphens and apostrophes join words: "dog-like" and "dog's" are no "dog". Spaces count as one.
    """
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    if not words:
        return None
    found = re.search(rf"(?<!\w)(?<!\w[-'’]){words}(?![-'’]?\w)", text, re.IGNORECASE)
    return found and found.span()
