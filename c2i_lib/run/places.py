"""Where a run keeps its files: the folders of its stages, its profile, its figures.

In: a profile and a folder. Out: a ``Run``. Ignored: whether its stages are done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from c2i_lib.config import Profile, load_profile
from c2i_lib.errors import ProfileError
from c2i_lib.records.files import atomic_path
from c2i_lib.stages import FOLDERS

_LIBRARY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Run:
    """One run of a profile: ``directory`` for all stage folders, ``figures`` for paper-ready files."""

    directory: Path
    profile: Profile
    figures: Path

    def folder(self, number: int) -> Path:
        """The folder of stage ``number``."""
        return self.directory / FOLDERS[number]


def _places(name: str, run_dir: str | Path | None, figures_dir: str | Path | None) -> tuple[Path, Path]:
    """The folders of a run and of its figures: in the repository, unless ``run_dir`` says otherwise."""
    root = _LIBRARY.parent
    directory = Path(run_dir) if run_dir else root / "runs" / name
    figures = Path(figures_dir) if figures_dir else (directory if run_dir else root) / "figures" / name
    return directory.resolve(), figures.resolve()


def _stored_settings(path: Path) -> dict:
    """The content of a run's ``profile.yaml``. Raises ``ProfileError`` when it is damaged."""
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        stored = None
    if not isinstance(stored, dict) or "name" not in stored:
        raise ProfileError(f"{path} is damaged: delete it and run again; finished stages are kept")
    return stored


def open_run(
    profile: str | Path,
    run_dir: str | Path | None = None,
    figures_dir: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Run:
    """The run of ``profile`` in ``run_dir`` (default ``runs/<profile>``), created when it does not exist.

    A folder that holds another profile's run is refused with ``ProfileError``.
    """
    settings = load_profile(profile, overrides)
    directory, figures = _places(settings.name, run_dir, figures_dir)
    kept = directory / "profile.yaml"
    if kept.is_file():
        other = _stored_settings(kept)
        if other["name"] != settings.name:
            raise ProfileError(
                f"{directory} holds a run of profile {other['name']!r}, not {settings.name!r}: "
                f"give another --run-dir, or delete {directory}"
            )
    elif directory.is_dir() and not any(directory.glob("0?_*")) and any(directory.iterdir()):
        raise ProfileError(f"{directory} holds files but no run (no profile.yaml): give an empty or new --run-dir")
    with atomic_path(kept) as temporary:
        temporary.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    return Run(directory, settings, figures)


def find_run(profile: str, run_dir: str | Path | None = None) -> Run:
    """An existing run as it is, with the very settings it was made with. Raises ``ProfileError`` without one."""
    name = profile if run_dir else load_profile(profile).name
    directory, figures = _places(name, run_dir, None)
    kept = directory / "profile.yaml"
    if not kept.is_file():
        load_profile(profile)  # a misspelt profile is the likelier mistake
        raise ProfileError(
            f"no run in {directory}. Run: python -m c2i_lib run --profile {profile} --run-dir {directory}"
        )
    settings = load_profile(kept)
    return Run(directory, settings, figures.parent / settings.name)
