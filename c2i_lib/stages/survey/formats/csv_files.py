"""Text and CSV files: those that people send, and those that we write.

In: a file in UTF-8 (with or without a byte order mark) or UTF-16, separated by commas, semicolons or tabs. Out: its
text, or its rows, each with the line it begins at. Ignored: rows that are wholly empty. And rows to write, as CSV in
which no cell is a formula, because raters' text is opened in spreadsheets.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from c2i_lib.errors import C2IError

_DELIMITERS = ",;\t"
_MAX_CELL = 1_000_000  # characters; the csv module's own limit is 131,072
_AS_UTF8 = 'save it as "CSV UTF-8" and import it again'
# A spreadsheet runs a cell that begins so. Spaces and apostrophes count as well: then taking the apostrophe away again
# is exact, also where a rater typed one. (The package defusedcsv sees neither " =1+1" nor "＝1+1", and changes "|".)
_FORMULA = re.compile(r"[\s']*[=+\-@＝＋－＠]|'*[\t\r\n]")


class Row(NamedTuple):
    """A record of a CSV file, and the line (from 1) at which it begins. Quoted line breaks make records longer."""

    line: int
    cells: list[str]


def read_text(path: Path) -> str:
    """The text of a file. Raises ``C2IError`` when it is missing, empty, a binary file or in another encoding."""
    path = Path(path)
    if not path.is_file():
        raise C2IError(f"{path} does not exist: expected a file of answers")
    content = path.read_bytes()
    if content[:4] == b"PK\x03\x04":
        raise C2IError(
            f"{path} is a zip archive or an Excel workbook, expected CSV or JSON: unpack it, or open it in a "
            f"spreadsheet program and {_AS_UTF8}"
        )
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # A NUL here and there is text that somebody pasted; UTF-16 without its mark is half NULs.
    if content.count(b"\0") * 100 > len(content) and not is_utf16:
        raise C2IError(f"{path} is a binary file, expected CSV or JSON: give the file that the survey tool exported")
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise C2IError(f"{path}, line {line}: expected UTF-8, found another encoding; {_AS_UTF8}") from None
    text = text.replace("\0", "")
    if not text.strip():
        raise C2IError(f"{path} is empty: expected answers; was the right file exported?")
    return text


def _delimiter(text: str) -> str:
    """The delimiter that gives the first record the most cells."""

    def n_cells(delimiter: str) -> int:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), []))

    return max(_DELIMITERS, key=n_cells)


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file, the header first; all have as many cells as the header.

    Raises ``C2IError`` as ``read_text`` does, and when quotes or the number of cells are not right.
    """
    text, rows, start = read_text(path), [], 1
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL))
    try:
        # newline="": line breaks within quotes stay as they are.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(start, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise C2IError(
            f"{path}, line {start}: expected CSV, found a row that cannot be read ({error}); a quote is probably "
            "missing or too many"
        ) from None
    n_columns = len(rows[0].cells)
    for row in rows:
        if len(row.cells) != n_columns:
            raise C2IError(
                f"{path}, line {row.line}: expected {n_columns} cells, as in the header, found {len(row.cells)}; a "
                "delimiter or a quote is probably missing or too many"
            )
    return rows


def unique_names(names: list[str]) -> list[str]:
    """Column names without doubles: the second ``Rate it`` is ``Rate it (2)``; one without a name is ``column 3``."""
    seen, unique = Counter(), []
    for position, name in enumerate(names, start=1):
        name = " ".join(name.split()) or f"column {position}"
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def guard_formula(text: str) -> str:
    """Text that no spreadsheet runs as a formula: an apostrophe before what looks like one."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_formula(text: str) -> str:
    """The text that ``guard_formula`` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV whose every cell is guarded: ``read_rows`` and ``unguard_formula`` give the cells back as text."""
    text = io.StringIO(newline="")
    # No CSV reader takes a NUL, and no rater means one.
    csv.writer(text).writerows([guard_formula(str(cell).replace("\0", "")) for cell in row] for row in rows)
    return text.getvalue()
