"""Profiles from YAML: read, overridden, checked.

In: a profile's name or YAML file, and overrides such as ``finetuning.epochs=2``. Out: a ``Profile``. Ignored: what the
values mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from c2i_lib.config.profile import Profile
from c2i_lib.errors import ProfileError

PROFILES_DIR = Path(__file__).parent / "profiles"


# Keys that may be given without their section.
_SHORT_KEYS = {"caption_source": "captions.source"}


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
            found = "" if not key else f", found {problem['input']!r}"
            lines.append(f"- {key + ': ' if key else ''}{problem['msg'].removeprefix('Value error, ')}{found}")
    return "\n".join(lines)


def parse_override(text: str) -> tuple[str, Any]:
    """``"finetuning.epochs=2"`` as ``("finetuning.epochs", 2)``; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ProfileError(f"expected key=value, such as finetuning.epochs=2, found {text!r}")
    key = _SHORT_KEYS.get(key.strip(), key)
    try:
        return key.strip(), _number(yaml.safe_load(value))
    except yaml.YAMLError as error:
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
        raise ProfileError(f"unknown profile {str(name_or_file)!r}: use {', '.join(known_profiles())} or a YAML file")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ProfileError(f"profile {path} is not YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ProfileError(f"profile {path} should hold sections such as captions: and images:, found {settings!r}")
    _apply(settings, overrides or {})
    try:
        return Profile.model_validate(_tuples(settings))
    except ValidationError as error:
        raise ProfileError(_explain(error, str(name_or_file))) from None
