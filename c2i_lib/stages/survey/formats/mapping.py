"""Which column of a wide file answers which question about which item: a table that a person can see and edit.

In: the columns of a file, as ``{name: title}``, where the title is all that the file says of the column. Out: a
mapping (``column, item_id, question, title``), also as a CSV; a column that is no answer has an empty item and
question. Besides the two questions there is "comment". Ignored: the answers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.stages.survey.formats.answers import raise_problems
from c2i_lib.stages.survey.formats.csv_files import read_rows
from c2i_lib.stages.survey.formats.own import guard_formula, unguard_formula
from c2i_lib.study import QUESTIONS

COMMENT = "comment"
MAPPING_COLUMNS = ["column", "item_id", "question", "title"]

_HOW_TO_MAP = (
    "\nTo say which column is which, write the mapping with python -m c2i_lib survey map FILE, fill in item_id and "
    "question of each column, and import again with --mapping (in Python: write_mapping(path, "
    "propose_mapping(read_columns(file), items, settings)), then mapping=read_mapping(path))"
)
_ITEM_ID = re.compile(r"(?<![0-9a-z])i[0-9a-f]{12}(?![0-9a-z])")
# Columns that survey tools add to a question: the time spent, the order shown, the text of "other".
_ADDED = re.compile(
    r"_DO(_|$)|_TEXT$|_(First Click|Last Click|Page Submit|Click Count)$|Timing - |Display Order", re.MULTILINE
)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _question_in(title: str, settings: Survey | None) -> str:
    """The question that a title asks, by its text or else by its name; empty when there is none or more than one."""
    by_text = [q for q in QUESTIONS if settings and _plain(getattr(settings, q).text) in title]
    by_name = [q for q in QUESTIONS if re.search(rf"(?<![a-z]){q}(?![a-z])", title)]
    for found in (by_text, by_name):
        if found:
            return found[0] if len(found) == 1 else ""
    return COMMENT if re.search(r"(?<![a-z])(comment|remark)s?(?![a-z])", title) else ""


def propose_mapping(
    columns: Mapping[str, str] | Sequence[str], items: pd.DataFrame, settings: Survey | None = None
) -> pd.DataFrame:
    """A mapping found by the item id and the question's text or name in the columns' titles.

    ``columns``: of ``read_columns``, or names alone. Without ``settings`` only the questions' names are looked for. A
    title with an item id that the run does not have keeps it, so that the error says so.
    """
    titles = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    rows = []
    for column, title in titles.items():
        ids = set() if _ADDED.search(f"{column}\n{title}") else set(_ITEM_ID.findall(title.lower()))
        known = ids & set(items["item_id"]) or ids
        item_id = known.pop() if len(known) == 1 else ""
        rows.append((column, item_id, _question_in(_plain(title), settings) if item_id else "", title))
    return pd.DataFrame(rows, columns=MAPPING_COLUMNS).astype(str)


def write_mapping(path: Path, mapping: pd.DataFrame) -> None:
    """Write a mapping as a CSV to look at and edit; nothing in it runs in a spreadsheet."""
    with atomic_path(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(MAPPING_COLUMNS)
        for row in mapping.reindex(columns=MAPPING_COLUMNS, fill_value="").itertuples(index=False):
            writer.writerow([guard_formula(str(cell)) for cell in row])


def read_mapping(path: Path) -> pd.DataFrame:
    """A mapping that ``write_mapping`` wrote and a person edited; ``title`` may be gone.

    Raises ``C2IError`` when the file is not such a CSV.
    """
    header, *rows = read_rows(path)
    names = [name.strip() for name in header.cells]
    if missing := [name for name in MAPPING_COLUMNS[:3] if name not in names]:
        raise C2IError(f"{path}, line 1: no column {', '.join(missing)}; expected {', '.join(MAPPING_COLUMNS)}")
    table = pd.DataFrame([[unguard_formula(cell) for cell in row.cells] for row in rows], columns=names, dtype=str)
    for name in ("item_id", "question"):
        table[name] = table[name].str.strip()
    return table.reindex(columns=MAPPING_COLUMNS, fill_value="")


def _problem_of(row: tuple, columns: Mapping[str, str], items: set[str]) -> str | None:
    if row.column not in columns:
        return "the file has no such column; copy its name from the file"
    if row.item_id and row.item_id not in items:
        return f"unknown item {row.item_id!r}: expected one of this run's items.parquet; is the file of another run?"
    if bool(row.item_id) != bool(row.question):
        given, lacking = ("item_id", "question") if row.item_id else ("question", "item_id")
        return f"has the {given} {getattr(row, given)!r} and no {lacking}; fill in both, or empty both to leave it out"
    if row.question and row.question not in (*QUESTIONS, COMMENT):
        return f"expected the question {', '.join(QUESTIONS)} or {COMMENT}, found {row.question!r}"
    return None


def check_mapping(mapping: pd.DataFrame, columns: Mapping[str, str], items: pd.DataFrame, source: Path | str) -> dict:
    """A mapping as ``{column: (item_id, question)}``, without the columns that are no answers.

    Raises ``C2IError`` that names the columns that do not fit and says how to write and edit a mapping.
    """
    known, column_of, problems = set(items["item_id"]), {}, []
    for row in mapping.itertuples(index=False):
        problem, key = _problem_of(row, columns, known), (row.item_id, row.question)
        if not problem and row.item_id and column_of.setdefault(key, row.column) != row.column:
            problem = f"answers {row.question} of {row.item_id}, as column {column_of[key]!r} does; keep one of them"
        if problem:
            problems.append(f"line 1, column {row.column!r}: {problem}")
    if not problems and not any(question in QUESTIONS for _, question in column_of):
        problems = [
            f"line 1: no column answers a question about an item: expected titles with an item_id and {QUESTIONS[0]} "
            f"or {QUESTIONS[1]} (or the question's text), found {', '.join(repr(name) for name in list(columns)[:5])}"
        ]
    raise_problems(source, problems, _HOW_TO_MAP)
    return {column: key for key, column in column_of.items()}
