"""Counted noun phrases → scored candidates.

In: counts of ``noun_phrases``. Out: the same rows with three components and a score. The paper "scored them according
to frequency, word sense ambiguity, and length" (Experiments) and gives no formula; this one is ours. Ignored: whether
a candidate can be drawn (``curation.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from c2i_lib.config import Concepts
from c2i_lib.text.noun_phrases.wordnet import load_nouns

COMPONENTS = ("frequency", "ambiguity", "length")


def _senses(table: pd.DataFrame) -> pd.DataFrame:
    """``senses, senses_of, category, physical, region`` of the phrase where WordNet has it, else of its head."""
    nouns = load_nouns()
    whole, head = nouns.index.get_indexer(table["phrase"]), nouns.index.get_indexer(table["head"])
    row = np.where(whole >= 0, whole, head)
    found, entries = row >= 0, nouns.iloc[np.maximum(row, 0)]
    return pd.DataFrame(
        {
            "senses": np.where(found, entries["n_senses"], 0).astype(int),
            "senses_of": np.select([whole >= 0, head >= 0], ["phrase", "head"], "none"),
            "category": np.where(found, entries["category"].astype(str), "unknown"),
            "physical": found & entries["physical"].to_numpy(),
            "region": found & entries["region"].to_numpy(),
        }
    )


def weights_of(settings: Concepts) -> dict[str, float]:
    """The weight of each component in the score."""
    return {name: getattr(settings, f"{name}_weight") for name in COMPONENTS}


def total(table: pd.DataFrame, weights: Mapping[str, float]) -> pd.Series:
    """The score of each row: frequency − ambiguity − length, weighted."""
    signs = {"frequency": 1, "ambiguity": -1, "length": -1}
    return sum(signs[name] * weights[name] * table[f"{name}_score"] for name in COMPONENTS).round(6)


def score(phrases: pd.DataFrame, settings: Concepts) -> pd.DataFrame:
    """``phrases`` with senses, components, ``score`` and ``rank``, the best first; rare and long phrases are left out.

    score = w_f · F − w_a · A − w_l · L, each component from 0 to 1:

    - F = log(1 + captions) / log(1 + captions of the most frequent). Captions and not mentions, because one caption
      that repeats a word is one picture; the logarithm, because frequencies of words fall as a power law and the
      hundredth phrase would otherwise count for nothing.
    - A = log s / log s_max with s = WordNet's noun senses, of the phrase or else of its head. A word of many senses
      names many pictures, and raters could not agree on its faithfulness. What WordNet lacks counts as one sense.
    - L = (words − 1) / (max_words − 1). A long phrase is a scene already, and leaves the language model little to add.
    """
    length = phrases["phrase"].str.split().map(len) if len(phrases) else pd.Series(dtype=int)
    kept = (phrases["document_frequency"] >= settings.min_frequency) & (length <= settings.max_words)
    table = phrases[kept].assign(length=length[kept].astype(int)).reset_index(drop=True)
    table = pd.concat([table, _senses(table)], axis=1)
    captions, senses = np.log1p(table["document_frequency"].astype(float)), table["senses"].clip(lower=1)
    table["frequency_score"] = (captions / captions.max()).round(6)
    table["ambiguity_score"] = (np.log(senses) / np.log(max(senses.max(), 2) if len(table) else 2)).round(6)
    table["length_score"] = ((table["length"] - 1) / max(settings.max_words - 1, 1)).round(6)
    table["score"] = total(table, weights_of(settings))
    table = table.sort_values(["score", "phrase"], ascending=[False, True], ignore_index=True)
    return table.assign(rank=np.arange(1, len(table) + 1))


def leave_one_out(candidates: pd.DataFrame, settings: Concepts, n_top: int = 50) -> pd.DataFrame:
    """The top ``n_top`` phrases by the whole score and without each component: ``phrase`` and a rank per column.

    Columns: ``all, without frequency, without ambiguity, without length``; rows: every phrase that is in the top of
    one of them, by its rank in the first.
    """
    ranks = {"all": candidates["rank"]}
    for name in COMPONENTS:
        scores = total(candidates, {**weights_of(settings), name: 0.0})
        ranks[f"without {name}"] = scores.rank(method="first", ascending=False).astype(int)
    table = pd.DataFrame({"phrase": candidates["phrase"], **ranks})
    in_top = (table.drop(columns="phrase") <= n_top).any(axis=1)
    return table[in_top].sort_values("all", ignore_index=True)
