"""LAION's aesthetic predictor: a small head on CLIP ViT-L/14's picture features gives about 1 to 10.

In: pictures; ``head``: a safetensors file, a folder or a hub id with one. Out: one score a picture. Two heads are
known: the linear one (LAION-AI/aesthetic-predictor: ``weight``, ``bias``) and the five linear layers of
christophschuhmann/improved-aesthetic-predictor (``layers.0`` to ``layers.7``), between which only dropout stands.
Ignored: the concept; and heads in pickles, which can run code.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from c2i_lib.config.judges import JudgeModel
from c2i_lib.errors import ModelError
from c2i_lib.models.device import device
from c2i_lib.models.judges.clip import Clip

LAYOUTS = (("",), ("layers.0.", "layers.2.", "layers.4.", "layers.6.", "layers.7."))
PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl")
CONVERT = (
    "Convert it once: import torch, safetensors.torch; safetensors.torch.save_file("
    'torch.load("head.pth", weights_only=True, map_location="cpu"), "head.safetensors")'
)


def head_file(head: str, revision: str | None = None) -> Path:
    """The safetensors file of a head: the file itself, or the only one of a folder or a hub repository.

    Raises ``ModelError`` for a pickle, and when there is not exactly one such file.
    """
    place = Path(head)
    if place.suffix in PICKLES:
        raise ModelError(f"aesthetic head {head} is a pickle, which can run code; only safetensors are read. {CONVERT}")
    if place.is_file():
        return place
    if not place.exists():
        from huggingface_hub import snapshot_download

        try:
            place = Path(snapshot_download(head, revision=revision, allow_patterns="*.safetensors"))
        except (OSError, ValueError) as error:
            raise ModelError(f"aesthetic head {head!r} is no file, folder or hub id in reach: {error}") from error
    files = sorted(place.rglob("*.safetensors"))
    if len(files) != 1:
        raise ModelError(f"aesthetic head {head} should hold one .safetensors file, found {len(files)}. {CONVERT}")
    return files[0]


def load_head(file: Path, size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weight and bias of each linear layer, from features of ``size`` to one score.

    Raises ``ModelError`` when the file holds anything else.
    """
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"aesthetic head {file} cannot be read as safetensors: {error}. {CONVERT}") from error
    layout = next((names for names in LAYOUTS if {f"{name}weight" for name in names} <= set(tensors)), ())
    layers = [(tensors[f"{name}weight"].float(), tensors[f"{name}bias"].float()) for name in layout]
    widths = [size, *(len(weight) for weight, _ in layers)]
    shapes = [tuple(weight.shape) for weight, _ in layers]
    if len(tensors) != 2 * len(layers) or widths[-1] != 1 or shapes != list(zip(widths[1:], widths, strict=False)):
        raise ModelError(
            f"aesthetic head {file} should hold linear layers from {size} features to one score, named as in LAION's "
            f"predictors (weight, bias; or layers.0.weight to layers.7.bias), found "
            f"{ {name: tuple(tensor.shape) for name, tensor in sorted(tensors.items())} }"
        )
    return layers


class Aesthetic:
    """The head's value for the picture's unit features (Schuhmann et al. 2022, "LAION-5B")."""

    measures = "quality"

    def __init__(self, settings: JudgeModel):
        self.clip = Clip(settings)
        size = self.clip.model.config.projection_dim
        layers = load_head(head_file(settings.head, settings.head_revision), size)
        self.layers = [(weight.to(device()), bias.to(device())) for weight, bias in layers]

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        values = self.clip.pictures(pictures)
        for weight, bias in self.layers:
            values = torch.nn.functional.linear(values, weight, bias)
        return values[:, 0].cpu().numpy()
