"""Clean batches → disjoint splits, written as a stream.

In: ``Cleaned`` batches in the order of the source. Out: one Parquet file per split, and the counts. The first kept
captions go to the first split, the next to the second, and so on, as the paper took "the first 450,000". No text is
in two splits, whatever duplicates a split may keep. The bytes depend on the rows, not on the batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from c2i_lib.records.files import atomic_path
from c2i_lib.stages.captions.cleaning import CODES, REASONS, Cleaned

SPLIT_COLUMNS = {"caption_id": "str", "text": "str", "url": "str"}  # url: where the source has one
SPLIT_COLUMNS |= {"quality": "float64"}  # of the caption's own picture; null where the source does not say
_TYPES = {"str": pa.string(), "float64": pa.float64()}
_ROW_GROUP = 131_072  # rows
# Captions rarely repeat, and nobody looks them up by their alphabetic range.
_PACKING = {"compression": "zstd", "compression_level": 1, "use_dictionary": False, "write_statistics": False}
_LOAD = 0.75  # share of a hash set's slots that are taken at most


class HashSet:
    """A set of 64-bit hashes in one flat array (open addressing), asked and filled a batch at a time.

    A hash belongs at the slot that its upper bits number, so that a sorted batch walks through memory in order.
    11 to 21 bytes per entry, where Python's set takes 90. Two texts of 400 million share a hash with probability .004;
    the second would then count as a duplicate.
    """

    def __init__(self, capacity: int = 0):
        self.size, self.table = 0, np.zeros(0, np.uint64)  # 0 is an empty slot
        self._allocate(capacity)

    def _allocate(self, capacity: int) -> None:
        bits = max(8, math.ceil(math.log2(max(capacity, 1) / _LOAD)))
        self.shift, self.table = np.uint64(64 - bits), np.zeros(1 << bits, np.uint64)

    def _slots(self, hashes: np.ndarray) -> np.ndarray:
        """Per hash the slot that holds it, or else the empty slot where it belongs."""
        slots, open_ = (hashes >> self.shift).astype(np.int64), np.arange(len(hashes))
        while len(open_):
            entries = self.table[slots[open_]]
            open_ = open_[(entries != 0) & (entries != hashes[open_])]
            slots[open_] = (slots[open_] + 1) & (len(self.table) - 1)
        return slots

    def contains(self, hashes: np.ndarray) -> np.ndarray:
        """Bool per hash."""
        hashes = np.maximum(hashes, np.uint64(1))
        return self.table[self._slots(hashes)] == hashes

    def is_new(self, hashes: np.ndarray) -> np.ndarray:
        """Bool per hash: not in the set and not earlier in ``hashes``."""
        hashes, new = np.maximum(hashes, np.uint64(1)), np.zeros(len(hashes), bool)
        order = np.argsort(hashes)
        distinct, starts = _runs(hashes[order])
        if len(distinct):
            earliest = np.minimum.reduceat(order, starts)
            new[earliest[~self.contains(distinct)]] = True
        return new

    def add(self, hashes: np.ndarray) -> None:
        """Put ``hashes`` into the set; those that are there already do no harm."""
        new, _ = _runs(np.sort(np.maximum(hashes, np.uint64(1))))
        if self.size + len(new) > _LOAD * len(self.table):
            old = self.table[self.table != 0]
            self._allocate(2 * (self.size + len(new)))
            self.size = 0
            self._insert(np.sort(old))
        self._insert(new)

    def _insert(self, distinct: np.ndarray) -> None:
        while len(distinct):
            slots = self._slots(distinct)
            empty = self.table[slots] == 0
            self.table[slots[empty]] = distinct[empty]  # of two for one slot the last wins; the other tries again
            written = empty & (self.table[slots] == distinct)
            self.size += int(written.sum())
            distinct = distinct[empty & ~written]


def _runs(in_order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values of a sorted array, and where each begins."""
    starts = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1]])[: len(in_order)])
    return in_order[starts], starts


class _SplitFile:
    """One split: rows gather until a row group is full, so that its bytes do not depend on the batches.

    ``thread`` packs and writes one row group while the next one gathers.
    """

    def __init__(self, path: Path, has_urls: bool, first_id: int, thread: ThreadPoolExecutor):
        fields = [(name, _TYPES[kind]) for name, kind in SPLIT_COLUMNS.items() if has_urls or name != "url"]
        self.schema, self.n_rows, self.next_id, self.thread = pa.schema(fields), 0, first_id, thread
        self.writer = pq.ParquetWriter(path, self.schema, **_PACKING)
        self.waiting: list[pa.RecordBatch] = []
        self.writing: Future | None = None

    def write(self, columns: list[pa.Array]) -> None:
        self.waiting.append(pa.RecordBatch.from_arrays(columns, names=self.schema.names[1:]))
        self.n_rows += len(columns[0])
        while sum(map(len, self.waiting)) >= _ROW_GROUP:
            table = pa.Table.from_batches(self.waiting)
            self._start_group(table.slice(0, _ROW_GROUP))
            self.waiting = table.slice(_ROW_GROUP).to_batches()

    def _start_group(self, table: pa.Table) -> None:
        self.finish_group()
        self.writing = self.thread.submit(self._write_group, table, self.next_id)
        self.next_id += len(table)

    def finish_group(self) -> None:
        """Wait for the row group that is being written. Raises what went wrong there, such as a full disk."""
        if self.writing is not None:
            self.writing.result()

    def _write_group(self, table: pa.Table, first_id: int) -> None:
        numbers = pa.array(np.arange(first_id, first_id + len(table))).cast(pa.string())
        ids = pc.binary_join_element_wise("caption", pc.utf8_lpad(numbers, 9, "0"), "-")
        self.writer.write_table(table.combine_chunks().add_column(0, "caption_id", ids).cast(self.schema))

    def close(self) -> None:
        if self.waiting:
            self._start_group(pa.Table.from_batches(self.waiting))
        self.finish_group()
        self.writer.close()


