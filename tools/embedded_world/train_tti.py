"""Train the embedded TTI model in stages, in the background, from a state that survives.

    nice -n 19 python tools/embedded_world/train_tti.py --stage singles
    nice -n 19 python tools/embedded_world/train_tti.py --stage scenes

Flow matching on closed-form latents. The number that governs is how often each distinct picture is seen:
some 300 times for a single thing. ``--work`` holds everything: ``vae/`` (the latent space, fitted once),
``state.pt`` (weights, their moving average, optimizer; written every ten minutes, at the end and when the
process is asked to stop), ``log.csv`` (loss, speed, hours left). Started again, it goes on where it was; a
stage that is over is left alone, and a new stage starts from the average of the one before.
On two quiet cores with bf16 in hardware it learns from 160 pictures a second.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import ctypes
import math
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from autoencoder import make_autoencoder
from convolution import use_small_convolutions
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from model import DEFAULT_WORK, UNET, Noisy, TextEncoder, add_noise, flow_loss
from pictures import mixed_pictures, to_tensor
from threads import Threads
from tqdm import tqdm

from c2i_lib.embedded.autoencoder import PatchAutoencoder
from c2i_lib.models.device import device

STAGES = {"singles": (240_000, 0.999), "scenes": (3_500_000, 0.99975)}  # pictures, decay of the moving average
WARMUP = 6_000  # pictures
BATCH_SIZE = 32  # 16 a core
DECAY_SHARE = 0.3  # of a stage: the cosine at its end


def keep_memory() -> None:
    """Ask glibc to keep freed memory: giving tensors back and faulting them in again can take most of the time."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def learning_rate(done: int, total: int, peak: float) -> float:
    """Warm-up, plateau, then a cosine down to 2 % over the last ``DECAY_SHARE``; ``done``, ``total`` in pictures."""
    left = (total - done) / (DECAY_SHARE * total)
    decay = 1.0 if left >= 1 else 0.02 + 0.98 * 0.5 * (1 - math.cos(math.pi * max(left, 0.0)))
    return peak * min(1.0, (done + BATCH_SIZE) / WARMUP) * decay


