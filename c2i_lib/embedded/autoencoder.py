"""The picture side of the embedded TTI model: 128 pixel pictures to latents of 8 x 8 and back.

In: pictures ``(n, 3, h, w)`` in [-1, 1], sides a multiple of ``PATCH``. Out: latents ``(n, channels, h / 16, w / 16)``.

The encoder is a PCA of 16 x 16 pixel patches, written as one convolution; its least-squares inverse is another. A
small residual network on quarters of patches then takes away what the inverse leaves: speckle, blur and the grid of
patches. ``AutoencoderTiny`` would do without code of ours, but its nearest-neighbour enlarging hides where in its patch
a pixel lies, which it learns slowly. ``DiffusionPipeline.from_pretrained`` finds this class where c2i is installed.
"""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.autoencoders.vae import AutoencoderMixin, DecoderOutput
from torch import nn
from torch.nn import functional

PATCH = 16  # pixels, of a latent's side
STRIDE = 4  # pixels, of a point of the residual network's grid


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.second(functional.silu(self.first(functional.silu(hidden))))


class PatchAutoencoder(ModelMixin, AutoencoderMixin, ConfigMixin):
    """Closed-form latents of patches, and a decoder that starts as their inverse and learns to clean.

    ``block_out_channels``: pipelines read the enlargement 2 ** (length - 1) from it; nothing else does.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 96,
        width: int = 96,
        n_blocks: int = 4,
        block_out_channels: tuple[int, ...] = (96,) * 5,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.use_slicing = False
        self.encoder = nn.Conv2d(3, latent_channels, PATCH, PATCH)
        self.inverse = nn.Conv2d(latent_channels, 3 * PATCH**2, 1)
        values = 3 * STRIDE**2
        self.widen = nn.Conv2d(values, width, 3, padding=1)
        self.blocks = nn.Sequential(*(_ResidualBlock(width) for _ in range(n_blocks)))
        self.narrow = nn.Conv2d(width, values, 3, padding=1)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    @torch.no_grad()
    def set_components(self, mean: torch.Tensor, projection: torch.Tensor) -> None:
        """Write encoder and inverse: latents are ``projection (channels, 768) @ (patch (768,) - mean)``.

        The numbers of a patch are in the order colour, row, column. Rows of ``projection`` are orthogonal, so the
        inverse is its transpose over the squared lengths.
        """
        self.encoder.weight.copy_(projection.reshape(-1, 3, PATCH, PATCH))
        self.encoder.bias.copy_(-projection @ mean)
        self.inverse.weight.copy_((projection / projection.pow(2).sum(1, keepdim=True)).T[:, :, None, None])
        self.inverse.bias.copy_(mean)

    def encode(self, x: torch.Tensor, return_dict: bool = True) -> AutoencoderTinyOutput | tuple[torch.Tensor]:
        """Latents of pictures in [-1, 1]; their standard deviation is near 1."""
        latents = self.encoder(x)
        return AutoencoderTinyOutput(latents=latents) if return_dict else (latents,)

    def invert(self, z: torch.Tensor) -> torch.Tensor:
        """Pictures by the encoder's inverse alone: speckled, with a faint grid, but there before any training."""
        return functional.pixel_shuffle(self.inverse(z), PATCH)

    def clean(self, pictures: torch.Tensor) -> torch.Tensor:
        """``pictures`` and what the residual network adds to them."""
        hidden = self.blocks(self.widen(functional.pixel_unshuffle(pictures, STRIDE)))
        return pictures + functional.pixel_shuffle(self.narrow(functional.silu(hidden)), STRIDE)

    def decode(
        self, z: torch.Tensor, return_dict: bool = True, generator: torch.Generator | None = None
    ) -> DecoderOutput | tuple[torch.Tensor]:
        """Pictures of latents. ``generator`` is there for pipelines, which hand one over; nothing is random."""
        parts = z.split(1) if self.use_slicing else (z,)
        pictures = torch.cat([self.clean(self.invert(part)) for part in parts])
        return DecoderOutput(sample=pictures) if return_dict else (pictures,)

    def forward(self, sample: torch.Tensor, return_dict: bool = True) -> DecoderOutput | tuple[torch.Tensor]:
        return self.decode(self.encode(sample).latents, return_dict)
