"""Scored candidates → the concepts of the study: a rule proposes, a person decides.

In: candidates of ``scoring.py``, and the decisions of a person where there are any. Out: a proposal, a reason and a
decision a candidate, and ``concepts.yaml``. The paper "manually filtered these results to retain only noun-phrases that
are likely to be an image main subject" (Experiments). Ignored: pictures; the rule knows words only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from c2i_lib.errors import CaptionError
from c2i_lib.records.files import atomic_path
from c2i_lib.text.noun_phrases.unlikely_subjects import VAGUE_WORDS, unlikely_subject

KEEP, DROP = "keep", "drop"
RULE = "rule"
# WordNet's categories whose physical entities can be the main subject of a picture.
SUBJECT_CATEGORIES = frozenset(
    "animal artifact body food location object person phenomenon plant substance tops".split()
)


def _reason(row) -> str:
    """Why the rule would drop a candidate, or an empty string."""
    if reason := unlikely_subject(row.phrase, row.head):
        return reason
    if row.head in VAGUE_WORDS:
        return "too vague to draw"
    if row.senses_of == "none":
        return "not in WordNet: a brand or a name"
    if row.region:
        return "a country or region: no one picture"
    if not row.physical or row.category not in SUBJECT_CATEGORIES:
        return f"not a physical thing ({row.category})"
    return "" if len(row.head) > 2 else "an abbreviation"


def propose(candidates: pd.DataFrame) -> pd.DataFrame:
    """``candidates`` with ``proposal`` (keep or drop) and ``reason``: the rule in place of a person.

    It keeps physical things of WordNet and drops media, views, measures, vague words, and all but the best candidate of
    a head noun.
    """
    reasons = pd.Series([_reason(row) for row in candidates.itertuples()], candidates.index, dtype=str)
    fits = reasons == ""
    again = fits & candidates["head"].where(fits).duplicated()
    best = candidates[fits & ~again].set_index("head")["phrase"]
    reasons[again] = "as " + candidates.loc[again, "head"].map(best).astype(str)
    return candidates.assign(proposal=np.where(reasons == "", KEEP, DROP), reason=reasons)


def read_decisions(path: Path) -> list[dict]:
    """A person's decisions: ``phrase, decision, reason, by, at``. Empty without a file.

    Raises ``CaptionError`` that names the entry when the file is damaged.
    """
    if not Path(path).is_file():
        return []
    try:
        entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["decisions"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise CaptionError(f"{path} should hold a list named decisions: mend it or delete it ({error})") from error
    for number, entry in enumerate(entries, 1):
        wanted = {"phrase", "decision", "reason", "by", "at"}
        if not isinstance(entry, dict) or set(entry) != wanted or entry["decision"] not in (KEEP, DROP):
            raise CaptionError(
                f"{path}, decision {number}: expected {', '.join(sorted(wanted))} with decision keep or drop, "
                f"found {entry}"
            )
    return entries


def write_decisions(path: Path, changes: Mapping[str, tuple[str, str]], by: str) -> None:
    """Add ``{phrase: (keep or drop, reason)}`` to a person's decisions. The newest decision on a phrase counts."""
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    kept = [entry for entry in read_decisions(path) if entry["phrase"] not in changes]
    added = [
        {"phrase": phrase, "decision": decision, "reason": reason, "by": by, "at": at}
        for phrase, (decision, reason) in changes.items()
    ]
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(_as_yaml({"decisions": [*kept, *added]}), encoding="utf-8")


def decide(candidates: pd.DataFrame, decisions: Sequence[Mapping], n_concepts: int) -> pd.DataFrame:
    """Proposed candidates with ``decision``, ``decided_by`` and ``chosen``: the best ``n_concepts`` that are kept."""
    known = {entry["phrase"]: entry for entry in decisions}
    entries = [known.get(phrase) for phrase in candidates["phrase"]]
    table = candidates.assign(
        decision=_decided(entries, "decision", candidates["proposal"]),
        reason=_decided(entries, "reason", candidates["reason"]),
        decided_by=[entry["by"] if entry else RULE for entry in entries],
    )
    kept = table["decision"] == KEEP
    return table.assign(chosen=kept & (kept.cumsum() <= n_concepts))


def _decided(entries: Sequence[Mapping | None], key: str, proposed: Sequence[str]) -> list[str]:
    return [entry[key] if entry else other for entry, other in zip(entries, proposed, strict=True)]


def _as_yaml(value: object) -> str:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False)


def write_concepts(
    path: Path, candidates: pd.DataFrame, decisions: Sequence[Mapping], given: Mapping[str, Sequence[str]]
) -> None:
    """Write ``concepts.yaml``: who decided, the concepts (the best first), their groups, and the decisions of people.

    ``given``: concepts of the profile by group, which take the place of mined ones.
    """
    people = sorted({entry["by"] for entry in decisions})
    latest = max((entry["at"] for entry in decisions), default=None)
    note = f"reviewed by {', '.join(people)}" if people else "no human has looked at this list: a rule proposed it"
    content = {
        "note": note,
        "decided_by": people or [RULE],
        "decided_at": latest,
        "concepts": candidates.loc[candidates["chosen"], "phrase"].tolist(),
        "groups": {},
        "decisions": [dict(entry) for entry in decisions],
    }
    if given:
        content |= {"note": "given by the profile", "decided_by": ["profile"], "decided_at": None, "decisions": []}
        content |= {"concepts": [concept for group in given.values() for concept in group]}
        content |= {"groups": {name: list(group) for name, group in given.items()}}
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(_as_yaml(content), encoding="utf-8")


def read_groups(path: Path) -> dict[str, str]:
    """Concept → its group, where the profile gave groups; else empty."""
    groups = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["groups"]
    return {concept: name for name, group in groups.items() for concept in group}


def read_concepts(path: Path) -> list[str]:
    """The concepts of ``concepts.yaml``, the best first."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))["concepts"]
