"""A plan: what of a story is to be drawn, as a file that a person edits.

In: ``plan.yaml``. Out: a ``Plan``, or an error that names the key. What is written is read again as it was. ``made``
says what a plan was made from, and the hash of the rest as it was made, by which an edited one is known. Ignored: how
plans come about (``planning.py``).
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from c2i_lib.config.loading import read_yaml
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path, hash_of

_HEAD = """\
# What of a story is drawn. Change what you like, take panels out or put some in: c2i story keeps what you changed.
# Of a panel the concept is drawn, with the look of each character in braces, the place's phrase, and the style.
# uncertain: who is meant is not sure there.
"""
_BRACES = re.compile(r"\{([^{}]+)\}")  # a character's name in a concept


@dataclass(frozen=True)
class Character:
    """``name``: what panels call it; ``aliases``: what the story calls it; ``head``: its noun; ``kind``: person, animal
    or another; ``attributes``: words that the story has for it; ``look``: the phrase pasted into each panel with it."""

    name: str
    aliases: list[str] = field(default_factory=list)
    head: str = ""
    kind: str = ""
    gender: str = ""
    number: str = "one"
    attributes: list[str] = field(default_factory=list)
    look: str = ""


@dataclass(frozen=True)
class Place:
    """Where panels are: ``name``, and the ``phrase`` that says it in a prompt."""

    name: str
    phrase: str = ""


@dataclass(frozen=True)
class PlannedEvent:
    """What happens: names of characters or phrases; ``where`` and ``when`` as the sentence says them, or empty."""

    who: list[str] = field(default_factory=list)
    verb: str = ""
    whom: list[str] = field(default_factory=list)
    where: str = ""
    when: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture. ``span``: where its text stands in the story, in characters; ``place`` and ``time``: of the event,
    or carried over from before; ``on_stage``: characters; ``concept``: what is drawn; ``caption``: what is below."""

    text: str = ""
    span: list[int] = field(default_factory=list)
    event: PlannedEvent = field(default_factory=PlannedEvent)
    on_stage: list[str] = field(default_factory=list)
    place: str = ""
    time: str = ""
    concept: str = ""
    caption: str = ""
    uncertain: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """All that is drawn of a story. ``style``: of all panels; ``made``: what it was made from."""

    title: str
    characters: list[Character] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    style: str = ""
    made: dict[str, str] = field(default_factory=dict)

    @property
    def is_edited(self) -> bool:
        """Whether a person has changed it since it was made."""
        return self.made.get("plan") != _content_hash(self)


def _content_hash(plan: Plan) -> str:
    return hash_of({name: value for name, value in asdict(plan).items() if name != "made"})


def drawn(plan: Plan, panel: Panel) -> str:
    """The concept of a panel with the looks of its characters; of one without a look, its name."""
    looks = {one.name: one.look or one.name for one in plan.characters}
    return _BRACES.sub(lambda match: looks.get(match[1], match[1]), panel.concept)


def sealed(plan: Plan, source: str, n_panels: int | None) -> Plan:
    """A new plan that knows what it was made from: the hash of its source, and how many panels were asked for."""
    return replace(
        plan, made={"source": source, "panels": str(n_panels or "as many as fit"), "plan": _content_hash(plan)}
    )


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(plan_text(plan), encoding="utf-8")


def plan_text(plan: Plan) -> str:
    """A plan as YAML."""
    return _HEAD + yaml.safe_dump(asdict(plan), sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def read_plan(path: Path) -> Plan:
    """The plan of a file, edited or not. Raises ``C2IError`` that names the key and what is wrong with it."""
    try:
        value = read_yaml(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise C2IError(f"{path} should be a plan in YAML, as c2i story writes it: {error}") from error
    plan = _read(Plan, value, str(path))
    names = [character.name for character in plan.characters]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise C2IError(f"{path}: each character should have a name of its own, found {twice[0]!r} twice: rename one")
    for number, panel in enumerate(plan.panels, 1):
        if unknown := [name for name in panel.on_stage if name not in names]:
            known = ", ".join(names) or "none"
            raise C2IError(
                f"{path}, panel {number}: on_stage has {unknown[0]!r}, which is no character ({known}): "
                "add it to characters, or take it out"
            )
        if unknown := [name for name in _BRACES.findall(panel.concept) if name not in names]:
            raise C2IError(
                f"{path}, panel {number}: the concept has {{{unknown[0]}}}, which is no character "
                f"({', '.join(names) or 'none'}): add it to characters, or write it without braces"
            )
        if not panel.concept.strip():
            raise C2IError(f"{path}, panel {number}: the concept is empty: say what is drawn, or take the panel out")
    return plan


def _read(kind: type, value: Any, where: str) -> Any:
    """``value`` as a dataclass, a list, a mapping or a plain value of ``kind``."""
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise C2IError(f"{where} should have keys such as {fields(kind)[0].name}, found {value!r}")
        hints = get_type_hints(kind)
        if unknown := [key for key in value if key not in hints]:
            raise C2IError(f"{where} has the unknown key {unknown[0]!r}: use one of {', '.join(hints)}")
        first = fields(kind)[0].name
        if first not in value and kind in (Plan, Character, Place):
            raise C2IError(f"{where} lacks {first}: add it")
        return kind(**{key: _read(hints[key], one, f"{where}, {key}") for key, one in value.items()})
    origin = get_origin(kind) or kind
    if not isinstance(value, origin) or (origin is int and isinstance(value, bool)):
        names = {
            str: "a text (in quotes, where it is yes, no or a number)",
            list: "a list",
            dict: "keys",
            int: "a number",
        }
        raise C2IError(f"{where} should be {names[origin]}, found {value!r}")
    if origin is list:
        (inner,) = get_args(kind)
        return [_read(inner, one, f"{where}, entry {number}") for number, one in enumerate(value, 1)]
    return value
