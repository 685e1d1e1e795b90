"""Import and export of answers: c2i's own CSV, Google Forms, Qualtrics and Label Studio.

In: a file that a survey tool exported, and the run's ``items.parquet``. Out: an answers table (``rater, item_id,
question, rating, answered_at, comment``), checked; or the files for another tool. ``answers.attrs["notes"]`` says what
was left out or is missing. ``answers.py`` has the checks, ``mapping.py`` says which column of a wide file is which,
and each format has a module. Ignored: arms and images; an item's id stands for them.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE, COLUMNS, check_answers
from c2i_lib.stages.survey.formats.csv_files import read_rows, read_text
from c2i_lib.stages.survey.formats.label_studio import read_label_studio, write_label_studio
from c2i_lib.stages.survey.formats.mapping import propose_mapping, read_mapping, write_mapping
from c2i_lib.stages.survey.formats.own import REQUIRED, read_answers_csv, write_answers_csv
from c2i_lib.stages.survey.formats.wide import is_qualtrics, read_columns, read_google_forms, read_qualtrics

__all__ = [
    "CANNOT_JUDGE",
    "COLUMNS",
    "KINDS",
    "check_answers",
    "detect_kind",
    "propose_mapping",
    "read_answers",
    "read_answers_csv",
    "read_columns",
    "read_google_forms",
    "read_label_studio",
    "read_mapping",
    "read_qualtrics",
    "write_answers_csv",
    "write_label_studio",
    "write_mapping",
]

_READERS = {"c2i": read_answers_csv, "label_studio": read_label_studio}
_WIDE_READERS = {"google_forms": read_google_forms, "qualtrics": read_qualtrics}
KINDS = ("auto", *_READERS, *_WIDE_READERS)


def detect_kind(path: Path, items: pd.DataFrame) -> str:
    """The format of a file, by its content. Raises ``C2IError`` when it is none of ``KINDS``."""
    if Path(path).suffix.lower() == ".json" or read_text(path).lstrip()[0] in "[{":
        return "label_studio"
    rows = read_rows(path)
    names = [name.strip() for name in rows[0].cells]
    if set(REQUIRED) <= set(names):
        return "c2i"
    if is_qualtrics(rows):
        return "qualtrics"
    if names[0] == "Timestamp" or propose_mapping(read_columns(path), items)["item_id"].any():
        return "google_forms"
    raise C2IError(
        f"{path}, line 1: the columns ({', '.join(names[:5])}, …) are of no known format; say which it is: "
        f"{', '.join(KINDS[1:])}"
    )


def read_answers(
    path: Path,
    items: pd.DataFrame,
    settings: Survey,
    kind: str = "auto",
    mapping: pd.DataFrame | None = None,
    rater_column: str | None = None,
) -> pd.DataFrame:
    """Answers from a file of any format (``KINDS``). ``mapping`` and ``rater_column`` are for the wide formats.

    Raises ``C2IError`` with row and column of everything that is wrong, and how to mend it.
    """
    if kind not in KINDS:
        raise C2IError(f"unknown format {kind!r}: expected {', '.join(KINDS)}")
    kind = detect_kind(path, items) if kind == "auto" else kind
    if kind in _WIDE_READERS:
        return _WIDE_READERS[kind](path, items, settings, mapping, rater_column)
    if mapping is not None or rater_column is not None:
        raise C2IError(
            f"{path} is of format {kind}, which names items and raters itself: leave out the mapping and the rater's "
            f"column (they are for {' and '.join(_WIDE_READERS)})"
        )
    return _READERS[kind](path, items, settings)
