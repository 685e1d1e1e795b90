"""Any CSV with a row per answer, or per rater and item with a column for each question.

In: the file, and which of its columns is what (``columns.parse_map``): ``rater``, ``item`` (an item's id, or text that
holds it, such as the path of its picture), and either ``rating`` and ``question`` (its name or its text) or
``rating:quality`` and ``rating:faithfulness``; ``comment`` and ``answered_at`` (ISO 8601 with a zone) if there are any.
Out: an answers table. Ignored: other columns, with a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.formats.answers import GivenAnswer, build_answers, parse_iso, to_utc
from c2i_lib.stages.survey.formats.csv_files import read_rows, unguard_formula, unique_names
from c2i_lib.stages.survey.formats.mapping import find_item, find_question
from c2i_lib.study import QUESTIONS

RATINGS = tuple(f"rating:{question}" for question in QUESTIONS)
ROLES = ("rater", "item", "question", "rating", *RATINGS, "comment", "answered_at")


def _check(columns: Mapping[str, str], names: list[str], path: Path) -> None:
    """Raises ``C2IError`` where the map is no map of this file."""
    if unknown := [role for role in columns if role not in ROLES]:
        raise C2IError(f"--map: unknown role {unknown[0]!r}: expected {', '.join(ROLES)}")
    problems = [f"no role {role}" for role in ("rater", "item") if role not in columns]
    per_question = any(role in columns for role in RATINGS)
    if per_question and ("rating" in columns or "question" in columns):
        problems.append("rating:NAME beside rating or question: keep one of the two ways")
    elif not per_question and not {"rating", "question"} <= set(columns):
        problems.append(f"neither rating and question nor {' or '.join(RATINGS)}")
    if problems:
        raise C2IError(
            f"--map: {'; '.join(problems)}. Expected such as --map rater=worker item=image question=asked "
            "rating=answer or --map rater=worker item=image rating:quality=q1 rating:faithfulness=q2"
        )
    if missing := [f"{column!r} ({role})" for role, column in columns.items() if column not in names]:
        raise C2IError(f"{path}, line 1: no column {', '.join(missing)}; the file has {', '.join(names)}")


def read_long_answers(path: Path, items: pd.DataFrame, settings: Survey, columns: Mapping[str, str]) -> pd.DataFrame:
    """Answers from a CSV whose ``columns`` (role → column) a person has named.

    Raises ``C2IError`` for a map that does not fit, and with line and column of everything that is wrong.
    """
    header, *rows = read_rows(path)
    names, known = unique_names(header.cells), set(items["item_id"])
    _check(columns, names, path)
    given, problems = [], []
    for row in rows:
        cells = {name: unguard_formula(text).strip() for name, text in zip(names, row.cells, strict=True)}
        cell = {role: cells[column] for role, column in columns.items()}
        where, moment = f"line {row.line}", cell.get("answered_at", "")
        time = parse_iso(moment) if moment else None
        if moment and (time is None or time.tzinfo is None):
            problems.append(
                f"{where}, column {columns['answered_at']!r}: expected a time with its zone, such as "
                f"2026-05-20T13:43:01Z, or nothing, found {moment!r}"
            )
            continue
        item_id = find_item(cell["item"], known) or cell["item"]
        for role in [role for role in ("rating", *RATINGS) if role in columns]:
            asked = role.partition(":")[2] or find_question(cell["question"], settings) or cell["question"]
            answer = GivenAnswer(where, cell["rater"], item_id, asked, cell[role], to_utc(time) if time else "")
            given.append(answer._replace(comment=cell.get("comment", ""), column=columns[role]))
    others = [name for name in names if name not in columns.values()]
    notes = [f"columns that are not read: {', '.join(others)}"] if others else []
    return build_answers(given, items, settings, path, problems, notes)
