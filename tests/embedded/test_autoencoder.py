"""The latent space of the embedded TTI model is a PCA of patches, and its decoder starts as the inverse."""

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


def test_latents_are_the_components_of_patches(autoencoder, pictures):
    mean, projection = (part.float() for part in autoencoder.fit_components(pictures))
    latents = autoencoder.encode(autoencoder.make_autoencoder(pictures), pictures[:4])
    row, column = 3, 5
    patches = pictures[:4, :, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16].flatten(1)
    assert torch.allclose(latents[:, :, row, column], (patches - mean) @ projection.T, atol=1e-4)


def test_an_untrained_decoder_is_the_inverse(autoencoder, pictures):
    vae = autoencoder.make_autoencoder(pictures)
    latents = autoencoder.encode(vae, pictures[:4])
    with torch.no_grad():
        assert torch.equal(vae.decode(latents).sample, vae.invert(latents))


def test_slicing_changes_nothing_but_memory(autoencoder, pictures):
    vae = autoencoder.make_autoencoder(pictures)
    torch.nn.init.normal_(vae.narrow.weight, std=0.01)
    latents = autoencoder.encode(vae, pictures[:4])
    with torch.no_grad():
        whole = vae.decode(latents, return_dict=False)[0]
        vae.enable_slicing()
        assert torch.allclose(vae.decode(latents).sample, whole, atol=1e-5)
    assert not torch.allclose(whole, vae.invert(latents), atol=1e-3)


def test_the_linear_decoder_inverts_the_encoder(autoencoder, pictures):
    vae = autoencoder.make_autoencoder(pictures)
    latents = autoencoder.encode(vae, pictures)
    assert latents.shape == (40, autoencoder.LATENT_CHANNELS, 8, 8) and 0.5 < latents.std() < 2
    assert (autoencoder.linear_decode(latents, vae) - pictures).abs().mean() < 0.02
