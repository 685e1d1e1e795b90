"""Google Forms and Qualtrics: CSV exports with a row a response and a column a question.

In: Google Forms' responses (``Timestamp`` first; grids as ``Title [Row]``) or Qualtrics' export (three header rows:
names, texts, ``{"ImportId": …}``), with numbers or labels. Out: an answers table. A comment column belongs to an item,
so its text is on each of the item's rows. Left out, with a note: Qualtrics' previews and tests, and columns that are
not mapped. Ignored: all else that the tools record of a respondent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.formats.answers import GivenAnswer, build_answers, parse_iso, to_utc
from c2i_lib.stages.survey.formats.csv_files import Row, read_rows, unique_names
from c2i_lib.stages.survey.formats.mapping import COMMENT, check_mapping, propose_mapping

# Names of the column that tells raters apart, the best first.
_RATER_COLUMNS = (
    "rater, rater id, email address, email, e-mail, username, externalreference, recipientemail, responseid"
).split(", ")
# Status of the researcher's own responses, in an export of labels or of numbers.
_PREVIEW = re.compile(r".*(preview|survey test).*|1|2|9|17", re.IGNORECASE)
_GOOGLE_TIME = re.compile(r"(\d{4}/\d{1,2}/\d{1,2} \d{1,2}:\d{2}:\d{2} [AP]M) GMT(?:([+-]\d{1,2})(?::?(\d{2}))?)?")


class WideFile(NamedTuple):
    """A wide export: its columns as ``{name: title}``, its responses, and Qualtrics' third header row."""

    columns: dict[str, str]
    rows: list[Row]
    import_ids: list[str]
    position: dict[str, int]

    def cell(self, row: Row, column: str) -> str:
        """A response's cell, without spaces around it."""
        return row.cells[self.position[column]].strip()


def is_qualtrics(rows: Sequence[Row]) -> bool:
    """Whether the third row is Qualtrics' row of import ids."""
    return len(rows) > 2 and any(re.match(r'\s*\{\s*"ImportId"', cell) for cell in rows[2].cells)


def read_wide(path: Path) -> WideFile:
    """A Google Forms or Qualtrics export; columns of the same name are numbered.

    Raises ``C2IError`` as ``read_rows`` does.
    """
    rows = read_rows(path)
    names, n_header = unique_names(rows[0].cells), 3 if is_qualtrics(rows) else 1
    texts = [" ".join(cell.split()) for cell in rows[1].cells] if n_header == 3 else names
    titles = [name if name == text else f"{name}: {text}" for name, text in zip(names, texts, strict=True)]
    import_ids = rows[2].cells if n_header == 3 else [""] * len(names)
    position = {name: number for number, name in enumerate(names)}
    return WideFile(dict(zip(names, titles, strict=True)), rows[n_header:], import_ids, position)


def read_columns(path: Path) -> dict[str, str]:
    """The columns of a wide export as ``{name: title}``, for ``propose_mapping``.

    Raises ``C2IError`` as ``read_rows`` does.
    """
    return read_wide(path).columns


def _raters(file: WideFile, rater_column: str | None, path: Path) -> tuple[list[str], str, str]:
    """The rater of each response, the column that names them, and a note."""
    if rater_column is not None and rater_column not in file.columns:
        raise C2IError(
            f"{path}, line 1: no column {rater_column!r} for the raters; the file has {', '.join(file.columns)}"
        )
    column_of = {name.casefold(): name for name in reversed(file.columns)}
    candidates = [rater_column] if rater_column else [column_of[name] for name in _RATER_COLUMNS if name in column_of]
    for column in candidates:
        raters = [file.cell(row, column) for row in file.rows]
        if rater_column or all(raters):
            return raters, column, f"column {column!r} names the raters"
    raters = [f"response_{number}" for number in range(1, len(file.rows) + 1)]
    note = (
        "no column names the raters: they are response_1, response_2, …; in another file response_1 is the same person"
    )
    return raters, "", note


