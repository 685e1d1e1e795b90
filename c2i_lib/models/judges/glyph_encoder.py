"""The embedded judge: a small image encoder in MiniLM's embedding space.

In: ``weights/judge/`` (``model.safetensors``, ``judge.json``). Out: image features, faithfulness and quality.
Trained by ``tools/train_embedded_judge.py`` on the pictures that the embedded TTI model learned.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import ResNetConfig, ResNetModel

from c2i_lib.text.embeddings import embed_texts

IMAGE_SIZE = 64

N_NEIGHBOURS = 3  # Kynkäänniemi et al. 2019, section 4

ENCODER = dict(
    embedding_size=32, hidden_sizes=[48, 96, 192, 256], depths=[1, 1, 1, 1], layer_type="basic", hidden_act="relu"
)


class GlyphEncoder(nn.Module):
    """``(n, 3, 64, 64)`` in [-1, 1] → features ``(n, 256)`` and unit embeddings ``(n, 384)`` like MiniLM's."""

    def __init__(self):
        super().__init__()
        self.backbone = ResNetModel(ResNetConfig(**ENCODER))
        self.projection = nn.Linear(ENCODER["hidden_sizes"][-1], 384)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.backbone(images).pooler_output.flatten(1)
        return features, nn.functional.normalize(self.projection(features), dim=-1)


def to_pixels(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """``(n, 3, 64, 64)`` in [-1, 1] of uint8 pictures ``(height, width, 3)``, which may differ in size."""
    scaled = []
    for picture in pictures:
        pixels = torch.tensor(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
        if pixels.shape[-2:] != (IMAGE_SIZE, IMAGE_SIZE):
            pixels = nn.functional.interpolate(pixels, (IMAGE_SIZE, IMAGE_SIZE), mode="area")
        scaled.append(pixels)
    return torch.cat(scaled)


def neighbour_radii(real: torch.Tensor) -> torch.Tensor:
    """``(n,)`` distance of each of the real features ``(n, d)`` to its k-th nearest neighbour."""
    return torch.cdist(real, real).topk(N_NEIGHBOURS + 1, largest=False).values[:, -1]


def realism(features: torch.Tensor, real: torch.Tensor, radii: torch.Tensor) -> torch.Tensor:
    """``(n,)`` realism scores: the largest ratio of a real feature's radius to its distance.

    Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models", equation 3.
    At 1 or more a feature lies inside the manifold of real features.
    """
    return (radii / torch.cdist(features, real).clamp_min(1e-6)).max(1).values


class GlyphJudge:
    """Quality (realism against clean glyphs) and faithfulness (calibrated similarity to the concept)."""

    def __init__(self, folder: str | Path):
        tensors = load_file(Path(folder) / "model.safetensors")
        self.calibration = json.loads((Path(folder) / "judge.json").read_text(encoding="utf-8"))
        self.real = tensors.pop("real_features").float()
        self.radii = tensors.pop("real_radii").float()
        self.encoder = GlyphEncoder()
        self.encoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)
        self.encoder.eval()

    @torch.inference_mode()
    def _encode(self, images: Sequence[np.ndarray], batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
        batches = []
        for start in range(0, len(images), batch_size):
            batches.append(self.encoder(to_pixels(images[start : start + batch_size])))
        features, embeddings = zip(*batches, strict=True)
        return torch.cat(features), torch.cat(embeddings)

    def quality(self, images: Sequence[np.ndarray], batch_size: int = 64) -> np.ndarray:
        """``(n,)`` realism scores of uint8 images ``(height, width, 3)``; higher is better, 1 is real."""
        features, _ = self._encode(images, batch_size)
        return realism(features, self.real, self.radii).numpy()

    def faithfulness(self, images: Sequence[np.ndarray], concepts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """``(n,)`` probabilities that image i shows concept i: a logistic function of their cosine."""
        _, embeddings = self._encode(images, batch_size)
        cosine = (embeddings * embed_texts(concepts)).sum(1)
        return torch.sigmoid(self.calibration["slope"] * cosine + self.calibration["intercept"]).numpy()
