"""How the embedded TTI model learns: what its UNet is asked to say, and that two cores learn what one learns."""

import argparse
import sys
from pathlib import Path

import pytest
import torch

TOOLS = Path(__file__).parents[2] / "tools" / "embedded_world"
TINY = dict(sample_size=8, in_channels=6, out_channels=6, layers_per_block=1, block_out_channels=(32, 32)) | dict(
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")
)


@pytest.fixture(scope="module")
def tools():
    sys.path.insert(0, str(TOOLS))
    try:
        import convolution
        import model
        import train_tti
    finally:
        sys.path.remove(str(TOOLS))
    return argparse.Namespace(convolution=convolution, model=model, train_tti=train_tti)


@pytest.fixture
def noisy(tools):
    generator = torch.Generator().manual_seed(0)
    clean, states = torch.randn(4, 6, 8, 8, generator=generator), torch.randn(4, 32, 384, generator=generator)
    return clean, tools.model.add_noise(clean, states, generator)


def test_the_scheduler_takes_what_the_unet_learns_to_say(tools, noisy):
    """Were noise levels or the UNet's answer meant otherwise, training would go well and drawing would give noise."""
    clean, noisy = noisy
    scheduler = tools.model.make_scheduler()
    scheduler.set_timesteps(20)
    for row, level in enumerate(noisy.level):
        scheduler.sigmas, scheduler._step_index = torch.tensor([level.item(), 0.0]), 0
        assert torch.equal(scheduler.convert_model_output(clean[row], sample=noisy.latents[row]), clean[row])
        alpha, sigma = scheduler._sigma_to_alpha_sigma_t(level)
        noise = (noisy.latents[row] - alpha * clean[row]) / sigma
        assert abs(noise.mean()) < 0.2 and 0.9 < noise.std() < 1.1


def test_two_cores_learn_what_one_learns(tools, noisy, monkeypatch, tmp_path):
    monkeypatch.setattr(tools.train_tti, "UNET", TINY | dict(cross_attention_dim=384, attention_head_dim=4))
    monkeypatch.setattr(tools.model, "has_bf16", lambda: False)
    args = argparse.Namespace(work=tmp_path, seed=0, learning_rate=1e-3, threads=2, stage="singles", start=None)
    trainer = tools.train_tti.Trainer(args)
    gradients = []
    for parts in (1, 2):
        loss = trainer.add_gradients(noisy[1], parts)
        gradients.append([loss, *(parameter.grad.clone() for parameter in trainer.unet.parameters())])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("size", [4, 8])
def test_the_faster_convolution_learns_what_the_ordinary_one_does(tools, size):
    torch.manual_seed(0)
    ordinary, pictures = torch.nn.Conv2d(6, 5, 3, padding=1), torch.randn(3, 6, size, size, requires_grad=True)
    expected = torch.autograd.grad(ordinary(pictures).square().sum(), [pictures, *ordinary.parameters()])
    tools.convolution.use_small_convolutions(ordinary)
    assert type(ordinary) is tools.convolution.SmallConvolution
    found = torch.autograd.grad(ordinary(pictures).square().sum(), [pictures, *ordinary.parameters()])
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)
