"""The latents of the embedded TTI model, fitted in closed form: a PCA of 16 x 16 pixel patches.

Each component is divided by its standard deviation's square root, so that coarse structure keeps more weight than
fine texture. Latents are thus known before any training, and must not change after: the UNet learns them.
``train_decoder.py`` teaches the decoder.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from c2i_lib.embedded.autoencoder import PATCH, PatchAutoencoder

SIZE = 128  # picture, pixels
LATENT_CHANNELS = 96  # 64 blur what is small: 28 dB on scenes, 96 give 30 dB
LATENT_SIZE = SIZE // PATCH


def make_autoencoder(pictures: torch.Tensor) -> PatchAutoencoder:
    """An autoencoder fitted to ``pictures (n, 3, 128, 128)`` in [-1, 1]; its decoder is the inverse, untrained."""
    vae = PatchAutoencoder(latent_channels=LATENT_CHANNELS)
    mean, projection = fit_components(pictures)
    vae.set_components(mean.float(), projection.float())
    return vae


@torch.no_grad()
def fit_components(pictures: torch.Tensor, pictures_per_step: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean ``(768,)`` and scaled projection ``(channels, 768)`` of the patches of ``pictures`` in [-1, 1].

    Latents have a standard deviation near 1.
    """
    n, total, square = 0, torch.zeros(3 * PATCH**2).double(), torch.zeros(3 * PATCH**2, 3 * PATCH**2).double()
    for batch in pictures.split(pictures_per_step):
        patches = functional.unfold(batch, PATCH, stride=PATCH).transpose(1, 2).reshape(-1, 3 * PATCH**2).double()
        n, total, square = n + len(patches), total + patches.sum(0), square + patches.T @ patches
    mean = total / n
    variances, components = torch.linalg.eigh(square / n - mean[:, None] * mean)
    variances, components = variances.flip(0)[:LATENT_CHANNELS], components.flip(1)[:, :LATENT_CHANNELS]
    projection = components.T * variances.clamp_min(1e-8).pow(-0.25)[:, None]
    return mean, projection / variances.sqrt().mean().sqrt()


@torch.no_grad()
def encode(vae: PatchAutoencoder, pictures: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Latents ``(n, 96, 8, 8)`` fp32 of pictures in [-1, 1]."""
    return torch.cat([vae.encode(batch).latents for batch in pictures.split(batch_size)])


@torch.no_grad()
def linear_decode(latents: torch.Tensor, vae: PatchAutoencoder) -> torch.Tensor:
    """Pictures in [-1, 1] by the encoder's inverse: for watching the UNet before the decoder has learned."""
    return vae.invert(latents).clamp(-1, 1)
