"""Raters who do not count, by rules that were declared before anybody had seen the answers.

In: rows of ``ratings.parquet``, and the items, which say what attention checks ask for. Out: a row per rater, with what
the rules look at and which of them are broken. Ignored: arms, so that no rule can favour one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

EXCLUSIONS_COLUMNS = {"rater": "str", "n": "int64", "failed_checks": "int64", "same_answer": "float64"}
EXCLUSIONS_COLUMNS |= {"median_seconds": "float64", "broken": "str"}


@dataclass(frozen=True)
class Rules:
    """What makes a rater not count; None: no such rule."""

    failed_checks_above: int | None = None
    same_answer_share: float | None = None  # of the most frequent answer
    same_answer_over: int = 20  # answers, below which the share is not looked at
    median_seconds_below: float | None = None  # from one answer to the next

    @property
    def declared(self) -> bool:
        """Whether there is any rule."""
        rules = (self.failed_checks_above, self.same_answer_share, self.median_seconds_below)
        return any(rule is not None for rule in rules)


def count_failed_checks(ratings: pd.DataFrame, items: pd.DataFrame) -> pd.Series:
    """Per rater who answered any, how many attention checks have an answer that was not asked for, as a series."""
    questions = [f"expected_{question}" for question in ratings["question"].unique()]
    expected = items[items["kind"] == "check"].melt("item_id", questions, "question", "expected")
    expected["question"] = expected["question"].str.removeprefix("expected_")
    answered = ratings[ratings["kind"] == "check"].merge(expected, on=["item_id", "question"])
    wrong = answered["rating"] != answered["expected"]  # also "cannot judge", which is NaN
    return wrong.groupby([answered["rater"], answered["item_id"]]).any().groupby("rater").sum()


def share_of_same_answer(answers: pd.Series) -> float:
    """The share of the most frequent answer; "cannot judge" (NaN) is an answer, too."""
    return float(answers.value_counts(normalize=True, dropna=False).iloc[0])


def median_seconds(answered_at: pd.Series) -> float:
    """The median time from one answer to the next, of one rater. Answers of one moment, such as those of a form that is
    sent as a whole, count as one; NaN where that leaves fewer than two."""
    times = pd.to_datetime(answered_at, format="ISO8601", utc=True, errors="coerce").dropna().drop_duplicates()
    gaps = times.sort_values().diff().dropna().dt.total_seconds()
    return float(gaps.median()) if len(gaps) else np.nan


def find_broken_rules(ratings: pd.DataFrame, items: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """A row per rater (``EXCLUSIONS_COLUMNS``): answers to pictures, failed checks, the share of the same answer, the
    median time, and the broken rules in words ("": none). What is not known breaks no rule."""
    failed = count_failed_checks(ratings, items)
    rows = []
    for rater, own in ratings.groupby("rater", sort=True):
        answers = own.loc[own["kind"] != "check", "rating"]
        same = share_of_same_answer(answers) if len(answers) else np.nan
        row = (len(answers), int(failed.get(rater, 0)), same, median_seconds(own["answered_at"]))
        rows.append((rater, *row, "; ".join(_broken(*row, rules))))
    return pd.DataFrame(rows, columns=list(EXCLUSIONS_COLUMNS)).astype(EXCLUSIONS_COLUMNS)


def _broken(n: int, failed: int, same: float, seconds: float, rules: Rules) -> list[str]:
    broken = []
    if rules.failed_checks_above is not None and failed > rules.failed_checks_above:
        broken.append(f"{failed} failed checks")
    if rules.same_answer_share is not None and n >= rules.same_answer_over and same >= rules.same_answer_share:
        broken.append(f"{same:.0%} the same answer")
    if rules.median_seconds_below is not None and seconds < rules.median_seconds_below:
        broken.append(f"{seconds:.1f} s an answer")
    return broken
