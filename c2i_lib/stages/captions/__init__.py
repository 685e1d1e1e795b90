"""Stage 01: a caption source → clean, disjoint splits.

In: captions from files, the hub or the embedded world (``sources.py``). Out, in ``01_captions/``:
``finetune_train``, ``finetune_eval``, ``mining`` and ``length`` ``.parquet`` (``splits.SPLIT_COLUMNS``) and
``report.json`` (rows read, kept, and dropped by reason); of the embedded world also ``pairs.parquet``
(``sources.PAIR_COLUMNS``): all its captions, and what is in the picture of each. Batches are cleaned by
``cleaning.py``, each by itself, and handed to the splits in order by ``splits.py``. Ignored: the pictures that
belong to the captions.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from c2i_lib.config import Captions
from c2i_lib.errors import CaptionError
from c2i_lib.records.files import write_json, write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.captions.cleaning import REASONS, Cleaned, clean_batch, normalise_texts
from c2i_lib.stages.captions.sources import PAIR_COLUMNS, Reading, embedded_pairs, fingerprint, read_batches
from c2i_lib.stages.captions.splits import Splitter, TooFewCaptionsError
from c2i_lib.text.explicit import is_disguised, is_explicit, read_words

__all__ = ["clean_batch", "is_disguised", "is_explicit", "normalise_texts", "prepare_captions"]

SPLITS = ("finetune_train", "finetune_eval", "mining", "length")
BATCH_SIZE = 131_072  # rows; the result does not depend on it; the expressions are compiled once a batch


def split_sizes(settings: Captions) -> dict[str, int]:
    """Captions per split, as the profile asks for them."""
    n_eval = round(settings.n_finetune * settings.eval_share)
    sizes = (settings.n_finetune - n_eval, n_eval, settings.n_mining, settings.n_length)
    return dict(zip(SPLITS, sizes, strict=True))


def _cleaned(settings: Captions, reading: Reading, size: int, n_workers: int) -> Iterator[Cleaned]:
    """Clean batches in the order of the source. Arrow leaves Python's lock, so threads work side by side."""
    words, waiting = read_words(settings.explicit_words), deque()
    with ThreadPoolExecutor(n_workers) as workers:
        try:
            for batch in read_batches(settings, size, reading):
                waiting.append(workers.submit(clean_batch, batch, settings, words))
                if len(waiting) > n_workers + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for rest in waiting:
                rest.cancel()


def _fill(folder: Path, sizes: dict[str, int], settings: Captions, size: int, n_workers: int) -> tuple[dict, int]:
    """Read until the splits are full or the source ends. Returns the report and the number of captions missing."""
    reading = Reading()
    with (
        suppress(TooFewCaptionsError),
        Splitter(folder, sizes, settings.duplicates) as splitter,
        tqdm(total=sum(sizes.values()), desc="clean captions", unit=" captions", mininterval=2) as progress,
    ):
        for batch in _cleaned(settings, reading, size, n_workers):
            splitter.add(batch)
            progress.update(splitter.n_kept - progress.n)
            if splitter.full:
                break
        if not splitter.full:
            raise TooFewCaptionsError
    counts = dict(zip(REASONS, splitter.counts.tolist(), strict=True))
    n_kept = counts.pop("kept")
    report = {
        "source": settings.source,
        "revision": reading.revision,
        "text_column": reading.text_column,
        "read": sum(counts.values()) + n_kept,
        "dropped": counts,
        "kept": n_kept,
        "splits": sizes,
        "skipped_shards": reading.skipped_shards,
    }
    return report, sum(sizes.values()) - n_kept


def _too_few(report: dict, n_missing: int) -> CaptionError:
    reasons = ", ".join(f"{reason} {n}" for reason, n in report["dropped"].items() if n) or "none"
    return CaptionError(
        f"{report['source']}: {report['kept']} captions are left of {report['read']} after cleaning (dropped: "
        f"{reasons}), but the profile asks for {sum(report['splits'].values())}: {n_missing} are missing. Give a "
        "larger source, lower captions.n_finetune, n_mining or n_length, or shrink all splits with captions.shrink=true"
    )


def prepare_captions(
    out_dir: Path, settings: Captions, batch_size: int = BATCH_SIZE, n_workers: int | None = None
) -> dict:
    """Clean the source of ``settings`` and write the four splits, in its order (the paper took "the first" captions).

    ``n_workers``: threads, one per processor by default. Neither it nor ``batch_size`` changes a byte of the result.
    Returns the report. Raises ``CaptionError`` when too few captions are left and the profile does not let the
    splits shrink; shrunk, they keep their proportions.
    """
    folder = Path(out_dir)
    key = {**settings.model_dump(), "files": fingerprint(settings.source)}
    words = [Path(settings.explicit_words)] if settings.explicit_words else []
    with Stage(folder, key, code=__name__, others=words) as stage:
        if not stage.done:
            sizes = split_sizes(settings)
            while True:
                report, n_missing = _fill(folder, sizes, settings, batch_size, n_workers or os.cpu_count() or 1)
                if not n_missing:
                    break
                if not settings.shrink or report["kept"] < 10 * len(SPLITS):
                    raise _too_few(report, n_missing)
                share = report["kept"] / sum(sizes.values())
                sizes = {name: max(1, int(n * share)) for name, n in sizes.items()}
                print(f"{report['kept']} captions are fewer than the profile asks for: the splits shrink to {sizes}")
            if settings.source == "embedded":
                write_table(folder / "pairs.parquet", embedded_pairs(), PAIR_COLUMNS)
            write_json(folder / "report.json", {**report, "asked_for": split_sizes(settings)})
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))
