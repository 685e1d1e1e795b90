"""The latent space of the embedded TTI model: its closed form is what the stock autoencoder computes."""

import sys
from pathlib import Path

import pytest
import torch

TOOLS = Path(__file__).parents[2] / "tools" / "embedded_world"


@pytest.fixture(scope="module")
def autoencoder():
    sys.path.insert(0, str(TOOLS))
    try:
        import autoencoder as module
    finally:
        sys.path.remove(str(TOOLS))
    return module


@pytest.fixture(scope="module")
def pictures():
    """Smooth random pictures: coarse noise, enlarged."""
    torch.manual_seed(0)
    coarse = torch.rand(40, 3, 16, 16) * 2 - 1
    return torch.nn.functional.interpolate(coarse, 128, mode="bicubic").clamp(-1, 1)


def test_the_matrix_is_what_the_convolutions_come_to(autoencoder, pictures):
    vae = autoencoder.make_autoencoder(pictures)
    with torch.no_grad():
        by_convolution = vae.encode(pictures[:4]).latents * autoencoder.SCALING_FACTOR
    assert torch.allclose(by_convolution, autoencoder.encode(vae, pictures[:4]), atol=1e-3)
    assert vae.config.scaling_factor == autoencoder.SCALING_FACTOR


def test_the_linear_decoder_inverts_the_encoder(autoencoder, pictures):
    vae = autoencoder.make_autoencoder(pictures)
    latents = autoencoder.encode(vae, pictures)
    assert latents.shape == (40, autoencoder.LATENT_CHANNELS, 8, 8) and 0.5 < latents.std() < 2
    assert (autoencoder.linear_decode(latents, vae) - pictures).abs().mean() < 0.02
