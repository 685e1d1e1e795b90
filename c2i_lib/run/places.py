"""Where a run keeps its files: the folders of its stages, its profile, its figures.

In: a profile and a folder. Out: a ``Run``. Ignored: whether its stages are done.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from c2i_lib.config import Profile, load_profile, read_yaml
from c2i_lib.errors import ProfileError
from c2i_lib.records.files import atomic_path
from c2i_lib.stages import FOLDERS
from c2i_lib.statistics.bootstrap import Resampling

DEFAULT_PROFILE = "cpu"

_LIBRARY = Path(__file__).parents[1]
_IS_INSTALLED = (_LIBRARY / "notebooks").is_dir()  # by a wheel; in the repository they lie beside c2i_lib
NOTEBOOKS_DIR = (_LIBRARY if _IS_INSTALLED else _LIBRARY.parent) / "notebooks"


@dataclass(frozen=True)
class Run:
    """One run of a profile: ``directory`` holds all that it writes; ``name``: what commands call it, where that is not
    its folder."""

    directory: Path
    profile: Profile
    name: str = ""

    @property
    def figures(self) -> Path:
        """The folder of paper-ready figures and tables."""
        return self.directory / "figures"

    def folder(self, number: int) -> Path:
        """The folder of stage ``number``."""
        return self.directory / FOLDERS[number]

    @property
    def resampling(self) -> Resampling:
        """How the intervals of this run come about."""
        settings = self.profile.analysis
        return Resampling(settings.n_bootstrap, settings.confidence, self.profile.seed)


def default_directory(name: str, run_dir: str | Path | None = None) -> Path:
    """The folder of a run: ``runs/<name>`` in the repository, or in the current folder where c2i is installed without
    one, unless ``run_dir`` says otherwise.
    """
    root = Path.cwd() if _IS_INSTALLED else _LIBRARY.parent
    return Path(run_dir or root / "runs" / name).resolve()


def _stored_settings(path: Path) -> dict:
    """The content of a run's ``profile.yaml``. Raises ``ProfileError`` when it is damaged."""
    try:
        stored = read_yaml(path.read_text(encoding="utf-8"))
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or "name" not in stored:
        raise ProfileError(f"{path} is damaged: delete it and run again; finished stages are kept")
    return stored


def _refuse_another(name: str, stored: Path) -> None:
    """Raise ``ProfileError`` where a run's settings are those of another profile than ``name``."""
    other = _stored_settings(stored)["name"]
    if other != name:
        raise ProfileError(
            f"{stored.parent} holds a run of profile {other!r}, not {name!r}: "
            f"give another --run-dir, or delete {stored.parent}"
        )


def plan_run(
    profile: str | Path,
    run_dir: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Run:
    """The run of ``profile`` in ``run_dir`` (default ``runs/<profile>``). Nothing is written: it may be refused yet.

    A folder that holds another profile's run is refused with ``ProfileError``.
    """
    settings = load_profile(profile, overrides)
    directory = default_directory(settings.name, run_dir)
    stored = directory / "profile.yaml"
    if stored.is_file():
        _refuse_another(settings.name, stored)
    elif directory.is_dir() and not any(directory.glob("0?_*")) and any(directory.iterdir()):
        raise ProfileError(f"{directory} holds files but no run (no profile.yaml): give an empty or new --run-dir")
    return Run(directory, settings)


def store_settings(run: Run) -> None:
    """Write the run's ``profile.yaml``: from now on its stages are made with these settings."""
    with atomic_path(run.directory / "profile.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(run.profile.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def open_run(
    profile: str | Path,
    run_dir: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Run:
    """As ``plan_run``, for who starts to work now, such as a notebook: the settings are stored."""
    run = plan_run(profile, run_dir, overrides)
    store_settings(run)
    return run


def find_run(profile: str | Path | None, run_dir: str | Path | None = None) -> Run:
    """An existing run as it is, with the very settings it was made with; None: of whatever profile is in ``run_dir``,
    or of ``cpu``. Raises ``ProfileError`` without one.
    """
    name = load_profile(profile or DEFAULT_PROFILE).name
    directory = default_directory(name, run_dir)
    stored = directory / "profile.yaml"
    if not stored.is_file():
        words = ["run", "--profile", str(profile or DEFAULT_PROFILE), "--run-dir", str(directory)]
        raise ProfileError(f"no run in {directory}. Run: {shlex.join(['python', '-m', 'c2i_lib', *words])}")
    if profile:
        _refuse_another(name, stored)
    return Run(directory, load_profile(stored))
