"""Training data of the stage "scenes": drawn on the fly, each picture used a few times and then replaced.

Drawing a scene and encoding its caption costs about as much as a training step on it, so the pool keeps them:
every batch brings ``1 / USES`` of its size in new scenes, at random places of the pool.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch
from autoencoder import encode
from model import PROMPT_TOKENS, TEXT_WIDTH, TextEncoder
from pictures import to_tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from c2i_lib.embedded.sampling import draw_example
from c2i_lib.embedded.scenes import compose
from c2i_lib.models.device import device

CAPACITY = 24_000  # scenes; their latents and caption states take 0.9 GB
FIRST_FILL = 1_024
FRESH = 16  # scenes that are drawn at a time
USES = 8  # of each scene, on average
EMPTY_SHARE = 0.10  # captions replaced by "", so that the model can be guided


class SceneStream(IterableDataset):
    """Pictures, uint8 ``(128, 128, 3)``, with their captions, without end; every worker process has its own."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __iter__(self) -> Iterator[tuple[np.ndarray, str]]:
        worker = get_worker_info()
        random_ = random.Random(f"{self.seed} {worker.id if worker else 0}")
        while True:
            example = draw_example(random_)
            yield np.asarray(compose(example.scene)), example.caption


def _batch(pairs: list[tuple[np.ndarray, str]]) -> tuple[torch.Tensor, list[str]]:
    pictures, captions = zip(*pairs, strict=True)
    return to_tensor(np.stack(pictures)), list(captions)


class ScenePool:
    """Draws batches of ``(latents (n, c, 8, 8), caption states (n, tokens, 384))``."""

    def __init__(self, vae, text_encoder: TextEncoder, seed: int, workers: int = 0) -> None:
        self.vae, self.text_encoder, self.random = vae, text_encoder, random.Random(seed)
        self.scenes = iter(DataLoader(SceneStream(seed), FRESH, num_workers=workers, collate_fn=_batch))
        self.latents = torch.empty(CAPACITY, vae.config.latent_channels, 8, 8, device=device())
        self.states = torch.empty(CAPACITY, PROMPT_TOKENS, TEXT_WIDTH, dtype=torch.bfloat16, device=device())
        self.empty = text_encoder([""])[0].to(device())
        self.filled, self.owed = 0, 0.0
        while self.filled < FIRST_FILL:
            self._add()

    def _add(self) -> None:
        """New scenes: behind the others while there is room, then in place of random ones."""
        pictures, captions = next(self.scenes)
        if self.filled + FRESH <= CAPACITY:
            rows = torch.arange(self.filled, self.filled + FRESH)
            self.filled += FRESH
        else:
            rows = torch.tensor(self.random.sample(range(self.filled), FRESH))
        self.latents[rows] = encode(self.vae, pictures).to(device())
        self.states[rows] = self.text_encoder(captions).to(device())

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """``generator``: of the device, where the batch is, too."""
        self.owed += n / USES
        while self.owed >= FRESH:
            self._add()
            self.owed -= FRESH
        rows = torch.randint(self.filled, (n,), generator=generator, device=generator.device)
        states = self.states[rows]
        states[torch.rand(n, generator=generator, device=generator.device) < EMPTY_SHARE] = self.empty
        return self.latents[rows], states.float()
