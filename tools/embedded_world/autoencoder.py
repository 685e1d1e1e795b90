"""The picture side of the embedded TTI model: 128 pixel pictures to latents of 8 x 8 and back.

The encoder is closed-form: four space-to-depth convolutions and a PCA of the 16 x 16 pixel patches. Each
component is divided by its standard deviation's square root, so that coarse structure keeps more weight than
fine texture. Latents are thus known before any training, and must not change after: the UNet learns them.
The decoder is the stock one of ``AutoencoderTiny``; ``train_decoder.py`` teaches it.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderTiny

SIZE = 128  # picture, pixels
PATCH = 16
LATENT_CHANNELS = 96  # 64 blur what is small: 28 dB on scenes, 96 give 30 dB
LATENT_SIZE = SIZE // PATCH
SCALING_FACTOR = 6.0  # latents that the UNet sees are raw latents times this; the decoder bends raw ones near 3
_WIDTH = 192  # of the encoder: the 8 x 8 x 3 numbers that its last but one layer must carry
DECODER_WIDTH = 96
DECODER_BLOCKS = (2, 3, 3, 1, 0)


def make_autoencoder(pictures: torch.Tensor) -> AutoencoderTiny:
    """An autoencoder with a fixed encoder fitted to ``pictures (n, 3, 128, 128)`` in [-1, 1], decoder untrained."""
    vae = AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(_WIDTH,) * 5,
        num_encoder_blocks=(0,) * 5,
        decoder_block_out_channels=(DECODER_WIDTH,) * 5,
        num_decoder_blocks=DECODER_BLOCKS,
        upsampling_scaling_factor=2,
        scaling_factor=SCALING_FACTOR,
    )
    mean, projection = fit_components(pictures)
    _write_encoder(vae.encoder.layers, mean, projection)
    vae.encoder.requires_grad_(False)
    return vae


@torch.no_grad()
def fit_components(pictures: torch.Tensor, patches_per_step: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean ``(768,)`` and scaled projection ``(channels, 768)`` of the patches of ``pictures`` in [-1, 1].

    Patches are those of ``split_patches``. Raw latents have a standard deviation near 1 / SCALING_FACTOR.
    """
    n, total, square = 0, torch.zeros(3 * PATCH**2).double(), torch.zeros(3 * PATCH**2, 3 * PATCH**2).double()
    for batch in pictures.split(patches_per_step):
        patches = split_patches(batch).reshape(-1, 3 * PATCH**2).double()
        n, total, square = n + len(patches), total + patches.sum(0), square + patches.T @ patches
    mean = total / n
    variances, components = torch.linalg.eigh(square / n - mean[:, None] * mean)
    variances, components = variances.flip(0)[:LATENT_CHANNELS], components.flip(1)[:, :LATENT_CHANNELS]
    projection = components.T * variances.clamp_min(1e-8).pow(-0.25)[:, None]
    return mean, projection / (SCALING_FACTOR * variances.sqrt().mean().sqrt())


def split_patches(pictures: torch.Tensor) -> torch.Tensor:
    """``(n, 8, 8, 768)`` patches in [0, 1], their numbers in the order of four space-to-depth steps."""
    values = pictures.add(1).div(2)
    for _ in range(4):
        values = torch.nn.functional.pixel_unshuffle(values, 2)
    return values.permute(0, 2, 3, 1)


@torch.no_grad()
def _write_encoder(layers: torch.nn.Sequential, mean: torch.Tensor, projection: torch.Tensor) -> None:
    first, *stages, last = layers
    for parameter in layers.parameters():
        parameter.zero_()
    for channel in range(3):
        first.weight[channel, channel, 1, 1] = 1.0
    for stage, n_channels in zip(stages[:3], (3, 12, 48), strict=True):
        for channel in range(n_channels):
            for corner in range(4):
                stage.weight[channel * 4 + corner, channel, 1 + corner // 2, 1 + corner % 2] = 1.0
    # The fourth step and the projection are one convolution.
    weight = projection.float().reshape(LATENT_CHANNELS, _WIDTH, 2, 2)
    stages[3].weight[:LATENT_CHANNELS, :, 1:, 1:] = weight
    last.weight[range(LATENT_CHANNELS), range(LATENT_CHANNELS), 1, 1] = 1.0
    last.bias.copy_((-projection @ mean).float())


def _projection(vae: AutoencoderTiny) -> tuple[torch.Tensor, torch.Tensor]:
    """The encoder as one matrix ``(channels, 768)`` on patches, and its bias: what its convolutions come to."""
    weight = vae.encoder.layers[4].weight[:LATENT_CHANNELS, :, 1:, 1:].reshape(LATENT_CHANNELS, -1)
    return weight, vae.encoder.layers[5].bias


@torch.no_grad()
def encode(vae: AutoencoderTiny, pictures: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Scaled latents ``(n, 96, 8, 8)`` fp32 with a standard deviation near 1, from pictures in [-1, 1].

    The same numbers as ``vae.encode`` up to rounding, for a hundredth of the work.
    """
    weight, bias = _projection(vae)
    rows = [split_patches(batch) @ weight.T + bias for batch in pictures.split(batch_size)]
    return torch.cat(rows).permute(0, 3, 1, 2).contiguous() * SCALING_FACTOR


@torch.no_grad()
def linear_decode(latents: torch.Tensor, vae: AutoencoderTiny) -> torch.Tensor:
    """Pictures in [-1, 1] from scaled latents by the least-squares inverse of the encoder.

    Speckled and with a faint grid, but it needs no training: for watching the UNet before the decoder exists.
    """
    weight, bias = (part.double() for part in _projection(vae))
    # Rows are orthogonal, so the inverse is the transpose over the squared lengths.
    inverse = weight / weight.pow(2).sum(1, keepdim=True)
    raw = latents.permute(0, 2, 3, 1).double() / SCALING_FACTOR - bias
    values = (raw @ inverse).float().permute(0, 3, 1, 2)
    for _ in range(4):
        values = torch.nn.functional.pixel_shuffle(values, 2)
    return values.mul(2).sub(1).clamp(-1, 1)
