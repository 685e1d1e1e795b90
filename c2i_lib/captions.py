"""Stage 01: a caption source → clean, disjoint splits.

In: captions from the embedded world, a file or a hub data set. Out, in ``01_captions/``: ``finetune_train``,
``finetune_eval``, ``mining`` and ``length`` ``.parquet`` (``caption_id, text``) and ``report.json`` (rows read,
kept, and dropped by reason). Dropped: empty captions, exact duplicates (after trimming) and explicit ones.
Ignored: the pictures that belong to the captions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from c2i_lib.config import Profile
from c2i_lib.errors import CaptionError, MissingPackageError
from c2i_lib.files import write_json, write_table
from c2i_lib.stage import Stage

SPLITS = ("finetune_train", "finetune_eval", "mining", "length")
_TEXT_COLUMNS = ("text", "caption", "captions", "alt_text", "prompt")
_READERS = {
    ".parquet": pd.read_parquet,
    ".csv": pd.read_csv,
    ".tsv": lambda path: pd.read_csv(path, sep="\t"),
    ".jsonl": lambda path: pd.read_json(path, lines=True),
}


@lru_cache(maxsize=1)
def _explicit_pattern() -> str:
    """The words of better-profanity as one regular expression (RE2 syntax).

    The paper filtered with "a blacklist of 835 words" that it does not name (Method).
    """
    try:
        words = files("better_profanity").joinpath("profanity_wordlist.txt").read_text(encoding="utf-8").split("\n")
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "the blacklist of explicit words is in the package better-profanity, which is not installed. "
            "Run: python -m pip install -r requirements.txt"
        ) from error
    # Some entries begin or end with a sign, where \b never matches; a final * stands for any ending.
    words = sorted(re.escape(word.strip().rstrip("*")) + r"\w*" * word.strip().endswith("*") for word in words if word)
    return r"(?:^|\W)(?:" + "|".join(words) + r")(?:\W|$)"


def is_explicit(texts: Sequence[str]) -> np.ndarray:
    """Bool array: which of ``texts`` hold a blacklisted word, as a whole word in any case."""
    array = pa.array(list(texts), pa.string())
    return pc.match_substring_regex(array, _explicit_pattern(), ignore_case=True).to_numpy(zero_copy_only=False)


def _text_column(columns: Sequence[str], wanted: str | None, source: str) -> str:
    if wanted:
        if wanted not in columns:
            raise CaptionError(f"{source} has no column {wanted!r}; set captions.text_column to one of {list(columns)}")
        return wanted
    for name in columns:
        if str(name).lower() in _TEXT_COLUMNS:
            return name
    raise CaptionError(
        f"{source} has no column named {', '.join(_TEXT_COLUMNS)}: set captions.text_column to one of {list(columns)}"
    )


def _file_captions(path: Path, text_column: str | None) -> Iterator[str]:
    if path.suffix == ".txt":
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from (line.rstrip("\n") for line in lines)
        return
    if path.suffix not in _READERS:
        raise CaptionError(f"cannot read {path}: expected .txt, {', '.join(_READERS)}")
    try:
        table = _READERS[path.suffix](path)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise CaptionError(f"{path} cannot be read as {path.suffix}: {error}") from error
    yield from table[_text_column(list(table.columns), text_column, str(path))].fillna("").astype(str)


def _hub_captions(name: str, revision: str | None, text_column: str | None) -> Iterator[str]:
    try:
        from datasets import load_dataset

        rows = load_dataset(name, split="train", streaming=True, revision=revision)
        column = _text_column(rows.column_names or list(next(iter(rows))), text_column, name)
    except CaptionError:
        raise
    except Exception as error:  # the hub's client has no common error class
        raise CaptionError(
            f"data set {name} cannot be read from the hub: {type(error).__name__}: {error}. Gated data sets need "
            "`hf auth login` and accepted terms; or set captions.source to a file"
        ) from error
    yield from (row[column] or "" for row in rows)


def read_captions(source: str, revision: str | None = None, text_column: str | None = None) -> Iterator[str]:
    """Captions of ``embedded``, of a file, or of ``hub:<data set id>``, as they come.

    Raises ``CaptionError`` when the source is missing or has no caption column.
    """
    if source == "embedded":
        from c2i_lib.embedded.captions import make_pairs

        return (pair.caption for pair in make_pairs())
    if source.startswith("hub:"):
        return _hub_captions(source.removeprefix("hub:"), revision, text_column)
    path = Path(source)
    if not path.is_file():
        raise CaptionError(f"caption file {path} does not exist: set captions.source to a file, embedded or hub:<id>")
    return _file_captions(path, text_column)


def clean_captions(captions: Iterator[str], n_wanted: int) -> tuple[list[str], dict[str, int]]:
    """The first ``n_wanted`` captions that are not empty, seen before, or explicit; and the counts."""
    counts = {"read": 0, "empty": 0, "duplicate": 0, "explicit": 0}
    kept: list[str] = []
    seen: set[str] = set()
    progress = tqdm(total=n_wanted, desc="clean captions", mininterval=2)
    while len(kept) < n_wanted and (batch := list(islice(captions, 10_000))):
        explicit = is_explicit(batch)
        for caption, is_bad in zip(batch, explicit, strict=True):
            if len(kept) == n_wanted:
                break
            counts["read"] += 1
            text = " ".join(caption.split())
            reason = "empty" if not text else "explicit" if is_bad else "duplicate" if text in seen else None
            if reason:
                counts[reason] += 1
                continue
            seen.add(text)
            kept.append(text)
            progress.update()
    progress.close()
    return kept, {**counts, "kept": len(kept)}


def _split_sizes(profile: Profile) -> dict[str, int]:
    wanted = profile.captions
    n_eval = round(wanted.n_finetune * wanted.eval_share)
    sizes = (wanted.n_finetune - n_eval, n_eval, wanted.n_mining, wanted.n_length)
    return dict(zip(SPLITS, sizes, strict=True))


def prepare_captions(source: str, out_dir: Path, profile: Profile) -> dict[str, int]:
    """Clean ``source`` and write the four splits, in the source's order (the paper took "the first" captions).

    Returns the report. Raises ``CaptionError`` when too few captions are left.
    """
    sizes = _split_sizes(profile)
    settings = {**profile.captions.model_dump(), "source": source}
    inputs = [Path(source)] if Path(source).is_file() else []
    with Stage(out_dir, settings, inputs) as stage:
        if not stage.done:
            captions = read_captions(source, profile.captions.revision, profile.captions.text_column)
            kept, counts = clean_captions(captions, sum(sizes.values()))
            if len(kept) < sum(sizes.values()):
                raise CaptionError(
                    f"{len(kept)} captions are left of {counts['read']} after cleaning ({counts}), but the profile "
                    f"asks for {sum(sizes.values())} ({sizes}): lower captions.n_finetune, n_mining or n_length, "
                    "or give a larger source"
                )
            start = 0
            for name, size in sizes.items():
                table = pd.DataFrame({"text": kept[start : start + size]})
                table.insert(0, "caption_id", [f"caption-{index:09d}" for index in range(start, start + size)])
                write_table(Path(out_dir) / f"{name}.parquet", table)
                start += size
            write_json(Path(out_dir) / "report.json", {**counts, **sizes})
    return json.loads((Path(out_dir) / "report.json").read_text(encoding="utf-8"))
