"""Training data of the stage "scenes": drawn on the fly, each picture used a few times and then replaced.

Drawing a scene and encoding its caption costs about as much as a training step on it, so the pool keeps them:
every batch brings ``1 / USES`` of its size in new scenes, at random places of the pool.
"""

from __future__ import annotations

import random

import numpy as np
import torch
from autoencoder import encode
from model import PROMPT_TOKENS, TEXT_WIDTH, TextEncoder
from pictures import to_tensor

from c2i_lib.embedded.sampling import draw_example
from c2i_lib.embedded.scenes import compose

CAPACITY = 24_000  # scenes; their latents and caption states take 0.9 GB
FIRST_FILL = 1_024
USES = 4  # of each scene, on average
EMPTY_SHARE = 0.10  # captions replaced by "", so that the model can be guided


class ScenePool:
    """Draws batches of ``(latents (n, c, 8, 8), caption states (n, tokens, 384))``."""

    def __init__(self, vae, text_encoder: TextEncoder, seed: int) -> None:
        self.vae, self.text_encoder, self.random = vae, text_encoder, random.Random(seed)
        config = vae.config.latent_channels
        self.latents = torch.empty(CAPACITY, config, 8, 8)
        self.states = torch.empty(CAPACITY, PROMPT_TOKENS, TEXT_WIDTH, dtype=torch.bfloat16)
        self.empty = text_encoder([""])[0]
        self.filled = 0
        while self.filled < FIRST_FILL:
            self._add(64)

    def _add(self, n: int) -> None:
        """``n`` new scenes: behind the others while there is room, then in place of random ones."""
        examples = [draw_example(self.random) for _ in range(n)]
        pictures = np.stack([np.asarray(compose(example.scene)) for example in examples])
        if self.filled + n <= CAPACITY:
            rows = torch.arange(self.filled, self.filled + n)
            self.filled += n
        else:
            rows = torch.tensor(self.random.sample(range(self.filled), n))
        self.latents[rows] = encode(self.vae, to_tensor(pictures))
        self.states[rows] = self.text_encoder([example.caption for example in examples])

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        self._add(max(1, n // USES))
        rows = torch.randint(self.filled, (n,), generator=generator)
        states = self.states[rows]
        states[torch.rand(n, generator=generator) < EMPTY_SHARE] = self.empty
        return self.latents[rows], states.float()
