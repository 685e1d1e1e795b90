"""Text and CSV files as people send them.

In: a file in UTF-8 (with or without a byte order mark) or UTF-16, separated by commas, semicolons or tabs. Out: its
text, or its rows, each with the line it begins at. Ignored: rows that are wholly empty.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from c2i_lib.errors import C2IError

_DELIMITERS = ",;\t"
_MAX_CELL = 1_000_000  # characters; the csv module's own limit is 131,072
_AS_UTF8 = 'save it as "CSV UTF-8" and import it again'


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
    if b"\0" in content and not is_utf16:
        raise C2IError(f"{path} is a binary file, expected CSV or JSON: give the file that the survey tool exported")
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise C2IError(f"{path}, line {line}: expected UTF-8, found another encoding; {_AS_UTF8}") from None
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
