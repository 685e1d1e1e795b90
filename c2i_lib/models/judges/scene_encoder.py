"""What the two faithfulness judges of scenes share: pictures to tensors, and loading a folder of weights.

In: uint8 pictures and folders with ``judge.json`` and ``model.safetensors``. Out: tensors. The judges' networks and
training pairs are their own: they must not make the same mistakes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from c2i_lib.embedded.painting import SIZE
from c2i_lib.errors import ModelError

BATCH_SIZE = 64


def to_pixels(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """``(n, 3, 128, 128)`` in [-1, 1] of uint8 pictures ``(height, width, 3)``, which may differ in size."""
    scaled = []
    for picture in pictures:
        pixels = torch.tensor(np.asarray(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
        height, width = pixels.shape[-2:]
        if min(height, width) < SIZE:
            pixels = nn.functional.interpolate(pixels, (SIZE, SIZE), mode="bilinear", align_corners=False)
        elif (height, width) != (SIZE, SIZE):
            pixels = nn.functional.interpolate(pixels, (SIZE, SIZE), mode="area")
        scaled.append(pixels)
    return torch.cat(scaled)


def read_judge(folder: str | Path, kind: str) -> tuple[dict, dict[str, torch.Tensor]]:
    """``judge.json`` and the fp32 tensors of a trained judge.

    Raises ``ModelError`` when the folder has no such files or they belong to another kind of judge.
    """
    folder = Path(folder)
    missing = [name for name in ("judge.json", "model.safetensors") if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"judge {kind} needs a folder with {' and '.join(missing)}, not {folder}")
    facts = json.loads((folder / "judge.json").read_text(encoding="utf-8"))
    if facts.get("kind") != kind:
        raise ModelError(f"{folder} holds a judge of kind {facts.get('kind')}, not {kind}")
    tensors = load_file(folder / "model.safetensors")
    return facts, {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
