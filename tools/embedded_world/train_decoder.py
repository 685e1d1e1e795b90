"""Teach the decoder to clean: from latents as the UNet makes them, speckled, to pictures as they were drawn.

    nice -n 19 python tools/embedded_world/train_decoder.py

Needs ``--work/vae`` and ``--work/state.pt`` (written by ``train_tti.py``). Half of the latents get noise of up to
``MOST_NOISE`` standard deviations, the other half come from the UNet, which cleaned them of noise of a level of up to
``MOST_LEVEL``; the loss is L1 plus half the L1 of the gradients, which keeps edges crisp. ``--work/decoder`` holds the
result, ``--work/decoder.pt`` the state; started again, it goes on. About 40 minutes on one core with bf16. Most steps
see a quarter of each picture, which costs a quarter; the last twentieth sees whole pictures with their borders.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from autoencoder import PATCH, SIZE, encode
from diffusers import UNet2DConditionModel
from model import DEFAULT_WORK, UNET, TextEncoder, autocast
from pictures import draw_mixture, draw_single, to_tensor
from PIL import Image
from threads import Threads
from torch.nn import functional
from tqdm import tqdm
from train_tti import keep_memory, save_atomically

from c2i_lib.embedded.autoencoder import PatchAutoencoder
from c2i_lib.embedded.grammar import GOOD_FRAMES
from c2i_lib.embedded.sampling import draw_example
from c2i_lib.embedded.scenes import compose
from c2i_lib.embedded.sprites import load_sprites
from c2i_lib.models.device import device

MOST_NOISE = 0.5
MOST_LEVEL = 0.6
CROP = 64  # pixels; of ``WHOLE_SHARE`` of the steps, at the end, the whole picture
WHOLE_SHARE = 0.05
POOL = 3_000  # pictures at hand; a few are replaced at every step
FRESH = 3


class PicturePool:
    """Pictures ``(n, 3, 128, 128)`` in [-1, 1], singles in all styles, scenes and mixtures, with captions' states."""

    def __init__(self, text_encoder: TextEncoder, seed: int) -> None:
        self.text_encoder, self.random = text_encoder, random.Random(seed)
        drawn = [self._draw(FRESH) for _ in tqdm(range(POOL // FRESH), desc="draw", mininterval=5)]
        self.pictures, self.states = (torch.cat(tensors) for tensors in zip(*drawn, strict=True))

    def _draw_one(self) -> tuple[Image.Image, str]:
        chance = self.random.random()
        if chance < 0.3:
            sprite = self.random.choice(load_sprites())
            style = self.random.choice(("3d", *sprite.styles))
            return draw_single(sprite, style), self.random.choice(GOOD_FRAMES[style][0]).format(x=sprite.name)
        if chance < 0.45:
            return draw_mixture(self.random), ""
        example = draw_example(self.random)
        return compose(example.scene), example.caption

    def _draw(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        pictures, captions = zip(*(self._draw_one() for _ in range(n)), strict=True)
        return to_tensor(np.stack([np.asarray(picture) for picture in pictures])), self.text_encoder(list(captions))

    def batch(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(len(self.pictures), (FRESH,))
        self.pictures[rows], self.states[rows] = self._draw(FRESH)
        chosen = torch.randint(len(self.pictures), (n,))
        return self.pictures[chosen].to(device()), self.states[chosen].to(device())


@torch.no_grad()
def spoil(unet: UNet2DConditionModel, latents: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """Latents as they come from drawing: the first half with white noise, the second as ``unet`` cleaned them."""
    half = len(latents) // 2
    strength = MOST_NOISE * torch.rand(half, 1, 1, 1, device=device())
    noisy = latents[:half] + strength * torch.randn_like(latents[:half])
    level = MOST_LEVEL * torch.rand(len(latents) - half, device=device())
    t = level.view(-1, 1, 1, 1)
    mixed = (1 - t) * latents[half:] + t * torch.randn_like(latents[half:])
    with autocast():
        cleaned = unet(mixed, level * 1000, states[half:].float(), return_dict=False)[0].float()
    return torch.cat([noisy, cleaned])


def crop(latents: torch.Tensor, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same square of ``CROP`` pixels, at a random patch's corner, of latents ``(n, c, 8, 8)`` and pictures."""
    side, places = CROP // PATCH, (SIZE - CROP) // PATCH + 1
    top, left = torch.randint(places, (2,)).tolist()
    pixels = pictures[..., top * PATCH : top * PATCH + CROP, left * PATCH : left * PATCH + CROP]
    return latents[..., top : top + side, left : left + side], pixels


def picture_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 of values plus half the L1 of the differences to the right and lower neighbours."""
    loss = functional.l1_loss(output, target)
    for axis in (2, 3):
        loss = loss + 0.5 * functional.l1_loss(output.diff(dim=axis), target.diff(dim=axis))
    return loss


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    vae = PatchAutoencoder.from_pretrained(args.work / "vae", torch_dtype=torch.float32)
    vae.train().to(device(), memory_format=torch.channels_last)
    vae.encoder.requires_grad_(False)
    vae.inverse.requires_grad_(False)
    learned = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, args.learning_rate, weight_decay=0.0, fused=True)
    checkpoint, first = args.work / "decoder.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu")
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    unet = UNet2DConditionModel(**UNET).to(device()).requires_grad_(False)
    unet.load_state_dict(torch.load(args.work / "state.pt", map_location=device())["average"])
    pool, threads = PicturePool(TextEncoder(), args.seed + first), Threads(args.threads)
    saved, losses = time.time(), []
    log = csv.writer((args.work / "decoder_log.csv").open("a", newline="", buffering=1))
    for step in tqdm(range(first, args.steps), initial=first, total=args.steps, desc="train decoder", mininterval=30):
        target, states = pool.batch(args.batch_size)
        latents = spoil(unet, encode(vae, target), states)
        if step < (1 - WHOLE_SHARE) * args.steps:
            latents, target = crop(latents, target)
        with autocast():
            output = vae.decode(latents).sample
        loss = picture_loss(output.float(), target)
        rate = min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * rate
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        threads.tick()
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            log.writerow([step + 1, f"{sum(losses) / len(losses):.5f}", f"{time.time():.0f}"])
            losses = []
        if time.time() - saved > 300 or step + 1 == args.steps:
            state = {"step": step + 1, "vae": vae.state_dict(), "optimizer": optimizer.state_dict()}
            save_atomically(state, checkpoint)
            vae.save_pretrained(args.work / "decoder")
            saved = time.time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=6e-4, help="1.5e-3 blows up, and nothing is learned")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    keep_memory()
    torch.set_flush_denormal(True)
    train(args)


if __name__ == "__main__":
    main()
