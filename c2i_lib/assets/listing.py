"""A CSV file of assets → what is to be drawn.

In: columns ``name``, and if wanted ``description`` (what is drawn; else the name) and ``style`` (of this one alone).
Out: ``Asset`` objects, or an error that names the line. Ignored: whether a thing can be drawn.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from c2i_lib.errors import C2IError
from c2i_lib.text.concepts import clean_concept

COLUMNS = ("name", "description", "style")
_EXAMPLE = "name,description,style\nfox,a red fox,\nkey,a golden key,pixel art"


@dataclass(frozen=True)
class Asset:
    """``name``: of its file and frame; ``description``: what is drawn; ``style``: empty for that of all."""

    name: str
    description: str = ""
    style: str = ""

    @property
    def frame(self) -> str:
        """Its name in the atlas, and of its file."""
        return re.sub(r"\W+", "_", self.name.lower()).strip("_") + ".png"


def read_assets(path: Path | str) -> list[Asset]:
    """The assets of a CSV file. Raises ``C2IError`` for what is no such file, or a line that is no asset."""
    path = Path(path)
    if not path.is_file():
        raise C2IError(f"expected a CSV file of assets, found none at {path}: give its path")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise C2IError(f"{path} should be CSV in UTF-8: {error}") from error
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or []]
    if "name" not in header or set(header) - set(COLUMNS) or len(set(header)) < len(header):
        raise C2IError(
            f"{path} should have the column name, and may have description and style, found "
            f"{', '.join(header) or 'none'}: begin it as in\n{_EXAMPLE}"
        )
    reader.fieldnames = header
    assets = [(reader.line_num, _asset(row, f"{path}, line {reader.line_num}")) for row in reader]
    if not assets:
        raise C2IError(f"{path} should have an asset a line, found none: add some, as in\n{_EXAMPLE}")
    check_names([one for _, one in assets], [f"{path}, line {line}" for line, _ in assets])
    return [one for _, one in assets]


def _asset(row: dict[str | None, str | None], where: str) -> Asset:
    if None in row or None in row.values():
        raise C2IError(f"{where} should have as many fields as the first line: put a text with a comma in quotes")
    asset = Asset(**{name: " ".join(value.split()) for name, value in row.items()})
    if not re.search(r"\w", asset.name):
        raise C2IError(f"{where} should have a name with letters or digits, found {asset.name!r}: give one")
    clean_concept(asset.description or asset.name)
    return asset


def check_names(assets: Sequence[Asset], places: Sequence[str]) -> None:
    """Raise ``C2IError`` where two assets would have one file. ``places``: where each stands, for the message."""
    seen: dict[str, str] = {}
    for asset, place in zip(assets, places, strict=True):
        if asset.frame in seen:
            raise C2IError(
                f"each asset should have a file of its own, found {asset.frame} in {seen[asset.frame]} and in {place}: "
                "rename one"
            )
        seen[asset.frame] = place
