"""Checkpoints of a training that may be killed: safetensors, written aside and renamed, the newest two kept.

In: the parameters that train, AdamW's state and the log. Out: ``checkpoint-<step>/`` with ``state.safetensors`` and
``state.json``. Ignored: random generators; every step seeds its own.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm

from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_dir

_KEPT = 2


def _folders(folder: Path) -> list[Path]:
    """Checkpoints, the newest first."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)


def save_checkpoint(
    folder: Path, step: int, trainable: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, log: list[dict]
) -> None:
    """Write the state after ``step``; older checkpoints but one go. Raises ``C2IError`` when the disk is full."""
    tensors = {f"parameter/{name}": parameter.detach().contiguous() for name, parameter in trainable.items()}
    for name, parameter in trainable.items():
        for key, value in optimizer.state[parameter].items():
            tensors[f"{key}/{name}"] = value.contiguous() if value.ndim else value.reshape(1)
    try:
        with atomic_dir(folder / f"checkpoint-{step}") as temporary:
            save_file(tensors, temporary / "state.safetensors")
            (temporary / "state.json").write_text(json.dumps({"step": step, "log": log}), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        if getattr(error, "errno", None) != errno.ENOSPC and "No space left" not in str(error):
            raise
        kept = _folders(folder)[0].name if _folders(folder) else "none"
        raise C2IError(
            f"the disk of {folder} is full at step {step}; the last good checkpoint ({kept}) is intact. Free some "
            "space and run again: training goes on from there"
        ) from error
    for old in _folders(folder)[_KEPT:]:
        shutil.rmtree(old)


def load_checkpoint(
    folder: Path, trainable: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> tuple[int, list[dict]]:
    """Put the newest checkpoint that can be read into parameters and optimizer. Returns its step and log, or 0."""
    for path in _folders(folder):
        try:
            state = json.loads((path / "state.json").read_text(encoding="utf-8"))
            tensors = load_file(path / "state.safetensors")
        except (OSError, ValueError, SafetensorError) as error:
            tqdm.write(f"{path.name} cannot be read ({error}); trying an older one")
            continue
        for name, parameter in trainable.items():
            parameter.data.copy_(tensors[f"parameter/{name}"])
            states = {key: tensors[f"{key}/{name}"].to(parameter.device) for key in ("exp_avg", "exp_avg_sq")}
            optimizer.state[parameter] = {"step": tensors[f"step/{name}"][0].clone(), **states}
        tqdm.write(f"going on from step {state['step']}")
        return state["step"], state["log"]
    return 0, []


def remove_checkpoints(folder: Path) -> None:
    """Remove all checkpoints of a training that has ended."""
    for path in _folders(folder):
        shutil.rmtree(path)
