"""What a study may claim: a family of contrasts that was named beforehand, and differences too small to matter.

In: comparisons of arms with their intervals and p-values. Out: the same with Holm's correction over the family, and
where a margin is given, a verdict: "different", "equivalent" or "undecided". Equivalence is by two one-sided tests
(Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657): at level α those of a t reject exactly where
its interval of 1 − 2α lies within the margin. Ignored: how intervals and p-values come about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from c2i_lib.errors import C2IError

# ``inner_low`` and ``inner_high`` are the ends of the interval of 1 − 2α, ``p_equivalence`` is the larger p of the two
# one-sided tests; NaN without a margin, and ``verdict`` empty.
CLAIM_COLUMNS = {"primary": "bool", "margin": "float64", "inner_low": "float64", "inner_high": "float64"}
CLAIM_COLUMNS |= {"p_equivalence": "float64", "verdict": "str"}


@dataclass(frozen=True)
class Claims:
    """What a study sets out to show: ``primary``, its family of (question, arm, baseline), and ``margins``, the
    smallest difference of interest by question. Empty: all comparisons are one family, and no difference is small."""

    primary: tuple[tuple[str, str, str], ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)


def inner_confidence(confidence: float) -> float:
    """What the interval covers by which two one-sided tests at 1 − ``confidence`` are decided: 0.9 for 0.95."""
    return 2 * confidence - 1


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p-values (Holm 1979)."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


def _is_primary(comparison: pd.DataFrame, primary: tuple[tuple[str, str, str], ...]) -> np.ndarray:
    """Which rows are of the family; arm and baseline may be the other way round. Raises ``C2IError`` for a contrast
    that is not there: the family would be smaller than it was named, and its correction weaker."""
    named = {(question, frozenset((arm, baseline))) for question, arm, baseline in primary}
    rows = [(row.question, frozenset((row.arm, row.baseline))) for row in comparison.itertuples()]
    if lacking := sorted(f"{' and '.join(sorted(arms))} on {question}" for question, arms in named - set(rows)):
        raise C2IError(
            f"the primary contrasts {'; '.join(lacking)} should be compared, but the values have none of these: "
            "wait for more answers, or name others as primary"
        )
    return np.array([row in named for row in rows], dtype=bool)


def add_claims(comparison: pd.DataFrame, claims: Claims, confidence: float) -> pd.DataFrame:
    """A comparison with ``CLAIM_COLUMNS``; it needs ``p, p_holm, p_equivalence`` and both
    intervals.

    ``p_holm`` of primary rows becomes that over the family alone; that of others stays, so that naming a family makes
    no other row easier to claim. Raises ``C2IError`` where a primary contrast is not among the rows.
    """
    primary = _is_primary(comparison, claims.primary)
    p_holm = comparison["p_holm"].to_numpy(float, copy=True)
    p_holm[primary] = holm(comparison["p"].to_numpy(float)[primary])
    margin = [claims.margins.get(question, np.nan) for question in comparison["question"]]
    table = comparison.assign(p_holm=p_holm, primary=primary, margin=margin)
    return table.assign(verdict=[_verdict(row, confidence) for row in table.itertuples()])


def is_different(row: Any, confidence: float) -> bool:
    """Whether a row of a comparison shows a difference: its interval excludes zero, and Holm's p is small."""
    return row.p_holm < 1 - confidence and (row.low > 0 or row.high < 0)


def is_within_margin(row: Any, confidence: float) -> bool:
    """Whether both one-sided tests say that the difference is smaller than the margin, and the narrower interval does,
    too: of few concepts an interval from resamples can be narrow by chance. Never without a margin."""
    return -row.margin < row.inner_low and row.inner_high < row.margin and row.p_equivalence < 1 - confidence


def _verdict(row: Any, confidence: float) -> str:
    if np.isnan(row.margin):
        return ""
    if is_different(row, confidence):
        return "different"
    return f"equivalent within ±{row.margin:g}" if is_within_margin(row, confidence) else "undecided"


def in_words(row: Any, confidence: float) -> str:
    """What a row of a comparison, with or without ``CLAIM_COLUMNS``, says of its two arms."""
    margin = getattr(row, "margin", np.nan)
    is_small = not np.isnan(margin) and is_within_margin(row, confidence)
    if is_different(row, confidence):
        small = f", by less than the margin of {margin:g}" if is_small else ""
        return f"{row.arm} is {'higher' if row.difference > 0 else 'lower'} than {row.baseline}{small}"
    difference = f"difference between {row.arm} and {row.baseline}"
    if np.isnan(margin):
        return f"no {difference} is shown"
    if is_small:
        inner = f"{100 * inner_confidence(confidence):g} % interval {row.inner_low:+.2f} to {row.inner_high:+.2f}"
        return f"{row.arm} and {row.baseline} are equivalent within ±{margin:g} by their {inner}"
    return f"undecided: neither a {difference} nor equivalence within ±{margin:g} is shown"


def describe_tests(comparison: pd.DataFrame, confidence: float) -> str:
    """Which corrections the verdicts have, for a caption; empty without a family and a margin."""
    parts = []
    if n_primary := int(comparison["primary"].sum()):
        parts.append(f"Holm's correction is over the primary contrasts ({n_primary}), and for others over all rows")
    if comparison["margin"].notna().any():
        parts.append(f"equivalence: two one-sided tests at {1 - confidence:.3g} each, not corrected for their number")
    return "".join(f"; {part}" for part in parts)
