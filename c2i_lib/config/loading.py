"""Profiles from YAML: read, overridden, checked.

In: a profile's name or YAML file, and overrides such as ``finetuning.epochs=2``. Out: a ``Profile``. Ignored: what the
values mean.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from c2i_lib.config.profile import Profile
from c2i_lib.errors import ProfileError

PROFILES_DIR = Path(__file__).parent / "profiles"


# Keys that may be given without their section.
_SHORT_KEYS = {"caption_source": "captions.source"}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} …"


def _explain(error: ValidationError, where: str) -> str:
    lines = [f"profile {where} is not valid:"]
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known: Any = Profile
            for part in problem["loc"][:-1]:
                known = known.model_fields[part].annotation if part in known.model_fields else known
                known = next((kind for kind in get_args(known) if hasattr(kind, "model_fields")), known)
            known = known.model_fields
            lines.append(f"- {key}: unknown key; remove it, or use one of: {', '.join(known)}")
        elif problem["type"] == "missing":
            lines.append(f"- {key}: missing; add it (see {PROFILES_DIR / 'cpu.yaml'} for an example)")
        else:
            found = "" if not key else f", found {_short(problem['input'])}"
            lines.append(f"- {key + ': ' if key else ''}{problem['msg'].removeprefix('Value error, ')}{found}")
    return "\n".join(lines)


class _Loader(yaml.SafeLoader):
    """YAML without what goes wrong in silence: a key given twice, of which the last would win, and aliases, a few
    lines of which stand for more than fits a memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="an alias (*), which c2i does not read: write the value out",
                problem_mark=self.peek_event().start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"{key.value!r} is given twice: remove one"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """The value that a YAML text holds. Raises ``ValueError`` that says why it holds none."""
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number of 5,000 digits, the 31st of February
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def parse_override(text: str) -> tuple[str, Any]:
    """``"finetuning.epochs=2"`` as ``("finetuning.epochs", 2)``; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ProfileError(f"expected key=value, such as finetuning.epochs=2, found {text!r}")
    key = _SHORT_KEYS.get(key.strip(), key)
    try:
        return key.strip(), _number(read_yaml(value))
    except ValueError as error:
        raise ProfileError(f"the value of {key.strip()} is not YAML: {value!r} ({error})") from error


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``5e-4`` as text; a person means a number."""
    try:
        return float(value) if isinstance(value, str) and "e" in value.lower() else value
    except ValueError:
        return value


def _apply(settings: dict, overrides: Mapping[str, Any]) -> None:
    for key, value in overrides.items():
        *sections, last = key.split(".")
        target = settings
        for section in sections:
            if not isinstance(target.get(section), dict):
                raise ProfileError(f"unknown key {key!r}: the profile has no section {section!r}")
            target = target[section]
        target[last] = value


def _tuples(value: Any) -> Any:
    """YAML lists as tuples, which the strict, frozen sections expect."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def known_profiles() -> list[str]:
    """Names of the profiles that come with the library."""
    return sorted(path.stem for path in PROFILES_DIR.glob("*.yaml"))


def load_profile(name_or_file: str | Path, overrides: Mapping[str, Any] | None = None) -> Profile:
    """A profile by name or YAML file, with ``{"section.key": value}`` overrides.

    Raises ``ProfileError`` that names the key and the fix.
    """
    path = Path(name_or_file)
    if str(name_or_file) in known_profiles():
        path = PROFILES_DIR / f"{name_or_file}.yaml"
    if not path.is_file():
        if path.exists():
            raise ProfileError(f"{path} is a folder: give the YAML file of a profile")
        raise ProfileError(f"unknown profile {str(name_or_file)!r}: use {', '.join(known_profiles())} or a YAML file")
    try:
        settings = read_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:  # also bytes that are not UTF-8
        raise ProfileError(f"profile {path} is not YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ProfileError(
            f"profile {path} should hold sections such as captions: and images:, found {_short(settings)}"
        )
    _apply(settings, overrides or {})
    try:
        return Profile.model_validate(_tuples(settings))
    except ValidationError as error:
        raise ProfileError(_explain(error, str(name_or_file))) from None
