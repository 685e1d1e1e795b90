"""What the pages say, in one file for each language: buttons, messages, attention checks.

In: a language that comes with the library (``LANGUAGES``), or a JSON file of one's own with the same names. Out: name
→ text, in which {words in braces} are filled in. Ignored: questions and labels, which are the profile's, and the text
that raters agree to (``instructions.py``).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from c2i_lib.errors import C2IError

_FOLDER = Path(__file__).parent / "static"
LANGUAGES = tuple(sorted(path.stem.removeprefix("texts.") for path in _FOLDER.glob("texts.*.json")))
_BRACES = re.compile(r"\{\w+\}")


def _read(path: Path) -> dict[str, str]:
    try:
        texts = json.loads(Path(path).read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise C2IError(f"survey.texts: {path} is no file and none of {', '.join(LANGUAGES)}") from None
    except ValueError as error:
        raise C2IError(f"{path} should be JSON in UTF-8, such as {_FOLDER / 'texts.en.json'}: {error}") from None
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise C2IError(f"{path} should map names to texts, as {_FOLDER / 'texts.en.json'} does")
    return texts


def load_texts(language: str) -> dict[str, str]:
    """The texts of a language or of a file. Raises ``C2IError`` that names what a file lacks or has too many."""
    path = _FOLDER / f"texts.{language}.json" if language in LANGUAGES else Path(language)
    texts, english = _read(path), _read(_FOLDER / "texts.en.json")
    problems = [f"no text {name!r}" for name in english if not texts.get(name, "").strip()]
    problems += [f"unknown text {name!r}" for name in texts if name not in english]
    for name in set(texts) & set(english):
        if set(_BRACES.findall(texts[name])) != set(_BRACES.findall(english[name])):
            problems.append(f"{name!r} should hold {', '.join(_BRACES.findall(english[name])) or 'no braces'}")
    if problems:
        raise C2IError(f"{path}: {'; '.join(sorted(problems)[:10])}. As in {_FOLDER / 'texts.en.json'}")
    return texts


def instructions_of(language: str, mode: str = "likert") -> Path:
    """The text that raters of a language agree to, as long as the researcher has not written another. ``mode``: as in
    ``survey.mode``."""
    name = "instructions_pairs" if mode == "pairwise" else "instructions"
    path = _FOLDER / f"{name}.{language}.md"
    return path if path.is_file() else _FOLDER / f"{name}.en.md"
