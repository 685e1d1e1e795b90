"""The embedded TTI model's parts, and what its training scripts share.

Everything is a stock class, so ``DiffusionPipeline.from_pretrained`` loads the result and draws 128 x 128
pixel pictures without code of ours.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from autoencoder import LATENT_CHANNELS, LATENT_SIZE, linear_decode
from transformers import AutoModel, AutoTokenizer

from c2i_lib.embedded.autoencoder import PatchAutoencoder
from c2i_lib.embedded.packages import minilm_folder
from c2i_lib.models.device import device, has_bf16

PROMPT_TOKENS = 32  # tokens of a prompt that the model sees
TEXT_WIDTH = 384
LEAST_LEVEL = 0.25  # pictures with less noise count no more than those
FLOW_SHIFT = 3.0  # more of the training and of the steps at high noise
DEFAULT_WORK = Path.home() / ".cache" / "c2i-training" / "tti"
UNET = dict(
    sample_size=LATENT_SIZE,
    in_channels=LATENT_CHANNELS,
    out_channels=LATENT_CHANNELS,
    layers_per_block=1,
    block_out_channels=(128, 256),
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=TEXT_WIDTH,
    attention_head_dim=8,  # the number of heads, despite its name
    time_embedding_dim=384,
    resnet_time_scale_shift="scale_shift",
    addition_embed_type="text",
    addition_embed_type_num_heads=8,
)


def make_scheduler() -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(
        prediction_type="sample", use_flow_sigmas=True, flow_shift=FLOW_SHIFT, steps_offset=1
    )


def autocast():
    """bf16 autocast where the hardware computes bf16; elsewhere it is slower than fp32."""
    return torch.autocast(device().type, torch.bfloat16) if has_bf16() else nullcontext()


class TextEncoder:
    """MiniLM's last hidden states, as ``StableDiffusionPipeline`` computes them."""

    def __init__(self) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
        self.model = AutoModel.from_pretrained(minilm_folder(), add_pooling_layer=False).eval().to(device())

    @torch.inference_mode()
    def __call__(self, captions: list[str], batch_size: int = 256, progress: bool = False) -> torch.Tensor:
        """``(n, PROMPT_TOKENS, 384)`` bf16, on the processor."""
        states = torch.empty(len(captions), PROMPT_TOKENS, TEXT_WIDTH, dtype=torch.bfloat16)
        starts = range(0, len(captions), batch_size)
        for start in tqdm(starts, desc="encode captions", mininterval=5, disable=not progress):
            batch = self.tokenizer(
                captions[start : start + batch_size],
                padding="max_length",
                truncation=True,
                max_length=PROMPT_TOKENS,
                return_tensors="pt",
            ).to(device())
            with autocast():
                found = self.model(batch.input_ids, attention_mask=batch.attention_mask)[0]
            states[start : start + batch_size] = found
        return states


def make_pipeline(unet: UNet2DConditionModel, vae: PatchAutoencoder) -> StableDiffusionPipeline:
    """The whole model with MiniLM as its text encoder."""
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    tokenizer.model_max_length = PROMPT_TOKENS
    text_encoder = AutoModel.from_pretrained(minilm_folder(), add_pooling_layer=False)
    text_encoder.config.use_attention_mask = True  # the pipeline then hands the mask to the text encoder
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: StableDiffusionPipeline,
    captions: list[str],
    guidance: float = 3.0,
    steps: int = 20,
    seed: int = 0,
    linear: bool = False,
    batch_size: int = 16,
) -> torch.Tensor:
    """Pictures ``(n, 3, 128, 128)`` in [-1, 1]. ``linear``: decode by the encoder's inverse, not the decoder."""
    pictures = []
    for start in range(0, len(captions), batch_size):
        batch = captions[start : start + batch_size]
        latents = pipeline(
            batch,
            guidance_scale=guidance,
            num_inference_steps=steps,
            generator=[torch.Generator().manual_seed(seed * 100_003 + start + i) for i in range(len(batch))],
            output_type="latent",
        ).images
        with torch.inference_mode():
            if linear:
                pictures.append(linear_decode(latents, pipeline.vae))
            else:
                pictures.append(pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample.clamp(-1, 1))
    return torch.cat(pictures)


class Noisy(NamedTuple):
    """Noisy latents ``(n, c, 8, 8)``, the noise's level ``(n,)`` in [0, 1], captions' states, and the clean latents."""

    latents: torch.Tensor
    level: torch.Tensor
    states: torch.Tensor
    clean: torch.Tensor


def add_noise(clean: torch.Tensor, states: torch.Tensor, generator: torch.Generator) -> Noisy:
    """Noise on the straight way from a picture to noise: (1 - t) clean + t noise.

    ``clean (n, c, 8, 8)``, ``states (n, PROMPT_TOKENS, 384)``, ``generator``: all on one device. The level t of each
    picture is uniform in [0, 1], then shifted as in Esser et al. 2024, section 5.3.2: s u / (1 + (s - 1) u).
    """
    uniform = torch.rand(len(clean), generator=generator, device=clean.device)
    level = FLOW_SHIFT * uniform / (1 + (FLOW_SHIFT - 1) * uniform)
    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
    t = level.view(-1, 1, 1, 1)
    return Noisy((1 - t) * clean + t * noise, level, states, clean)


def flow_loss(unet, noisy: Noisy) -> torch.Tensor:
    """Mean squared error of the picture that ``unet`` sees in the noise, over the noise's level.

    The UNet says the picture itself, the scheduler's "sample" (Li and He 2025, arXiv:2511.13720). To say noise, or a
    velocity, it would have to carry 96 channels of noise through 128 without loss: what leaks stays in the picture.
    """
    with autocast():
        said = unet(noisy.latents, noisy.level * 1000, noisy.states, return_dict=False)[0]
    errors = (said.float() - noisy.clean).pow(2).mean((1, 2, 3))
    return (errors / noisy.level.clamp_min(LEAST_LEVEL)).mean()
