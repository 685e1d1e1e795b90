"""Training data of the stage "singles": every thing alone on white in 3D, under many names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from autoencoder import encode
from model import TextEncoder
from pictures import draw_single, to_tensor

from c2i_lib.embedded.nouns import with_article
from c2i_lib.embedded.sprites import Sprite, load_sprites
from c2i_lib.models.device import device

_BY_NAME = (
    "{n}",
    "{n}",
    "{a}",
    "{N}",
    "a picture of {a}",
    "{a} on a white background",
    "{n}, glossy 3D render",
    "cute 3D {n}, soft light",
    "3D illustration of {a}",
    "{N} 3D icon",
)
_BY_SYNONYM = ("{n}", "{a}")
NAME_SHARE = 0.65  # of the captions of a thing that has synonyms
EMPTY_SHARE = 0.10  # captions replaced by "", so that the model can be guided


def captions_of(sprite: Sprite) -> tuple[list[str], list[str]]:
    """Captions by its name, and by its synonyms (perhaps none)."""

    def fill(template: str, word: str) -> str:
        return template.format(n=word, a=with_article(word), N=word[0].upper() + word[1:])

    by_synonym = [fill(template, word) for word in sprite.synonyms for template in _BY_SYNONYM]
    return [fill(template, sprite.name) for template in _BY_NAME], by_synonym


class Singles:
    """Draws batches of ``(latents (n, c, 8, 8), caption states (n, tokens, 384))``, all things equally often."""

    def __init__(self, vae, text_encoder: TextEncoder, cache: Path) -> None:
        """``cache``: a file that keeps the caption states, whose encoding takes minutes on a busy machine."""
        pictures = np.stack([np.asarray(draw_single(sprite)) for sprite in load_sprites()])
        self.latents = encode(vae, to_tensor(pictures)).to(device())
        captions, self._names, self._synonyms = [""], [], []
        for sprite in load_sprites():
            for rows, texts in zip((self._names, self._synonyms), captions_of(sprite), strict=True):
                rows.append(range(len(captions), len(captions) + len(texts)))
                captions += texts
        kept = torch.load(cache) if cache.exists() else {"captions": []}
        if kept["captions"] != captions:
            kept = {"captions": captions, "states": text_encoder(captions, progress=True)}
            torch.save(kept, cache)
        self.states = kept["states"].to(device())

    def __len__(self) -> int:
        return len(self.latents)

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """``generator``: of the device, where the batch is, too."""
        things = torch.randint(len(self), (n,), generator=generator, device=generator.device)
        chance = torch.rand(n, 3, generator=generator, device=generator.device).tolist()
        captions = [self._caption(thing, *three) for thing, three in zip(things.tolist(), chance, strict=True)]
        return self.latents[things], self.states[captions].float()

    def _caption(self, thing: int, empty: float, source: float, which: float) -> int:
        if empty < EMPTY_SHARE:
            return 0
        rows = self._names[thing]
        if self._synonyms[thing] and source > NAME_SHARE:
            rows = self._synonyms[thing]
        return rows[int(which * len(rows))]
