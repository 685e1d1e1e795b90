"""Hidden states of the frozen layers, kept on disk: computed once, read in every later epoch.

In: token rows and their hidden states. Out: the same states, by row. Kept under a key (``states_folder``), they serve
another seed and another learning rate too. Ignored: how they are computed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from c2i_lib.config import cache_dir
from c2i_lib.config.finetuning import LanguageModel
from c2i_lib.errors import C2IError
from c2i_lib.records.files import hash_of
from c2i_lib.stages.finetuning.rows import Rows


def states_folder(settings: LanguageModel, bf16: bool, *rows: Rows) -> Path:
    """Where hidden states of ``rows`` are kept: in c2i's cache, by model, cut, precision and tokens."""
    digest = hashlib.sha256()
    for part in rows:
        digest.update(part.tokens.tobytes())
        digest.update(part.starts.astype(np.int64).tobytes())
    folder = cache_dir() / "hidden_states" / hash_of([settings.model_dump(), bf16, digest.hexdigest()])[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class PrefixCache:
    """Hidden states at the cut for all tokens of ``rows``, in a file mapped into memory.

    bf16 where the lower part computes in it, else fp32. A row is asked for with ``missing`` before it is read. A file
    that was finished before is used again. Raises ``C2IError`` when the disk has no room for the file.
    """

    def __init__(self, path: Path, rows: Rows, width: int, dtype: torch.dtype):
        self.rows, self._finished = rows, path.with_suffix(".finished")
        kind = np.uint16 if dtype == torch.bfloat16 else np.float32  # numpy has no bf16
        size = len(rows.tokens) * width * kind().itemsize
        mode = "r+" if path.is_file() and path.stat().st_size == size else "w+"
        self.filled = np.full(len(rows), mode == "r+" and self._finished.is_file())
        free = shutil.disk_usage(path.parent).free
        if mode == "w+" and free < size:  # a mapped file that finds the disk full later kills the process
            raise C2IError(
                f"hidden states of the frozen layers need {size >> 20} MB in {path.parent}, and {free >> 20} MB are "
                "free: free some space, or give a --run-dir on another disk"
            )
        if mode == "w+" and hasattr(os, "posix_fallocate"):  # the room is ours, whoever fills the disk meanwhile
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, size))
            mode = "r+"
        self.file = np.memmap(path, kind, mode, shape=(len(rows.tokens), width))
        self.states = torch.from_numpy(self.file)
        self.states = self.states.view(torch.bfloat16) if dtype == torch.bfloat16 else self.states

    def missing(self, indices: Sequence[int]) -> bool:
        """Whether one of the rows has not been stored."""
        return not self.filled[indices].all()

    def store(self, indices: Sequence[int], hidden: torch.Tensor) -> None:
        """Keep the hidden states ``(n, longest, width)`` of some rows."""
        places, inside = self.rows.places(indices)
        self.states[torch.from_numpy(places[inside])] = hidden.cpu()[torch.from_numpy(inside)].to(self.states.dtype)
        self.filled[indices] = True

    def load(self, indices: Sequence[int]) -> torch.Tensor:
        """The hidden states ``(n, longest, width)`` of some rows; padding holds a copy of the first token's."""
        return self.states[torch.from_numpy(self.rows.places(indices)[0])]

    def flush(self) -> None:
        """Write what was stored to the disk."""
        self.file.flush()

    def finish(self) -> None:
        """All rows are stored, by this process or by others that share the file."""
        self.filled[:] = True
        self.flush()
        self._finished.touch()

    def forget(self) -> None:
        """No row is stored: what is in the file comes from another model."""
        self.filled[:] = False
        self._finished.unlink(missing_ok=True)
