"""Where captions come from: files, folders, globs, URLs, data sets of the hub, and the embedded world.

In: the source of a profile. Out: record batches with ``text`` and, where the source has them, ``url``, ``nsfw``,
``similarity`` and ``quality`` (of the caption's own picture), in the order of the source. Nothing is cleaned here.
Files are read as streams: a source may be larger than the memory.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from c2i_lib.config import Captions
from c2i_lib.embedded.pairs import Pair, ingredients, make_pairs
from c2i_lib.embedded.picture_quality import picture_quality
from c2i_lib.errors import CaptionError, MissingPackageError

TEXT_COLUMNS = ("text", "caption")
# Of pairs.parquet: things, places and so on are None, and count missing, where the scene has none.
PAIR_COLUMNS = {"pair_id": "str", "text": "str", "kind": "str", "dialect": "str", "styled": "bool", "thing": "str"}
PAIR_COLUMNS |= {"color": "str", "count": "Int64", "relation": "str", "other_thing": "str", "other_color": "str"}
PAIR_COLUMNS |= {"place": "str", "time": "str", "weather": "str", "named_scene": "str", "style": "str"}
PAIR_COLUMNS |= {"degradation": "str"}
# Names in any case, as LAION-400M has them, and what they are called here.
_EXTRA_COLUMNS = {"url": "url", "nsfw": "nsfw", "similarity": "similarity"}
_SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".txt")
_PACKED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_BUFFER = 1 << 20  # bytes
_BROKEN = (pa.ArrowException, OSError, ValueError, EOFError, KeyError)


@dataclass
class Reading:
    """What reading a source has shown so far: the caption column, the revision, and the shards left out."""

    text_column: str | None = None
    revision: str | None = None
    skipped_shards: list[dict] = field(default_factory=list)


@dataclass(frozen=True)
class _File:
    """One shard: a path on a file system of fsspec."""

    system: fsspec.AbstractFileSystem
    path: str

    @property
    def packing(self) -> str | None:
        return _PACKED.get(Path(self.path).suffix.lower())

    @property
    def suffix(self) -> str:
        """Of the data, without that of its packing."""
        name = Path(self.path)
        return (name.with_suffix("") if self.packing else name).suffix.lower()

    def open(self) -> io.BufferedIOBase:
        raw = self.system.open(self.path, "rb")
        if self.packing == "gzip":
            return gzip.open(raw)
        return pa.CompressedInputStream(pa.PythonFile(raw), self.packing) if self.packing else raw


def _install(source: str) -> str:
    """How to get the packages of a URL, where we know it; fsspec's own error names those of other protocols."""
    if not source.startswith(("http://", "https://")):
        return ""
    return " It is the extra 'web' of c2i. Run: python -m pip install aiohttp==3.14.5"


def list_files(source: str) -> list[_File]:
    """The shards of a file, folder, glob or fsspec URL, sorted by name.

    Raises ``CaptionError`` when there is none, or when a single file is of an unknown kind.
    """
    try:
        system, path = fsspec.core.url_to_fs(source)
        is_page = "http" in system.protocol and _File(system, path).suffix in _SUFFIXES
        if not is_page and system.isdir(path):  # of a page, isdir reads the whole content in search of links
            paths = [name for name in system.ls(path, detail=False) if _File(system, name).suffix in _SUFFIXES]
        else:
            paths = system.glob(path) if set(path) & set("*?[") else [path] if system.exists(path) else []
    except PermissionError as error:
        raise CaptionError(f"no permission to read {source}: {error}") from error
    except ImportError as error:
        raise MissingPackageError(f"captions.source {source!r} cannot be opened: {error}.{_install(source)}") from error
    except ValueError as error:
        raise CaptionError(f"captions.source {source!r} cannot be opened: {error}") from error
    files = [_File(system, name) for name in sorted(paths)]
    if not files:
        raise CaptionError(
            f"captions.source: {source} does not exist or has no data: give a file, folder or glob of "
            f"{', '.join(_SUFFIXES)} (also .gz, .zst), a URL of them, hub:<data set id>, or embedded"
        )
    for file in files:
        if file.suffix not in _SUFFIXES:
            raise CaptionError(f"cannot read {file.path}: expected {', '.join(_SUFFIXES)}, also packed as .gz or .zst")
    return files


