"""What a person asks for on the page: fields, the parameters of a link, a list of concepts → checked values.

In: texts and numbers as a browser sends them, which may be anything. Out: ``Asked``, or an error that says what is
wrong. Ignored: whether an arm can do it, which the writer says.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from c2i_lib.errors import C2IError
from c2i_lib.generator import Wishes
from c2i_lib.generator.sheet import MAX_SEED
from c2i_lib.text.concepts import clean_concept

MAX_PROMPTS = 4  # of a concept on the page
MAX_CONCEPTS = 200  # of a batch
MAX_LIST_BYTES = 1_000_000
MAX_WORDS = 1000  # characters of the words to keep, to ban, and the style, each
_TEXTS = ("concept", "arm", "keep", "ban", "style")


@dataclass(frozen=True)
class Asked:
    """A concept with wishes: ``n`` prompts by ``arm`` (empty: the default one); ``keep`` and ``ban`` with commas."""

    concept: str
    n: int = MAX_PROMPTS
    seed: int = 0
    arm: str = ""
    keep: str = ""
    ban: str = ""
    style: str = ""

    @property
    def wishes(self) -> Wishes:
        """As the writer takes them. Raises ``C2IError`` for wishes that contradict each other."""
        return Wishes(_words(self.keep), _words(self.ban), self.style)

    @property
    def link(self) -> str:
        """The query of a link that asks for the same again."""
        own = {name: value for name, value in vars(self).items() if value not in ("", None)}
        return f"?{urlencode(own)}"


def asked(
    concept: Any, n: Any = MAX_PROMPTS, seed: Any = 0, arm: Any = "", keep: Any = "", ban: Any = "", style: Any = ""
) -> Asked:
    """What the fields of the page say. Raises ``C2IError`` for a concept or a number that is none."""
    texts = [str(one or "") for one in (arm, keep, ban, style)]
    if (longest := max(map(len, texts))) > MAX_WORDS:
        raise C2IError(f"words and style should have {MAX_WORDS:,} characters at most, found {longest:,}: shorten them")
    n, seed = whole(n, "the number of prompts", 1, MAX_PROMPTS), whole(seed, "the seed", 0, MAX_SEED)
    return Asked(clean_concept(str(concept or "")), n, seed, *texts)


def asked_in(parameters: Mapping[str, str]) -> Asked | None:
    """What a link asks for; None where it names no concept. Raises ``C2IError`` as ``asked`` does."""
    if not parameters.get("concept"):
        return None
    texts = {name: parameters.get(name, "") for name in _TEXTS}
    return asked(n=parameters.get("n", MAX_PROMPTS), seed=parameters.get("seed", 0), **texts)


def whole(value: Any, what: str, least: int, most: int) -> int:
    """``value`` as a whole number. Raises ``C2IError`` where it is none, or out of range."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not least <= number <= most or number != int(number):
        raise C2IError(f"{what} should be a whole number from {least} to {most}, found {str(value)[:40]!r}")
    return int(number)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,;\n]", text) if word.strip())


def concepts_of(text: str, file: str | Path | None = None) -> list[str]:
    """Concepts, one a line, or those of a CSV file: its column ``concept``, else its first one; each once.

    Raises ``C2IError`` that names the line of what is no concept, and for none or too many.
    """
    where = "the list"
    if file:
        where, text = Path(file).name, _text_of(Path(file))
        lines = _column(text)
    else:
        lines = (text or "").splitlines()
    found: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if len(found) > MAX_CONCEPTS:
            break
        try:
            found |= {clean_concept(line): number} if line.strip() else {}
        except C2IError as error:
            raise C2IError(f"{where}, line {number}: {error}") from error
    if not 1 <= len(found) <= MAX_CONCEPTS:
        found_so_many = "more: cut it, or use c2i imagine" if found else "none: give one, such as a red bicycle"
        raise C2IError(f"{where} should have 1 to {MAX_CONCEPTS} concepts, one a line, found {found_so_many}")
    return list(found)


def _text_of(file: Path) -> str:
    if file.stat().st_size > MAX_LIST_BYTES:
        raise C2IError(f"{file.name} should be {MAX_LIST_BYTES:,} bytes at most, found {file.stat().st_size:,}: cut it")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise C2IError(f"{file.name} should be CSV or text in UTF-8: {error}") from error


def _column(text: str) -> list[str]:
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise C2IError(f"the file should be CSV, and cannot be read as such: {error}") from error
    head = [name.strip().lower() for name in rows[0]] if rows else []
    place = head.index("concept") if "concept" in head else 0
    lines = [row[place] if len(row) > place else "" for row in rows]
    return ["", *lines[1:]] if "concept" in head else lines
