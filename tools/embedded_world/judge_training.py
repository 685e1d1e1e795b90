"""What the training scripts of the judges of scenes share: arguments, learning rate, a state that survives."""

from __future__ import annotations

import argparse
import csv
import json
import math
import signal
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from collections.abc import Iterable

from model import DEFAULT_WORK
from muon import Muon
from train_tti import keep_memory, save_atomically

from c2i_lib.embedded.models import WEIGHTS

SAVE_SECONDS = 180
WARMUP_SHARE = 0.04
EASY_SHARE = 0.25  # of a training: easy pictures become fewer until then
LOG_EVERY = 50  # steps


def add_arguments(
    parser: argparse.ArgumentParser, name: str, pictures: int, batch_size: int, learning_rate: float, seed: int
) -> argparse.Namespace:
    """Parse the arguments that both trainings have, and prepare torch for one core."""
    parser.add_argument("out", type=Path, nargs="?", default=WEIGHTS / name)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK.parent / name)
    parser.add_argument("--vae", type=Path, default=DEFAULT_WORK / "vae", help="latents; fitted where there are none")
    parser.add_argument("--pictures", type=int, default=pictures)
    parser.add_argument("--minutes", type=float, default=math.inf, help="at most; the learning rate ends with them")
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--start", type=Path, help="without a state: a folder with weights to go on from")
    parser.add_argument("--report", action="store_true", help="no training: only print the figures of OUT")
    args = parser.parse_args()
    keep_memory()
    torch.set_flush_denormal(True)
    torch.set_num_threads(args.threads)
    return args


class Optimizers:
    """Muon for the ``filters``, AdamW for all other parameters; both after a warm-up go down to zero by a cosine."""

    def __init__(self, filters: Iterable[nn.Parameter], parameters: Iterable[nn.Parameter], peak: float):
        filters, self.peak = list(filters), peak
        known = {id(parameter) for parameter in filters}
        others = [parameter for parameter in parameters if id(parameter) not in known]
        adam = torch.optim.AdamW(others, peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.parts = [Muon(filters, peak, weight_decay=0.02), adam]

    def step(self, loss: torch.Tensor, progress: float) -> None:
        """One step down the gradient of ``loss``; ``progress`` in [0, 1]."""
        rate = min(1.0, (progress + 1e-3) / WARMUP_SHARE) * 0.5 * (1 + math.cos(math.pi * progress))
        loss.backward()
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = self.peak * rate
            part.step()
            part.zero_grad()

    def state_dict(self) -> list[dict]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


class Progress:
    """How far a training is: state on disk, log, and an end that SIGTERM may bring early."""

    def __init__(
        self,
        args: argparse.Namespace,
        name: str,
        net: nn.Module,
        optimizer: Optimizers,
        shipped: nn.Module | None = None,
    ):
        """``shipped``: the part of ``net`` that is written to ``args.out`` at the end, all of it if None."""
        args.work.mkdir(parents=True, exist_ok=True)
        self.args, self.name, self.net, self.optimizer = args, name, net, optimizer
        self.shipped = net if shipped is None else shipped
        self.path, self.done, self.losses, self.hits = args.work / "state.pt", 0, [], []
        self.seconds, self.ticked = 0.0, time.time()
        if self.path.exists():
            state = torch.load(self.path)
            net.load_state_dict(state["net"])
            optimizer.load_state_dict(state["optimizer"])
            self.done, self.seconds = state["done"], state["seconds"]
            print(f"{name}: goes on after {self.done} of {args.pictures} pictures", flush=True)

    def __enter__(self) -> Progress:
        signal.signal(signal.SIGTERM, self._stop)
        self.saved = self.logged = self.ticked = time.time()
        return self

    def __exit__(self, kind: type | None, *_) -> None:
        if kind in (None, KeyboardInterrupt, SystemExit):
            self._save()
        if kind is None:
            write_net(self.args.out, self.shipped)

    def _stop(self, *_) -> None:
        raise SystemExit(f"{self.name}: stopped after {self.done} pictures; the same command goes on")

    def _save(self) -> None:
        state = {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict(), "done": self.done}
        state["seconds"] = self.seconds
        save_atomically(state, self.path)
        self.saved = time.time()

    @property
    def share(self) -> float:
        """How much of the training is over, by pictures or by minutes, whichever is more."""
        return min(1.0, max(self.done / self.args.pictures, self.seconds / 60 / self.args.minutes))

    def step(self, n: int, loss: float, hit: float) -> None:
        """Call after every training step of ``n`` pictures, ``hit`` of which were judged rightly."""
        now = time.time()
        self.seconds, self.ticked = self.seconds + now - self.ticked, now
        self.done += n
        self.losses.append(loss)
        self.hits.append(hit)
        if len(self.losses) == LOG_EVERY:
            speed = LOG_EVERY * n / (now - self.logged)
            row = [self.done, f"{sum(self.losses) / LOG_EVERY:.4f}", f"{speed:.1f}"]
            with (self.args.work / "log.csv").open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(row)
            hits = sum(self.hits) / LOG_EVERY
            print(
                f"{self.name}: {self.share:.1%}, {row[0]} pictures, loss {row[1]}, right {hits:.3f}, {row[2]}/s",
                flush=True,
            )
            self.losses, self.hits, self.logged = [], [], now
        if time.time() - self.saved > SAVE_SECONDS:
            self._save()


def read_net(folder: Path, net: nn.Module) -> None:
    """The weights in ``folder`` into ``net``; what they lack stays."""
    net.load_state_dict(load_file(folder / "model.safetensors"), strict=False)


def write_net(folder: Path, net: nn.Module) -> None:
    """``model.safetensors`` in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    file = folder / "model.safetensors"
    save_file(tensors, file)
    file.chmod(0o644)


def write_facts(folder: Path, facts: dict) -> None:
    """``judge.json``: everything but tensors."""
    file = folder / "judge.json"
    file.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    file.chmod(0o644)
