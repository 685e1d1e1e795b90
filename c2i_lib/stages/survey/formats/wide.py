"""Google Forms and Qualtrics: CSV exports with one row per response and one column per question.

In: Google Forms' responses (``Timestamp`` first; grids as ``Title [Row]``) or Qualtrics' export (three header rows:
names, texts, ``{"ImportId": …}``), with numbers or labels. Out: an answers table. A comment column belongs to an item,
so its text is on each of the item's rows. ``PROLIFIC_PID`` names a person: who comes twice is one rater, and of what
they answered twice the first counts. Left out, with a note: such second answers, Qualtrics' previews and tests, and
columns that are not mapped. Ignored: all else that the tools record of a respondent.

Qualtrics' columns: https://www.qualtrics.com/support/survey-platform/data-and-analysis-module/data/download-data/
understanding-your-dataset/ (its -99 stands for a question that was seen and not answered).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE, GivenAnswer, build_answers, parse_iso, to_utc
from c2i_lib.stages.survey.formats.csv_files import Row, read_rows, unique_names
from c2i_lib.stages.survey.formats.mapping import COMMENT, check_mapping, propose_mapping

# Names of the column that tells raters apart, the best first.
_RATER_COLUMNS = (
    "rater, rater id, email address, email, e-mail, username, externalreference, recipientemail, responseid"
).split(", ")
_PERSON = ("prolific_pid", "prolific pid", "prolificpid", "prolific_id", "prolific id", "prolificid")
# Numbers that stand for no point of a scale: the first is ours (``qualtrics_form``), the second Qualtrics' own.
_CODES = {"-1": CANNOT_JUDGE, "-99": ""}
# Status of the researcher's own responses, in an export of labels or of numbers.
_PREVIEW = re.compile(r".*(preview|survey test).*|1|2|9|17", re.IGNORECASE)
_GOOGLE_TIME = re.compile(r"(\d{4}/\d{1,2}/\d{1,2} \d{1,2}:\d{2}:\d{2} [AP]M) GMT(?:([+-]\d{1,2})(?::?(\d{2}))?)?")


class WideFile(NamedTuple):
    """A wide export: its columns as ``{name: title}``, its responses, and Qualtrics' third header row."""

    path: Path
    columns: dict[str, str]
    rows: list[Row]
    import_ids: list[str]
    position: dict[str, int]

    def cell(self, row: Row, column: str) -> str:
        """A response's cell, without spaces around it."""
        return row.cells[self.position[column]].strip()


class CountedResponses(NamedTuple):
    """What a tool's export holds: responses that count, when each was given (in UTC, or empty), and notes."""

    rows: list[Row]
    time_of: Callable[[Row], str]
    notes: list[str]


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
    return WideFile(path, dict(zip(names, titles, strict=True)), rows[n_header:], import_ids, position)


def read_columns(path: Path) -> dict[str, str]:
    """The columns of a wide export as ``{name: title}``, for ``propose_mapping``.

    Raises ``C2IError`` as ``read_rows`` does.
    """
    return read_wide(path).columns


def _person(text: str) -> str:
    """By whom a panel knows a respondent; empty for a placeholder that was never filled in, ``{{%PROLIFIC_PID%}}`` or
    ``${e://Field/PROLIFIC_PID}``, which would make one person of all."""
    return "" if set(text) & set("{}%$") else text


def _people(file: WideFile, column: str) -> tuple[list[str], str, str]:
    """As ``_raters``, by the column of a panel's ids; a response without one is named by its own id."""
    names = {name.casefold(): name for name in reversed(file.columns)}
    people, without = [], []
    for number, row in enumerate(file.rows, start=1):
        own = file.cell(row, names["responseid"]) if "responseid" in names else f"response_{number}"
        people.append(_person(file.cell(row, column)) or own)
        without += [row] if people[-1] == own else []
    note = f"column {column!r} names the raters"
    if without:
        note += f"; {len(without)} responses without one are raters of their own ({_lines(without)})"
    return people, column, note


def _raters(file: WideFile, rater_column: str | None) -> tuple[list[str], str, str]:
    """The rater of each response, the column that names them, and a note."""
    if rater_column is not None and rater_column not in file.columns:
        raise C2IError(
            f"{file.path}, line 1: no column {rater_column!r} for the raters; the file has {', '.join(file.columns)}"
        )
    column_of = {name.casefold(): name for name in reversed(file.columns)}
    person = next((column_of[name] for name in _PERSON if name in column_of), None)
    if not rater_column and person and any(_person(file.cell(row, person)) for row in file.rows):
        return _people(file, person)
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


def _google_time(text: str) -> str:
    """``2026/05/20 1:43:01 PM GMT+1`` in UTC. Empty for a Google Sheet's time, which has no zone."""
    parts = _GOOGLE_TIME.fullmatch(text.strip())
    if not parts:
        return ""
    hours, minutes = int(parts[2] or 0), int(parts[3] or 0)
    zone = timezone(timedelta(hours=hours, minutes=minutes if hours >= 0 else -minutes))
    return to_utc(datetime.strptime(parts[1], "%Y/%m/%d %I:%M:%S %p").replace(tzinfo=zone))


def _google_forms(file: WideFile) -> CountedResponses:
    """Google Forms' responses; the first column has their times, in the words of the form's language."""
    first = next(iter(file.columns))
    has_times = any(_google_time(file.cell(row, first)) for row in file.rows)
    notes = [] if has_times else ["the times have no time zone and are left out"]
    return CountedResponses(file.rows, lambda row: _google_time(file.cell(row, first)), notes)