def fingerprint(source: str) -> list[list]:
    """Name, size and time of change of every file of ``source``: what a finished stage depends on.

    Not their hash: LAION's captions are 50 GB. Empty for the embedded world and the hub.
    """
    if source == "embedded" or source.startswith("hub:"):
        return []
    rows = []
    for file in list_files(source):
        details = file.system.info(file.path)
        changed = next((details[key] for key in ("mtime", "LastModified", "created", "ETag") if key in details), "")
        rows.append([Path(file.path).name, details.get("size"), str(changed)])
    return rows


def _pick_columns(columns: Sequence[str], settings: Captions, where: str) -> dict[str, str]:
    """The source's names of ``text``, ``url``, ... Raises ``CaptionError`` without exactly one caption column, and
    without the column of qualities that the profile names."""
    text_column, quality_column = settings.text_column, settings.quality_column
    if text_column:
        candidates = [name for name in columns if name == text_column]
    else:
        candidates = [name for name in columns if str(name).lower() in TEXT_COLUMNS]
    if len(candidates) != 1:
        expected = repr(text_column) if text_column else " or ".join(TEXT_COLUMNS)
        raise CaptionError(
            f"{where}: expected one caption column named {expected} (in any case), found {len(candidates)} "
            f"({candidates}): set captions.text_column to one of {list(columns)}"
        )
    picked = {"text": candidates[0]}
    for name in columns:
        extra = _EXTRA_COLUMNS.get(str(name).lower())
        if extra and extra not in picked and name not in (candidates[0], quality_column):
            picked[extra] = name
    if quality_column is not None:
        if quality_column not in columns or quality_column == candidates[0]:
            raise CaptionError(
                f"{where}: captions.quality_column is {quality_column!r}, expected another column than the captions' "
                f"with a number for each caption's picture, one of {list(columns)}: name that, or set it to null"
            )
        picked["quality"] = quality_column
    return picked