def save_atomically(state: dict, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def load_autoencoder(work: Path, start: Path | None = None) -> PatchAutoencoder:
    """The autoencoder in ``work/vae``; where there is none, that of the weights in ``start``, else a new one."""
    folder = work / "vae"
    if not (folder / "config.json").exists() and start:
        PatchAutoencoder.from_pretrained(start / "vae", torch_dtype=torch.float32).save_pretrained(folder)
    if not (folder / "config.json").exists():
        vae = make_autoencoder(to_tensor(mixed_pictures()))
        vae.save_pretrained(folder)
    return PatchAutoencoder.from_pretrained(folder, torch_dtype=torch.float32).requires_grad_(False)


class Trainer:
    """UNet, moving average, optimizer and how far they are: everything that a checkpoint holds."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.path = args, args.work / "state.pt"
        torch.manual_seed(args.seed)
        self.unet = UNet2DConditionModel(**UNET).to(device())
        if device().type == "cpu":
            # There the backward pass of fused attention is slow for sequences this short: 1.5 times faster.
            self.unet.set_attn_processor(AttnProcessor())
            use_small_convolutions(self.unet)
        self.average = UNet2DConditionModel(**UNET).to(device()).requires_grad_(False)
        self.average.load_state_dict(self.unet.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.unet.parameters(), args.learning_rate, weight_decay=0.01, betas=(0.9, 0.99), fused=True
        )
        self.workers = ThreadPoolExecutor(args.threads)
        self.step, self.done, self.history = 0, 0, {}  # steps and pictures of this stage; pictures of earlier ones
        if self.path.exists():
            self.restore(torch.load(self.path, map_location="cpu"))
        elif args.start:
            weights = UNet2DConditionModel.from_pretrained(args.start / "unet", torch_dtype=torch.float32).state_dict()
            self.unet.load_state_dict(weights)
            self.average.load_state_dict(weights)
            print(f"starting {args.stage} from the weights in {args.start}")

    def restore(self, state: dict) -> None:
        self.average.load_state_dict(state["average"])
        self.history = state["history"]
        if self.args.stage in self.history:
            raise SystemExit(f"{self.args.stage} is over ({self.history}); {self.path} is at {state['stage']} now")
        if state["stage"] == self.args.stage:
            self.unet.load_state_dict(state["unet"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.done = state["step"], state["done"]
            print(f"going on with {self.args.stage} from {self.done} pictures")
        else:
            self.unet.load_state_dict(state["average"])
            self.history = {**self.history, state["stage"]: state["done"]}
            print(f"starting {self.args.stage} from {self.history}")

    def save(self) -> None:
        state = {
            "stage": self.args.stage,
            "step": self.step,
            "done": self.done,
            "history": self.history,
            "unet": self.unet.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_atomically(state, self.path)

    def add_gradients(self, noisy: Noisy, parts: int) -> torch.Tensor:
        """The loss of a batch, its gradients in the parameters.

        On a processor each core takes a part of the batch, which is 1.4 times faster than two cores on one part.
        """
        parameters = list(self.unet.parameters())

        def learn(part: Noisy) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
            torch.set_num_threads(1)
            loss = flow_loss(self.unet, part) * (len(part.level) / len(noisy.level))
            return loss.detach(), torch.autograd.grad(loss, parameters)

        shares = [Noisy(*tensors) for tensors in zip(*(tensor.chunk(parts) for tensor in noisy), strict=True)]
        losses, gradients = zip(*self.workers.map(learn, shares), strict=True)
        for part in gradients[1:]:
            torch._foreach_add_(gradients[0], part)
        for parameter, gradient in zip(parameters, gradients[0], strict=True):
            parameter.grad = gradient
        return torch.stack(losses).sum()

    def train_step(self, source, parts: int) -> torch.Tensor:
        """The loss, a number on the device."""
        seed = self.args.seed * 1_000_003 + self.step + 7_919 * len(self.history)
        generator = torch.Generator(device()).manual_seed(seed)
        clean, states = source.draw(self.args.batch_size, generator)
        loss = self.add_gradients(add_noise(clean, states, generator), parts)
        rate = learning_rate(self.done, self.args.images, self.args.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.done += len(clean)
        decay = min(self.args.average_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.unet.parameters()), 1 - decay)
        return loss


class Log:
    """``log.csv``: one line every ``every`` steps."""

    def __init__(self, path: Path, trainer: Trainer, every: int = 100) -> None:
        new = not path.exists()
        self.file = path.open("a", newline="", buffering=1)
        self.trainer, self.every, self.losses = trainer, every, []
        self.started, self.first = time.time(), trainer.done
        if new:
            header = "stage,pictures,loss,learning_rate,pictures_per_second,hours_left"
            self.file.write(header + "\n")

    def add(self, loss: torch.Tensor) -> None:
        self.losses.append(loss)
        if len(self.losses) < self.every:
            return
        trainer, args = self.trainer, self.trainer.args
        speed = (trainer.done - self.first) / (time.time() - self.started)
        rate = learning_rate(trainer.done, args.images, args.learning_rate)
        left = (args.images - trainer.done) / speed / 3600
        mean = torch.stack(self.losses).mean().item()
        csv.writer(self.file).writerow(
            [args.stage, trainer.done, f"{mean:.5f}", f"{rate:.2e}", f"{speed:.1f}", f"{left:.2f}"]
        )
        self.losses, self.started, self.first = [], time.time(), trainer.done


def make_source(args: argparse.Namespace):
    vae, text_encoder = load_autoencoder(args.work, args.start), TextEncoder()
    if args.stage == "singles":
        from singles import Singles

        return Singles(vae, text_encoder, args.work / "singles.pt")
    from scene_pool import ScenePool

    return ScenePool(vae, text_encoder, seed=args.seed + int(time.time()), workers=args.workers)


def train(args: argparse.Namespace) -> None:
    trainer = Trainer(args)
    if trainer.done >= args.images:
        print(f"{args.stage} is over: {trainer.done} pictures")
        return
    source = make_source(args)
    log = Log(args.work / "log.csv", trainer)
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(True))
    progress = tqdm(total=args.images, initial=trainer.done, desc=f"train {args.stage}", mininterval=30)
    saved, threads = time.time(), Threads(args.threads if device().type == "cpu" else 1)
    while trainer.done < args.images and not stop:
        before = trainer.done
        log.add(trainer.train_step(source, threads.number))
        threads.tick()
        progress.update(trainer.done - before)
        if time.time() - saved > args.save_minutes * 60:
            trainer.save()
            saved = time.time()
    trainer.save()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=STAGES, default="singles")
    parser.add_argument("--images", type=int, help="pictures of the whole stage")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="the state's folder")
    parser.add_argument("--start", type=Path, help="without a state: exported weights to go on from, unet and vae")
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--average-decay", type=float, help="of the moving average of the weights, per step")
    parser.add_argument("--save-minutes", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="at most; fewer when others compute")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw scenes, for a GPU")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    images, decay = STAGES[args.stage]
    args.images, args.average_decay = args.images or images, args.average_decay or decay
    return args


def main() -> None:
    args = parse_arguments()
    keep_memory()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    args.work.mkdir(parents=True, exist_ok=True)
    train(args)


if __name__ == "__main__":
    main()