class TooFewCaptionsError(Exception):
    """The source ended before the splits were full. Raise it inside the splitter's context: nothing is written."""


class Splitter:
    """Hands kept captions to the splits in order. A context: files get their names when it ends without an error."""

    def __init__(self, folder: Path, sizes: Mapping[str, int], duplicates: str):
        self.folder, self.sizes, self.duplicates = Path(folder), dict(sizes), duplicates
        self.counts = np.zeros(len(REASONS), np.int64)
        self.files: list[_SplitFile] = []
        # Texts of finished splits; with duplicates dropped, all keys so far.
        self.seen = HashSet(sum(self.sizes.values()))
        self.current_texts: list[np.ndarray] = []
        self.stack = ExitStack()
        self.thread = ThreadPoolExecutor(1)

    def __enter__(self) -> Splitter:
        return self

    def __exit__(self, kind, value, traceback) -> None:
        if kind is None:
            with self.stack, self.thread:  # files get their names after the thread has written the last row group
                for file in self.files[-1:]:
                    file.close()
        else:
            self.thread.shutdown()
            self.stack.__exit__(kind, value, traceback)

    @property
    def full(self) -> bool:
        """Whether every split has all its captions."""
        return len(self.files) == len(self.sizes) and self.files[-1].n_rows == list(self.sizes.values())[-1]

    @property
    def n_kept(self) -> int:
        """Captions in all splits so far."""
        return int(self.counts[CODES["kept"]])

    def _open(self, name: str, has_urls: bool) -> None:
        if self.files:
            self.files[-1].close()
        if self.duplicates in ("none", "url_text") and self.current_texts:
            self.seen.add(np.concatenate(self.current_texts))
        self.current_texts, self.current_keys = [], HashSet()
        temporary = self.stack.enter_context(atomic_path(self.folder / f"{name}.parquet"))
        self.files.append(_SplitFile(temporary, has_urls, self.n_kept, self.thread))

    def add(self, batch: Cleaned) -> None:
        """Take the kept rows of ``batch`` until the splits are full, and count every row up to the last one taken."""
        start, reasons = 0, batch.reasons.copy()
        has_urls = batch.urls is not None
        while start < len(reasons) and not self.full:
            names = list(self.sizes)
            if not self.files or self.files[-1].n_rows == self.sizes[names[len(self.files) - 1]]:
                self._open(names[len(self.files)], has_urls)
            missing = self.sizes[names[len(self.files) - 1]] - self.files[-1].n_rows
            rows = start + np.flatnonzero(reasons[start:] == 0)
            reason = self._reasons_of(batch, rows)
            taken = rows[reason == 0][:missing]
            end = int(taken[-1]) + 1 if len(taken) == missing else len(reasons)
            reasons[rows[rows < end]] = reason[rows < end]
            self._take(batch, taken)
            self.counts += np.bincount(reasons[start:end], minlength=len(REASONS))
            start = end

    def _reasons_of(self, batch: Cleaned, rows: np.ndarray) -> np.ndarray:
        """Codes of ``REASONS`` for rows that are clean but may have been seen."""
        texts, keys = batch.text_keys[rows], batch.duplicate_keys[rows]
        reason = np.zeros(len(rows), np.int8)
        if self.duplicates in ("text", "near"):
            reason[~self.seen.is_new(keys)] = CODES["duplicate"]
            return reason
        if self.duplicates == "url_text":
            reason[~self.current_keys.is_new(keys)] = CODES["duplicate"]
        reason[self.seen.contains(texts)] = CODES["in_other_split"]
        return reason

    def _take(self, batch: Cleaned, taken: np.ndarray) -> None:
        if not len(taken):
            return
        if self.duplicates in ("text", "near"):
            self.seen.add(batch.duplicate_keys[taken])
        else:
            self.current_texts.append(batch.text_keys[taken])
            if self.duplicates == "url_text":
                self.current_keys.add(batch.duplicate_keys[taken])
        index = pa.array(taken)
        columns = [batch.texts.take(index)]
        if "url" in self.files[-1].schema.names:
            columns.append(batch.urls.take(index) if batch.urls is not None else pa.array([""] * len(taken)))
        self.files[-1].write([*columns, batch.qualities.take(index)])