def _read_parquet(file: _File, settings: Captions, size: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    is_local = "file" in file.system.protocol
    # Not pre_buffer: it would keep all that was read until the file ends.
    with pq.ParquetFile(file.path if is_local else file.open(), pre_buffer=False, buffer_size=_BUFFER) as parquet:
        picked = _pick_columns(parquet.schema_arrow.names, settings, file.path)
        reading.text_column = picked["text"]
        column_type = parquet.schema_arrow.field(picked["text"]).type
        value_type = column_type.value_type if pa.types.is_dictionary(column_type) else column_type
        is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
        if not any(test(value_type) for test in is_text):
            raise CaptionError(f"{file.path}: column {picked['text']!r} should hold text, but holds {column_type}")
        for batch in parquet.iter_batches(size, columns=list(picked.values())):
            yield pa.RecordBatch.from_arrays([batch[name] for name in picked.values()], names=list(picked))


def _read_table(file: _File, settings: Captions, size: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    options = {"sep": "\t" if file.suffix == ".tsv" else ",", "dtype": str, "na_filter": False}
    options |= {"encoding": "utf-8", "encoding_errors": "replace"}
    with file.open() as stream:
        columns = list(pd.read_csv(stream, nrows=0, **options).columns)
    picked = _pick_columns(columns, settings, file.path)
    reading.text_column = picked["text"]
    with file.open() as stream:
        # All columns, not usecols: with it pandas lets lines with too many fields pass.
        for table in pd.read_csv(stream, chunksize=size, **options):
            arrays = [pa.array(table[name], pa.string()) for name in picked.values()]
            yield pa.RecordBatch.from_arrays(arrays, names=list(picked))


def _lines(file: _File) -> Iterator[str]:
    with file.open() as stream, io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="\n") as text:
        yield from (line.rstrip("\r\n") for line in text)


def _rows_of_json(file: _File) -> Iterator[dict]:
    for number, line in enumerate(_lines(file), 1):
        try:
            row = json.loads(line) if line.strip() else {}
        except ValueError as error:
            raise CaptionError(f"{file.path}, line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise CaptionError(f"{file.path}, line {number}: expected an object with a caption, found {line[:60]!r}")
        if row:
            yield row


def _read_json(file: _File, settings: Captions, size: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    rows, start = _rows_of_json(file), 0
    picked = None
    while part := list(islice(rows, size)):
        picked = picked or _pick_columns(list(part[0]), settings, file.path)
        reading.text_column = picked["text"]
        for index, row in enumerate(part, start + 1):
            if not isinstance(row.get(picked["text"]), str | None):
                raise CaptionError(f"{file.path}, row {index}: {picked['text']!r} should hold text, found {row}")
        arrays = [
            pa.array([row.get(name) if key not in ("url", "nsfw") else str(row.get(name, "")) for row in part])
            for key, name in picked.items()
        ]
        arrays[0] = arrays[0].cast(pa.string())
        yield pa.RecordBatch.from_arrays(arrays, names=list(picked))
        start += len(part)


def _read_lines(file: _File, settings: Captions, size: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    _pick_columns(["text"], settings.model_copy(update={"text_column": "text"}), file.path)
    lines = _lines(file)
    while part := list(islice(lines, size)):
        yield pa.RecordBatch.from_arrays([pa.array(part, pa.string())], names=["text"])


_READERS = {".parquet": _read_parquet, ".csv": _read_table, ".tsv": _read_table, ".jsonl": _read_json}
_READERS[".txt"] = _read_lines


def _read_files(settings: Captions, size: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    files = list_files(settings.source)
    for file in files:
        n_rows = 0
        try:
            for batch in _READERS[file.suffix](file, settings, size, reading):
                yield batch
                n_rows += len(batch)
        except (*_BROKEN, CaptionError) as error:
            problem = str(error) if isinstance(error, CaptionError) else f"{file.path}: {error}"
            if settings.on_bad_shard == "error":
                raise CaptionError(
                    f"{problem} (after {n_rows} good rows). Mend or remove the file, or leave what cannot be read "
                    "out and count it with captions.on_bad_shard=skip"
                ) from error
            name = Path(file.path).name
            print(f"left out the rest of {name} after {n_rows} rows: {problem}")
            reading.skipped_shards.append({"shard": name, "rows_read": n_rows, "problem": problem})
    if len(reading.skipped_shards) == len(files):
        raise CaptionError(f"no shard of {settings.source} can be read: {reading.skipped_shards[0]['problem']}")


def dataset_batches(dataset: Any, settings: Captions, size: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    """Batches of a streamed ``datasets.IterableDataset``."""
    columns = dataset.column_names or list(next(iter(dataset)))
    picked = _pick_columns(columns, settings, settings.source)
    reading.text_column = picked["text"]
    for table in dataset.with_format("arrow").iter(batch_size=size):
        arrays = [table[name].combine_chunks() for name in picked.values()]
        yield pa.RecordBatch.from_arrays(arrays, names=list(picked))


def _read_hub(settings: Captions, size: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    name = settings.source.removeprefix("hub:")
    try:
        from datasets import load_dataset
        from huggingface_hub import HfApi

        # A branch moves; the commit that it points to now goes into the report.
        reading.revision = HfApi().dataset_info(name, revision=settings.revision).sha
        dataset = load_dataset(name, split="train", streaming=True, revision=reading.revision)
        yield from dataset_batches(dataset, settings, size, reading)
    except CaptionError:
        raise
    except Exception as error:  # the hub's client has no common error class
        raise CaptionError(
            f"data set {name} cannot be read from the hub: {type(error).__name__}: {error}. If it is gated: make an "
            f"account, accept its terms at https://huggingface.co/datasets/{name}, and run `hf auth login` with a "
            "token that may read gated repositories. Or set captions.source to a file"
        ) from error


@lru_cache(maxsize=1)
def _embedded_pairs() -> tuple[Pair, ...]:
    """Made once in a process: it takes seconds."""
    return tuple(make_pairs())


def embedded_pairs() -> pd.DataFrame:
    """``PAIR_COLUMNS``: the captions of the embedded world, and what is in the picture of each."""
    pairs = _embedded_pairs()
    own = [(pair.pair_id, pair.caption, pair.kind, pair.dialect, pair.styled) for pair in pairs]
    table = pd.DataFrame(own, columns=["pair_id", "text", "kind", "dialect", "styled"])
    return table.join(pd.DataFrame([ingredients(pair.scene) for pair in pairs]))


def _read_embedded(size: int) -> Iterator[pa.RecordBatch]:
    pairs = _embedded_pairs()
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        texts = pa.array([pair.caption for pair in part], pa.string())
        qualities = pa.array([picture_quality(pair.scene) for pair in part], pa.float64())
        yield pa.RecordBatch.from_arrays([texts, qualities], names=["text", "quality"])


def read_batches(settings: Captions, size: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    """The rows of ``settings.source`` in batches of at most ``size``; ``reading`` is filled on the way.

    Raises ``CaptionError`` that names the file and how to mend it.
    """
    if settings.source == "embedded":
        if settings.quality_column is not None:
            raise CaptionError("the embedded world knows its pictures' quality: set captions.quality_column to null")
        return _read_embedded(size)
    if settings.source.startswith("hub:"):
        return _read_hub(settings, size, reading)
    return _read_files(settings, size, reading)
