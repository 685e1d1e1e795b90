"""Prompts on paper: written, looked at, edited by a person, rendered.

In: prompts, or the JSON that a person has edited. Out: JSON, or prompts. What a prompt is rendered from is its text and
its seed; all else is there to be read. Ignored: which run renders them, apart from naming the one that wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from c2i_lib.errors import C2IError

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Written:
    """A prompt and how it came about.

    ``prompt``: what is rendered, with the noise of ``seed``; ``written``: what the arm wrote, where a person has edited
    it since. ``added``: each word that the concept does not have → where it comes from; ``nearest``: the training
    captions most like the prompt → similarity; ``cut``: what the TTI model's window has no room for; ``explicit``: a
    word of the blacklist is in it; ``notes``: what else a person should know.
    """

    prompt: str
    seed: int
    concept: str = ""
    arm: str = ""
    sample: int = 0
    written: str = ""
    added: dict[str, str] = field(default_factory=dict)
    nearest: dict[str, float] = field(default_factory=dict)
    cut: str = ""
    explicit: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def is_edited(self) -> bool:
        """Whether a person has changed what the arm wrote."""
        return bool(self.written) and self.prompt != self.written

    def about(self) -> dict[str, Any]:
        """What a picture keeps of it beside prompt, seed, concept and arm: all that is not empty."""
        own = {"written": self.written * self.is_edited, "added": self.added, "nearest": self.nearest, "cut": self.cut}
        return {name: value for name, value in {**own, "notes": self.notes}.items() if value}


@dataclass(frozen=True)
class Sheet:
    """Prompts, the folder of the run that wrote them, and a negative prompt (None: the profile's)."""

    prompts: list[Written]
    run: str = ""
    negative: str | None = None


def edit(prompts: Sequence[Written], texts: Mapping[int | str, str]) -> list[Written]:
    """``prompts`` with other texts, by their place from 0 (or "0", as papermill hands it on), as a person wants them.
    Raises ``C2IError`` for a place that there is not."""
    by_place = {str(place): text for place, text in texts.items()}
    wrong = sorted(set(by_place) - set(map(str, range(len(prompts)))))
    if wrong:
        raise C2IError(f"prompts have the numbers 0 to {len(prompts) - 1}, found {', '.join(wrong)}: give one of these")
    return [replace(one, prompt=by_place.get(str(place), one.prompt)) for place, one in enumerate(prompts)]


def sheet_of(sheet: Sheet, more: Sequence[Mapping[str, Any]] = ()) -> str:
    """A sheet as JSON, to be edited and read again. ``more``: of each prompt, what is known of its picture."""
    entries = [asdict(one) | {"written": one.written or one.prompt} for one in sheet.prompts]
    for entry, own in zip(entries, more, strict=False):
        entry |= own
    return json.dumps({"run": sheet.run, "negative": sheet.negative, "prompts": entries}, indent=2, ensure_ascii=False)


_KINDS = {name: type(value) for name, value in vars(Written("", 0)).items()}
_EXAMPLE = '[{"prompt": "a cat", "seed": 1}]'
_OF_PICTURES = {"path", "flagged", "quality", "faithfulness"}  # what ``imagine --json`` knows beside


def read_sheet(path: Path) -> Sheet:
    """The sheet in a JSON file, edited or not. Raises ``C2IError`` that names the prompt and what is wrong with it."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise C2IError(f"{path} should be the JSON of c2i write --json, found no JSON: {error}") from error
    if not isinstance(value, dict) or not isinstance(value.get("prompts"), list) or not value["prompts"]:
        raise C2IError(f"{path} should be as c2i write --json gives it, with prompts such as {_EXAMPLE}")
    run, negative = value.get("run", ""), value.get("negative")
    if not isinstance(run, str) or not isinstance(negative, str | None):
        raise C2IError(f"{path}: run and negative should be texts, found {run!r} and {negative!r}")
    entries = [_entry(one, f"{path}, prompt {number}") for number, one in enumerate(value["prompts"], 1)]
    return Sheet(entries, run, negative)


def _entry(value: Any, where: str) -> Written:
    if not isinstance(value, dict) or not {"prompt", "seed"} <= set(value):
        raise C2IError(f"{where} should have a prompt and a seed, such as {_EXAMPLE}, found {value}")
    unknown = sorted(set(value) - set(_KINDS) - _OF_PICTURES)
    if unknown:
        raise C2IError(f"{where} has unknown keys {unknown}: use {', '.join(_KINDS)}")
    own = {name: one for name, one in value.items() if name in _KINDS}
    for name, one in own.items():
        if type(one) is not _KINDS[name]:
            raise C2IError(f"{where}: {name} should be of the kind {_KINDS[name].__name__}, found {one!r}")
    return check(Written(**own), where)


def check(one: Written, where: str) -> Written:
    """A prompt with single spaces. Raises ``C2IError`` for one without a text, or a seed that is none."""
    text = " ".join(one.prompt.split())
    if not text:
        raise C2IError(f"{where}: the prompt is empty: write one, or remove the entry")
    if any("\ud800" <= character <= "\udfff" for character in json.dumps(asdict(one), ensure_ascii=False)):
        raise C2IError(f"{where}: expected characters of UTF-8, found half of one: write it anew")
    if not 0 <= one.seed <= MAX_SEED:
        raise C2IError(f"{where}: a seed should be 0 to {MAX_SEED}, found {one.seed}")
    return replace(one, prompt=text)