def _qualtrics_time(file: WideFile) -> Callable[[Row], str]:
    """When a response was recorded, in UTC; the zone is in the column's import id."""
    column = next((name for name in ("RecordedDate", "EndDate") if name in file.columns), None)
    if column is None:
        return lambda row: ""
    try:
        name = json.loads(file.import_ids[list(file.columns).index(column)]).get("timeZone", "")
        zone = UTC if name == "Z" else ZoneInfo(name)
    except (ValueError, AttributeError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return lambda row: ""

    def time_of(row: Row) -> str:
        moment = parse_iso(file.cell(row, column))
        return to_utc(moment.replace(tzinfo=zone)) if moment else ""

    return time_of


def _lines(rows: Sequence[Row]) -> str:
    numbers = ", ".join(str(row.line) for row in rows[:10])
    return f"{'line' if len(rows) == 1 else 'lines'} {numbers}{', …' if len(rows) > 10 else ''}"


def _qualtrics(file: WideFile) -> CountedResponses:
    """Qualtrics' responses without previews and tests; those that are not finished stay, and notes say so."""
    if not any(file.import_ids):
        raise C2IError(
            f'{file.path}, line 3: expected a row of {{"ImportId": …}}, found none; export it from Qualtrics, Data & '
            "Analysis, as CSV, and keep all three header rows"
        )
    rows, notes = file.rows, []
    if "Status" in file.columns:
        previews = [row for row in rows if _PREVIEW.fullmatch(file.cell(row, "Status"))]
        rows = [row for row in rows if row not in previews]
        notes += [f"{len(previews)} previews or tests are left out ({_lines(previews)})"] if previews else []
    if "Finished" in file.columns:
        unfinished = [row for row in rows if file.cell(row, "Finished").casefold() in ("false", "0")]
        notes += [f"{len(unfinished)} unfinished responses are kept ({_lines(unfinished)})"] if unfinished else []
    return CountedResponses(rows, _qualtrics_time(file), notes)


_TOOLS = {"google_forms": _google_forms, "qualtrics": _qualtrics}
WIDE_KINDS = tuple(_TOOLS)


def _given(file: WideFile, raters: Sequence[str], key_of: dict, time_of: Callable[[Row], str]) -> list[GivenAnswer]:
    """Every answer of every response, as the file has it."""
    given = []
    for row, rater in zip(file.rows, raters, strict=True):
        moment = time_of(row)
        comments = {item: file.cell(row, column) for column, (item, question) in key_of.items() if question == COMMENT}
        for column, (item, question) in key_of.items():
            if question != COMMENT:
                text, comment = file.cell(row, column), comments.get(item, "")
                text = _CODES.get(text, text) if any(file.import_ids) else text
                given.append(GivenAnswer(f"line {row.line}", rater, item, question, text, moment, comment, column))
    return given


def _first_of_each(given: Sequence[GivenAnswer]) -> tuple[list[GivenAnswer], str]:
    """Answers of people who came more than once, each question once, and a note; given in the order of their visits."""
    kept: dict[tuple, GivenAnswer] = {}
    for answer in given:
        key = (answer.rater, answer.item_id, answer.question)
        if key not in kept or (answer.value and not kept[key].value):
            kept[key] = answer
    lines: dict[str, set[str]] = {}
    for answer in given:
        lines.setdefault(answer.rater, set()).add(answer.where)
    n_often = sum(len(places) > 1 for places in lines.values())
    n_later = sum(bool(answer.value) for answer in given) - sum(bool(answer.value) for answer in kept.values())
    if not n_often:
        return list(kept.values()), ""
    note = f"{n_often} people came more than once and are one rater each; {n_later} answers that they had given before"
    return list(kept.values()), f"{note} are left out"


def read_wide_answers(
    path: Path,
    items: pd.DataFrame,
    settings: Survey,
    kind: str,
    mapping: pd.DataFrame | None = None,
    rater_column: str | None = None,
    loops: dict[str, str] | None = None,
) -> pd.DataFrame:
    """Answers from a CSV export of one of ``WIDE_KINDS``. ``mapping``: by default what the columns' titles and, of
    Loop & Merge, ``loops`` say; ``rater_column``: by default the best of the columns that can tell raters apart.

    Raises ``C2IError`` with line and column of everything that is wrong, or how to write a mapping.
    """
    file = read_wide(path)
    responses = _TOOLS[kind](file)
    file = file._replace(rows=responses.rows)
    mapping = propose_mapping(file.columns, items, settings, loops) if mapping is None else mapping
    key_of = check_mapping(mapping, file.columns, items, path)
    if "StartDate" in file.columns:  # Qualtrics records an abandoned response days after it was given
        file = file._replace(rows=sorted(file.rows, key=lambda row: file.cell(row, "StartDate")))
    raters, names_raters, note = _raters(file, rater_column)
    given = _given(file, raters, key_of, responses.time_of)
    joined = ""
    if names_raters.casefold() in _PERSON:
        given, joined = _first_of_each(given)
    unread = [column for column in file.columns if column not in key_of and column != names_raters]
    notes = [*responses.notes, note, *([joined] if joined else [])]
    notes += [f"columns that are not read: {', '.join(unread)}"] if unread else []
    if n_absent := len(set(items["item_id"]) - {item for item, _ in key_of.values()}):
        notes.append(f"{n_absent} of {items['item_id'].nunique()} items have no column in this file")
    return build_answers(given, items, settings, path, notes=notes)
