"""What every importer shares: the answers table, and the checks that each answer passes.

In: answers as a file gives them (``GivenAnswer``: text, and the place it stands at). Out: an answers table (``rater,
item_id, question, rating, answered_at, comment``; a rating is NaN where the rater could not judge), or one ``C2IError``
that lists what is wrong and where. What a researcher should know but need not mend is in ``answers.attrs["notes"]``, a
list of sentences. Ignored: whether an answer is plausible, and which arm an item belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.study import QUESTIONS

COLUMNS = ["rater", "item_id", "question", "rating", "answered_at", "comment"]
CANNOT_JUDGE = "cannot judge"  # in a cell, in any case; an empty cell is an answer that was not given
N_SHOWN = 10  # problems in one message

_MEND = "correct it, or empty the cell if the rater gave no answer"

_NUMBER_AND_LABEL = re.compile(r"(\d+)\s*[-–—:.)=(]\s*(.+?)\)?")  # "3 - good", "3. good", "3 (good)"


class GivenAnswer(NamedTuple):
    """An answer as a file gives it: its place for messages, and text that is not checked yet."""

    where: str  # such as "line 4"
    rater: str
    item_id: str
    question: str
    value: str
    answered_at: str = ""
    comment: str = ""
    column: str = ""  # that the answer stands in; empty where each field has its own


def raise_problems(source: Path | str, problems: Sequence[str], advice: str = "") -> None:
    """Raise one ``C2IError`` with the first ten problems of a file, the number of the others, and advice.

    Without problems nothing happens.
    """
    if problems:
        shown = "".join(f"\n- {problem}" for problem in problems[:N_SHOWN])
        more = f"\n… and {len(problems) - N_SHOWN} more" if len(problems) > N_SHOWN else ""
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise C2IError(
            f"{source}: {count}; nothing was imported. Mend the file and import it again:{shown}{more}{advice}"
        )


def parse_rating(text: str, labels: Sequence[str]) -> float | None:
    """A cell as a rating: a number, a label ("good"), both ("3 - good"), or "cannot judge", which is NaN.

    None for an empty cell: the answer was not given. Raises ``ValueError`` that says why when it is none of these.
    """
    text = text.strip()
    if not text:
        return None
    if text.casefold() == CANNOT_JUDGE:
        return float("nan")
    point_of = {label.strip().casefold(): point for point, label in enumerate(labels, start=1)}
    if text.casefold() in point_of:
        return float(point_of[text.casefold()])
    both = _NUMBER_AND_LABEL.fullmatch(text)
    if both and both[2].strip().casefold() in point_of:
        if point_of[both[2].strip().casefold()] != int(both[1]):
            raise ValueError(f"found {text!r}, whose number and label are different points of the scale")
        return float(both[1])
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise ValueError(f"found {text!r}")
    return number


def to_utc(moment: datetime) -> str:
    """A moment with a time zone as ISO 8601 in UTC, to the second."""
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_iso(text: str) -> datetime | None:
    """An ISO 8601 date and time; None where it is not one."""
    try:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None


def _expected(settings: Survey, question: str) -> str:
    labels = getattr(settings, question).labels
    named = ", ".join(f"{point} ({label})" for point, label in enumerate(labels, start=1))
    return f"expected {named} or {CANNOT_JUDGE!r}"


def _at(place: tuple[str, str], field: str) -> str:
    return f"{place[0]}, column {place[1] or field!r}"


def _problem_of(answer: tuple, items: set[str], settings: Survey) -> tuple[str, str] | None:
    """The field of one row of an answers table that is wrong, and what is wrong with it; or None."""
    rater, item_id, question, rating = answer[:4]
    if not str(rater).strip():
        return "rater", "expected a name or code that tells raters apart, found an empty one; fill it in"
    if item_id not in items:
        return "item_id", f"unknown item {item_id!r}: expected one of this run's items.parquet; is it of another run?"
    if question not in QUESTIONS:
        return "question", f"expected {' or '.join(QUESTIONS)}, found {question!r}; correct it"
    if not np.isnan(rating) and rating not in range(1, settings.scale_points + 1):
        return "rating", f"{_expected(settings, question)}, found {rating:g}; {_MEND}"
    return None


def _find_problems(
    answers: pd.DataFrame, items: pd.DataFrame, settings: Survey, places: Sequence[tuple[str, str]]
) -> list[str]:
    known, first_of, problems = set(items["item_id"]), {}, []
    for number, answer in enumerate(answers[COLUMNS].itertuples(index=False)):
        if found := _problem_of(answer, known, settings):
            problems.append(f"{_at(places[number], found[0])}: {found[1]}")
            continue
        first = first_of.setdefault(tuple(answer[:3]), number)
        if first != number:
            problems.append(
                f"{_at(places[number], 'item_id')}: rater {answer.rater!r} has answered {answer.question} of "
                f"{answer.item_id} already, in {_at(places[first], 'item_id')}; remove one of the two"
            )
    return problems


def _rater_warnings(answers: pd.DataFrame, orders: pd.DataFrame | None) -> list[str]:
    if orders is None:
        return []
    items_of = orders.groupby("rater")["item_id"].agg(set).to_dict()
    answered_by = answers.groupby("rater")["item_id"].agg(set).to_dict()
    warnings = [f"expected rater {rater!r} has given no answer" for rater in items_of if rater not in answered_by]
    for rater, answered in answered_by.items():
        if rater not in items_of:
            warnings.append(f"rater {rater!r} is not one of the run's raters: counted as another person")
            continue
        n_expected, n_given = len(items_of[rater]) * len(QUESTIONS), int((answers["rater"] == rater).sum())
        if foreign := len(answered - items_of[rater]):
            warnings.append(f"rater {rater!r} has rated {foreign} items that are not in their survey")
        elif n_given < n_expected:
            warnings.append(f"rater {rater!r} has given {n_given} of {n_expected} answers")
    return warnings


def check_answers(
    answers: pd.DataFrame,
    items: pd.DataFrame,
    orders: pd.DataFrame | None,
    settings: Survey,
    source: Path | str,
    where: Sequence[str] | None = None,
) -> list[str]:
    """Check an answers table against ``items`` and, where given, ``orders`` (``rater, survey, position, item_id``).

    ``where`` names the place of each row; by default its number. Returns warnings: raters who are missing, unknown or
    not done. Raises ``C2IError`` with every unknown item or question, rating off the scale, and answer given twice.
    """
    missing = [column for column in COLUMNS if column not in answers]
    raise_problems(source, [f"no column {column!r}: expected {', '.join(COLUMNS)}" for column in missing])
    where = where if where is not None else [f"row {number}" for number in range(1, len(answers) + 1)]
    raise_problems(source, _find_problems(answers, items, settings, [(place, "") for place in where]))
    return _rater_warnings(answers, orders)


def build_answers(
    given: Iterable[GivenAnswer],
    items: pd.DataFrame,
    settings: Survey,
    source: Path | str,
    problems: Sequence[str] = (),
    notes: Sequence[str] = (),
    by_label: bool = True,
) -> pd.DataFrame:
    """The answers table of a file. Empty cells become no row, and a note says how many there were.

    ``by_label``: a cell may be a label of the scale; where labels are numbers themselves, the label goes first.

    Raises ``C2IError`` with the reader's own ``problems`` and those of ``check_answers``.
    """
    problems, rows, places, empty = list(problems), [], [], []
    for answer in given:
        labels = getattr(settings, answer.question).labels if by_label and answer.question in QUESTIONS else ()
        try:
            rating = parse_rating(answer.value, labels)
        except ValueError as error:
            expected = f"{_expected(settings, answer.question)}, " if answer.question in QUESTIONS else ""
            problems.append(f"{_at((answer.where, answer.column), 'rating')}: {expected}{error}; {_MEND}")
            continue
        if rating is None:
            empty.append(answer)
            continue
        rows.append((answer.rater, answer.item_id, answer.question, rating, answer.answered_at, answer.comment))
        places.append((answer.where, answer.column))
    text = {column: str for column in COLUMNS if column != "rating"}
    answers = pd.DataFrame(rows, columns=COLUMNS).astype({**text, "rating": float})
    raise_problems(source, problems + _find_problems(answers, items, settings, places))
    if answers.empty:
        raise C2IError(f"{source} has no answers: expected at least one rating; was the right file exported?")
    rated = set(zip(answers["rater"], answers["item_id"], strict=True))
    lost = {(answer.rater, answer.item_id) for answer in empty if answer.comment} - rated
    answers.attrs["notes"] = [
        *notes,
        *([f"{len(empty)} answers are missing (empty cells)"] if empty else []),
        *([f"{len(lost)} comments are left out: their rater has not rated the item"] if lost else []),
    ]
    return answers