def _to_answers(
    path: Path,
    file: WideFile,
    items: pd.DataFrame,
    settings: Survey,
    mapping: pd.DataFrame | None,
    rater_column: str | None,
    time_of: Callable[[Row], str],
    notes: Sequence[str],
) -> pd.DataFrame:
    proposed = propose_mapping(file.columns, items, settings) if mapping is None else mapping
    key_of = check_mapping(proposed, file.columns, items, path)
    raters, names_raters, note = _raters(file, rater_column, path)
    given = []
    for row, rater in zip(file.rows, raters, strict=True):
        moment = time_of(row)
        comments = {item: file.cell(row, column) for column, (item, question) in key_of.items() if question == COMMENT}
        for column, (item, question) in key_of.items():
            if question != COMMENT:
                text, comment = file.cell(row, column), comments.get(item, "")
                given.append(GivenAnswer(f"line {row.line}", rater, item, question, text, moment, comment, column))
    unread = [column for column in file.columns if column not in key_of and column != names_raters]
    notes = [*notes, note, *([f"columns that are not read: {', '.join(unread)}"] if unread else [])]
    if n_absent := len(set(items["item_id"]) - {item for item, _ in key_of.values()}):
        notes.append(f"{n_absent} of {items['item_id'].nunique()} items have no column in this file")
    return build_answers(given, items, settings, path, notes=notes)


def _google_time(text: str) -> str:
    """``2026/05/20 1:43:01 PM GMT+1`` in UTC. Empty for a Google Sheet's time, which has no zone."""
    found = _GOOGLE_TIME.fullmatch(text.strip())
    if not found:
        return ""
    hours, minutes = int(found[2] or 0), int(found[3] or 0)
    zone = timezone(timedelta(hours=hours, minutes=minutes if hours >= 0 else -minutes))
    return to_utc(datetime.strptime(found[1], "%Y/%m/%d %I:%M:%S %p").replace(tzinfo=zone))


def read_google_forms(
    path: Path,
    items: pd.DataFrame,
    settings: Survey,
    mapping: pd.DataFrame | None = None,
    rater_column: str | None = None,
) -> pd.DataFrame:
    """Answers from Google Forms' CSV of responses. ``rater_column``: by default an e-mail or user name column.

    Raises ``C2IError`` with line and column of everything that is wrong, or how to write a mapping.
    """
    file = read_wide(path)
    first = next(iter(file.columns))
    has_times = any(_google_time(file.cell(row, first)) for row in file.rows)
    notes = [] if has_times else ["the times have no time zone and are left out"]
    return _to_answers(
        path, file, items, settings, mapping, rater_column, lambda row: _google_time(file.cell(row, first)), notes
    )


def _qualtrics_time(file: WideFile) -> Callable[[Row], str]:
    """When a response was recorded, in UTC; the zone is in the column's import id."""
    column = next((name for name in ("RecordedDate", "EndDate") if name in file.columns), None)
    if column is None:
        return lambda row: ""
    try:
        name = json.loads(file.import_ids[list(file.columns).index(column)]).get("timeZone", "")
        zone = timezone.utc if name == "Z" else ZoneInfo(name)
    except (ValueError, AttributeError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return lambda row: ""

    def time_of(row: Row) -> str:
        moment = parse_iso(file.cell(row, column))
        return to_utc(moment.replace(tzinfo=zone)) if moment else ""

    return time_of


def _lines(rows: Sequence[Row]) -> str:
    shown = ", ".join(str(row.line) for row in rows[:10])
    return f"{'line' if len(rows) == 1 else 'lines'} {shown}{', …' if len(rows) > 10 else ''}"


def read_qualtrics(
    path: Path,
    items: pd.DataFrame,
    settings: Survey,
    mapping: pd.DataFrame | None = None,
    rater_column: str | None = None,
) -> pd.DataFrame:
    """Answers from Qualtrics' CSV export. ``rater_column``: by default ExternalReference, RecipientEmail or ResponseId.

    Previews and tests are left out; responses that are not finished are kept; notes say so. Raises ``C2IError`` with
    line and column of everything that is wrong, or how to write a mapping.
    """
    file, notes = read_wide(path), []
    if not any(file.import_ids):
        raise C2IError(
            f'{path}, line 3: expected a row of {{"ImportId": …}}, found none; export it from Qualtrics, Data & '
            "Analysis, as CSV, and keep all three header rows"
        )
    if "Status" in file.columns:
        previews = [row for row in file.rows if _PREVIEW.fullmatch(file.cell(row, "Status"))]
        file = file._replace(rows=[row for row in file.rows if not _PREVIEW.fullmatch(file.cell(row, "Status"))])
        notes += [f"{len(previews)} previews or tests are left out ({_lines(previews)})"] if previews else []
    if "Finished" in file.columns:
        unfinished = [row for row in file.rows if file.cell(row, "Finished").casefold() in ("false", "0")]
        notes += [f"{len(unfinished)} unfinished responses are kept ({_lines(unfinished)})"] if unfinished else []
    return _to_answers(path, file, items, settings, mapping, rater_column, _qualtrics_time(file), notes)
