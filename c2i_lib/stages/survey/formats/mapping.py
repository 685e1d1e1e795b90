"""Which column of a wide file answers which question about which item: a table that a person can see and edit.

In: the columns of a file, as ``{name: title}``, where the title is all that the file says of the column; of Qualtrics'
Loop & Merge, whose columns ``1_Q1``, ``2_Q1``, … tell only the number of the loop, also a table of the loops. Out: a
mapping (``column, item_id, question, title``), also as a CSV; a column that is no answer has an empty item and
question. Besides the two questions there is "comment". Ignored: the answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.stages.survey.formats.answers import raise_problems
from c2i_lib.stages.survey.formats.csv_files import csv_text, read_rows, unguard_formula
from c2i_lib.study import QUESTIONS

COMMENT = "comment"
MAPPING_COLUMNS = ["column", "item_id", "question", "title"]

_HOW_TO_MAP = (
    "\nTo say which column is which, write the mapping with python -m c2i_lib survey map FILE, fill in item_id and "
    "question of each column, and import again with --mapping (in Python: write_mapping(path, "
    "propose_mapping(read_columns(file), items, settings)), then mapping=read_mapping(path)). Of Qualtrics' Loop & "
    "Merge, --loops FILE with the columns loop and item_id is enough"
)
_ITEM_ID = re.compile(r"(?<![0-9a-z])i[0-9a-f]{12}(?![0-9a-z])")
# What our own forms write into a title, or have for the name of a column: it counts before all else.
_OWN_TITLE = re.compile(rf"\[(i[0-9a-f]{{12}}) ({'|'.join((*QUESTIONS, COMMENT))})\]")
_OWN_NAME = re.compile(rf"(i[0-9a-f]{{12}})_({'|'.join((*QUESTIONS, COMMENT))})")
_LOOP = re.compile(r"(\d+)_")
# Columns that survey tools add to a question: the time spent, the order shown, the text of "other".
_ADDED = re.compile(
    r"_DO(_|$)|_TEXT$|_(First Click|Last Click|Page Submit|Click Count)$|Timing - |Display Order", re.MULTILINE
)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def own_title(text: str, item_id: str, question: str) -> str:
    """The title of a question in a form that c2i makes: it tells a rater nothing, and the mapping all."""
    return f"{' '.join(text.split())} [{item_id} {question}]"


def own_name(item_id: str, question: str) -> str:
    """The name of a column in a form that c2i makes, where a tool lets columns have names."""
    return f"{item_id}_{question}"


def find_item(text: str, known: set[str]) -> str:
    """The item that a text is, or that it names, such as the path of a picture; empty where it names none or several.

    An id of another run counts where there is none of this run, so that the error says so.
    """
    ids = {text.strip()} & known or set(_ITEM_ID.findall(text.lower()))
    ids = ids & known or ids
    return ids.pop() if len(ids) == 1 else ""


def find_question(title: str, settings: Survey | None) -> str:
    """The question that a title asks, by its text or else by its name, or "comment"; empty when there is none or more
    than one."""
    title = _plain(title)
    by_text = [q for q in QUESTIONS if settings and _plain(getattr(settings, q).text) in title]
    by_name = [q for q in QUESTIONS if re.search(rf"(?<![a-z]){q}(?![a-z])", title)]
    for questions in (by_text, by_name):
        if questions:
            return questions[0] if len(questions) == 1 else ""
    return COMMENT if re.search(r"(?<![a-z])(comment|remark)s?(?![a-z])", title) else ""


def read_loops(path: Path) -> dict[str, str]:
    """Which loop of Qualtrics' Loop & Merge is about which item: ``{"1": item_id}``, from a CSV with the columns
    ``loop`` (its number in the table of the block) and ``item_id``. Raises ``C2IError`` when the file is none such."""
    header, *rows = read_rows(path)
    names = [name.strip() for name in header.cells]
    if missing := [name for name in ("loop", "item_id") if name not in names]:
        raise C2IError(f"{path}, line 1: no column {', '.join(missing)}; expected loop, item_id")
    loops: dict[str, str] = {}
    for row in rows:
        loop, item_id = (row.cells[names.index(name)].strip() for name in ("loop", "item_id"))
        if not loop.isdecimal() or not item_id or loop in loops:
            raise C2IError(
                f"{path}, line {row.line}: expected another number of a loop, such as 1, and its item_id, found "
                f"{loop!r} and {item_id!r}; correct it"
            )
        loops[loop] = item_id
    return loops


def _key_in(column: str, title: str, known: set[str], settings: Survey | None, loops: Mapping[str, str]) -> tuple:
    """Item and question of a column, each empty where it is not said."""
    if _ADDED.search(f"{column}\n{title}"):
        return "", ""
    if own := _OWN_NAME.fullmatch(column) or _OWN_TITLE.search(title):
        return own.groups()
    loop = _LOOP.match(column)
    item_id = loops.get(loop[1], "") if loop and loops else find_item(title, known)
    return item_id, find_question(title, settings) if item_id else ""


def propose_mapping(
    columns: Mapping[str, str] | Sequence[str],
    items: pd.DataFrame,
    settings: Survey | None = None,
    loops: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """A mapping found by the item id and the question's text or name in the columns' titles.

    ``columns``: of ``read_columns``, or names alone. Without ``settings`` only the questions' names are looked for.
    ``loops``, of ``read_loops``: the items of columns ``1_…``, ``2_…``. A title with an item id that the run does not
    have keeps it, so that the error says so.
    """
    titles = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    known = set(items["item_id"])
    rows = [(column, *_key_in(column, title, known, settings, loops or {}), title) for column, title in titles.items()]
    return pd.DataFrame(rows, columns=MAPPING_COLUMNS).astype(str)


def write_mapping(path: Path, mapping: pd.DataFrame) -> None:
    """Write a mapping as a CSV to look at and edit; nothing in it runs in a spreadsheet."""
    rows = mapping.reindex(columns=MAPPING_COLUMNS, fill_value="").itertuples(index=False)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(csv_text([MAPPING_COLUMNS, *rows]), encoding="utf-8", newline="")


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
