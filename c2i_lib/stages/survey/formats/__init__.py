"""Import and export of answers: c2i's own CSV, Google Forms, Qualtrics, Label Studio, Potato, jsPsych, and any long CSV
whose columns a person names.

In: a file that a survey tool exported, and the run's ``items.parquet``. Out: an answers table (``rater, item_id,
question, rating, answered_at, comment``), checked; or the files for another tool. ``answers.attrs["notes"]`` says what
was left out or is missing. ``answers.py`` has the checks, ``mapping.py`` says which column of a wide file is which,
and each format has a module. Ignored: arms and images; an item's id stands for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE, COLUMNS, check_answers
from c2i_lib.stages.survey.formats.columns import parse_map
from c2i_lib.stages.survey.formats.csv_files import read_rows, read_text
from c2i_lib.stages.survey.formats.google_form import write_google_form
from c2i_lib.stages.survey.formats.jspsych import is_jspsych, read_jspsych
from c2i_lib.stages.survey.formats.label_studio import read_label_studio, write_label_studio
from c2i_lib.stages.survey.formats.long import read_long_answers
from c2i_lib.stages.survey.formats.mapping import propose_mapping, read_loops, read_mapping, write_mapping
from c2i_lib.stages.survey.formats.own import REQUIRED, answers_csv, read_answers_csv, write_answers_csv
from c2i_lib.stages.survey.formats.potato import is_potato, is_potato_header, read_potato
from c2i_lib.stages.survey.formats.qualtrics_form import write_qualtrics_form
from c2i_lib.stages.survey.formats.wide import WIDE_KINDS, is_qualtrics, read_columns, read_wide_answers

__all__ = [
    "CANNOT_JUDGE",
    "COLUMNS",
    "KINDS",
    "answers_csv",
    "check_answers",
    "detect_kind",
    "parse_map",
    "propose_mapping",
    "read_answers",
    "read_answers_csv",
    "read_columns",
    "read_label_studio",
    "read_loops",
    "read_mapping",
    "read_wide_answers",
    "write_answers_csv",
    "write_google_form",
    "write_label_studio",
    "write_mapping",
    "write_qualtrics_form",
]

_READERS = {"c2i": read_answers_csv, "label_studio": read_label_studio, "potato": read_potato}
KINDS = ("auto", *_READERS, *WIDE_KINDS, "jspsych", "long")
_HELP = {  # what a person may say of the columns of a file, and of which formats
    "mapping": WIDE_KINDS,
    "loops": ("qualtrics",),
    "rater_column": (*WIDE_KINDS, "jspsych"),
    "columns": ("long",),
}


def _detect_json(text: str) -> str:
    """Which tool's JSON, or JSON Lines, this is."""
    first = text.splitlines()[0]
    for part in (text, first):
        try:
            data = json.loads(part)
        except ValueError:
            continue
        data = data[0] if isinstance(data, list) and data else data
        if is_jspsych(data):
            return "jspsych"
        if is_potato(data):
            return "potato"
    return "label_studio"


def detect_kind(path: Path, items: pd.DataFrame) -> str:
    """The format of a file, by its content. Raises ``C2IError`` when it is none of ``KINDS``."""
    if Path(path).is_dir():
        return "potato"
    text = read_text(path).lstrip()
    if Path(path).suffix.lower() == ".json" or text[0] in "[{":
        return _detect_json(text)
    rows = read_rows(path)
    names = [name.strip() for name in rows[0].cells]
    if set(REQUIRED) <= set(names):
        return "c2i"
    if is_qualtrics(rows):
        return "qualtrics"
    if {"trial_type", "trial_index"} <= set(names):
        return "jspsych"
    if is_potato_header(names):
        return "potato"
    if names[0] == "Timestamp" or propose_mapping(read_columns(path), items)["item_id"].any():
        return "google_forms"
    raise C2IError(
        f"{path}, line 1: the columns ({', '.join(names[:5])}, …) are of no known format; say which it is: "
        f"{', '.join(KINDS[1:])}; or, with a row for each answer, which column is what: --map rater=… item=… …"
    )


def read_answers(
    path: Path,
    items: pd.DataFrame,
    settings: Survey,
    kind: str = "auto",
    mapping: pd.DataFrame | None = None,
    rater_column: str | None = None,
    loops: dict[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Answers from a file of any format (``KINDS``). ``mapping`` and ``rater_column`` are for the wide formats (the
    latter for jsPsych, too), ``loops`` for Qualtrics' Loop & Merge, ``columns`` (role → column) for any long CSV.

    Raises ``C2IError`` with row and column of everything that is wrong, and how to mend it.
    """
    if kind not in KINDS:
        raise C2IError(f"unknown format {kind!r}: expected {', '.join(KINDS)}")
    if kind == "auto":
        kind = "long" if columns else detect_kind(path, items)
    said = {"mapping": mapping, "rater_column": rater_column, "loops": loops, "columns": columns}
    for name, value in said.items():
        if value is not None and kind not in _HELP[name]:
            option = {"columns": "--map"}.get(name, f"--{name.replace('_', '-')}")
            raise C2IError(
                f"{path} is of format {kind}, which names items and raters itself: leave out {option} (it is for "
                f"{' and '.join(_HELP[name])})"
            )
    if kind in WIDE_KINDS:
        return read_wide_answers(path, items, settings, kind, mapping, rater_column, loops)
    if kind == "jspsych":
        return read_jspsych(path, items, settings, rater_column)
    if kind == "long":
        return read_long_answers(path, items, settings, columns or {})
    return _READERS[kind](path, items, settings)
