"""Stage 03: captions → scored noun phrases → curated concepts.

In: the ``mining`` captions, and the decisions of a person where there are any. Out, in ``03_concepts/``:
``phrases/phrases.parquet`` (all noun phrases, counted), ``candidates.parquet`` (scored, with a proposal and a decision)
and ``concepts.yaml``, the curated list. Counting takes minutes and scoring a second, so each is a stage of its own.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.config import Concepts, Profile
from c2i_lib.errors import CaptionError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.stages.concepts.curation import (
    decide,
    propose,
    read_concepts,
    read_decisions,
    read_groups,
    write_concepts,
    write_decisions,
)
from c2i_lib.stages.concepts.scoring import leave_one_out, score
from c2i_lib.text.noun_phrases import lexicon, parser

__all__ = [
    "decisions_file",
    "leave_one_out",
    "mine_concepts",
    "read_concepts",
    "read_decisions",
    "read_groups",
    "write_decisions",
]

_EXTRACTORS = {"parser": parser.noun_phrases, "lexicon": lexicon.noun_phrases}


def decisions_file(run_dir: Path, settings: Concepts) -> Path:
    """Where a person's decisions are: the profile's file, or ``concept_decisions.yaml`` in the run's folder."""
    return Path(settings.decisions) if settings.decisions else Path(run_dir) / "concept_decisions.yaml"


def count_phrases(captions: Path, out_dir: Path, settings: Concepts) -> Path:
    """Count all noun phrases of a caption table. Returns the table's path (columns: see ``noun_phrases/parser.py``)."""
    path = Path(out_dir) / "phrases.parquet"
    with Stage(path.parent, {"extractor": settings.extractor}, [captions], __name__) as stage:
        if not stage.done:
            write_table(path, _EXTRACTORS[settings.extractor](read_table(captions)["text"].tolist()))
    return path


def mine_concepts(captions: Path, out_dir: Path, profile: Profile) -> list[str]:
    """Mine, score and curate the concepts of a caption table. Returns the curated list, the best first.

    A person's decisions (``decisions_file``) go before the rule's proposals, and concepts that the profile gives before
    both; phrases are mined all the same, to see which of them captions know. Raises ``CaptionError`` when fewer
    concepts are kept than the profile asks for.
    """
    settings, folder = profile.concepts, Path(out_dir)
    counted = count_phrases(captions, folder / "phrases", settings)
    decisions = read_decisions(decisions_file(folder.parent, settings))
    key = {**settings.model_dump(exclude={"decisions"}), "decisions": decisions}
    with Stage(folder, key, [captions, counted], __name__) as stage:
        if not stage.done:
            candidates = propose(score(read_table(counted), settings))
            candidates = decide(candidates, decisions, settings.n_concepts)
            given = {concept for group in settings.given.values() for concept in group}
            if given:
                candidates["chosen"] = candidates["phrase"].isin(given)
            elif candidates["chosen"].sum() < settings.n_concepts:
                raise CaptionError(
                    f"{candidates['chosen'].sum()} of {len(candidates)} noun phrases are kept as a picture's subject, "
                    f"but concepts.n_concepts is {settings.n_concepts}: lower it or concepts.min_frequency, raise "
                    "captions.n_mining, or keep more in notebook 03"
                )
            write_table(folder / "candidates.parquet", _with_examples(candidates, read_table(captions)["text"]))
            write_concepts(folder / "concepts.yaml", candidates, decisions, settings.given)
    return read_concepts(folder / "concepts.yaml")


def _with_examples(candidates: pd.DataFrame, texts: pd.Series) -> pd.DataFrame:
    """The first captions of each candidate as text, in place of their rows."""
    return candidates.assign(examples=[texts.iloc[rows].tolist() for rows in candidates["rows"]]).drop(columns="rows")
