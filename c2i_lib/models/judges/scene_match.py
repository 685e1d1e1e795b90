"""The selecting judge of faithfulness on scenes: does the picture, as a sentence, mean what the concept means?

In: pictures and concepts. Out: calibrated cosines of the picture's place in MiniLM's space with the concept's sentence
embedding. It shares no network, no seed and no training pair with ``scene_parts``, and knows nothing of parts: what
they agree on is in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.models import resolve
from c2i_lib.models.judges.scene_encoder import BATCH_SIZE, read_judge, to_pixels
from c2i_lib.text.embeddings import embed_texts

KIND = "scene_match"
STEM, WIDTH, LAST = 48, 128, 256
N_BLOCKS = (2, 2)
N_QUERIES = 4
TEXT_WIDTH = 384


class _Block(nn.Module):
    """A wide depthwise convolution, then a small perceptron in each cell (Liu et al. 2022), beside a shortcut."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False), nn.BatchNorm2d(width),
            nn.Conv2d(width, 2 * width, 1), nn.SiLU(), nn.Conv2d(2 * width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )  # fmt: skip
        nn.init.constant_(self.body[-1].weight, 0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class SceneMatchNet(nn.Module):
    """``(n, 3, 128, 128)`` in [-1, 1] → unit embeddings ``(n, 384)`` like MiniLM's."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, STEM, 6, 4, 1, bias=False), nn.BatchNorm2d(STEM), nn.SiLU(),
            nn.Conv2d(STEM, WIDTH, 3, 2, 1, bias=False), nn.BatchNorm2d(WIDTH),
            *(_Block(WIDTH) for _ in range(N_BLOCKS[0])),
            nn.Conv2d(WIDTH, LAST, 3, 2, 1, bias=False), nn.BatchNorm2d(LAST),
            *(_Block(LAST) for _ in range(N_BLOCKS[1])),
        )  # fmt: skip
        self.attention = nn.Conv2d(LAST, N_QUERIES, 1)
        self.project = nn.Linear(N_QUERIES * LAST, TEXT_WIDTH)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        maps = self.body(pictures)
        weights = self.attention(maps).flatten(2).softmax(2)
        pooled = (weights @ maps.flatten(2).transpose(1, 2)).flatten(1)
        return nn.functional.normalize(self.project(pooled), dim=1)


class SceneMatch:
    """The calibrated probability that the picture shows the concept and not another one."""

    measures = "faithfulness"

    def __init__(self, settings: JudgeModel):
        facts, tensors = read_judge(resolve(settings.model), KIND)
        self.slope, self.intercept = facts["slope"], facts["intercept"]
        self.net = SceneMatchNet()
        self.net.load_state_dict(tensors, strict=False)
        self.net.eval()

    @torch.inference_mode()
    def _embed(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        starts = range(0, len(pictures), BATCH_SIZE)
        return torch.cat([self.net(to_pixels(pictures[start : start + BATCH_SIZE])) for start in starts])

    def features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """``(n, 384)`` unit features of the pictures: their places in MiniLM's space."""
        return self._embed(pictures).numpy()

    def cosines(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> torch.Tensor:
        """``(n,)`` cosines of the pictures' embeddings with their concepts'."""
        return (self._embed(pictures) * embed_texts(concepts)).sum(1)

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        return torch.sigmoid(self.slope * self.cosines(pictures, concepts) + self.intercept).numpy()
