"""Files that are whole or not there: atomic writes, hashes, records and tables. Shared by everything."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_of(value: Any) -> str:
    """SHA-256 of a JSON-ready value, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def seed_of(*parts: object) -> int:
    """A 31-bit seed that depends on all ``parts`` and on nothing else."""
    return int(hash_of([str(part) for part in parts])[:8], 16) & 0x7FFFFFFF


def _temporary_name(path: Path) -> Path:
    """A name beside ``path`` that nobody has; it begins with a dot, by which leftovers of a kill are found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")


def give_mode(paths: Iterable[Path], mode: int) -> None:
    """Set the permissions ``mode``, but that no file becomes a program: safetensors and others make files private."""
    for path in paths:
        path.chmod(mode & (0o777 if path.is_dir() else 0o666))


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary file name beside ``path``; renamed to ``path`` on success, removed on any error."""
    temporary = _temporary_name(path)
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode  # as the user's umask has it; whoever writes may replace the file
        yield temporary
        give_mode([temporary], mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """As ``atomic_path``, for a folder. A folder that exists is replaced."""
    temporary = _temporary_name(path)
    try:
        temporary.mkdir()
        mode = temporary.stat().st_mode
        yield temporary
        give_mode(temporary.rglob("*"), mode)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_record(path: Path) -> dict:
    """A record, or an empty one when the file is damaged, which then matches nothing."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    whole = isinstance(record, dict) and isinstance(record.get("outputs", {}), dict)
    return record if whole else {}


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, keys in their given order."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_table(path: Path, table: pd.DataFrame, columns: Mapping[str, str] | None = None) -> None:
    """Parquet without an index. With ``columns``, name → dtype, exactly these are written, in this order and so typed:
    an empty table has the types of a full one."""
    if columns is not None:
        table = table[list(columns)].astype(dict(columns))
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)
