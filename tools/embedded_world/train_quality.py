"""Train a judge of quality on scenes, and print how well it does on scenes that it has not seen.

    python tools/embedded_world/train_quality.py --role reporting
    python tools/embedded_world/train_quality.py --role selecting

Writes ``judge.json`` and ``model.safetensors`` (fp16) into the role's folder of the library, or into ``OUT``. Learns
order only (RankNet, Burges et al. 2005): of two versions of a scene the one with less of a flaw is better, and of two
scenes the one with much less of any. ``--work/state.pt`` is written every three minutes and on SIGTERM; started
again, it goes on. About 25 minutes on one core for "reporting", 12 for "selecting".
"""

from __future__ import annotations

import argparse
import random
import time

import numpy as np
import torch
from judge_training import Optimizers, Progress, add_arguments
from model import autocast
from pictures import to_tensor
from quality_pairs import N_VERSIONS, SPLITS, Group, draw_group
from quality_report import finish
from torch import nn
from torch.nn import functional
from train_tti import load_autoencoder, save_atomically

from c2i_lib.models.judges.picture_statistics import picture_statistics
from c2i_lib.models.judges.scene_quality_nets import ConvolutionalNet, StatisticsNet

NAMES = {"reporting": "quality", "selecting": "quality_selecting"}
SEEDS = {"reporting": 16_001, "selecting": 16_002}
PICTURES = {"reporting": 44_000, "selecting": 1_800_000}  # for "selecting" each of its 22,000 many times
BATCH_SIZES = {"reporting": 64, "selecting": 256}
MUCH = 0.5  # of strength: of two scenes, the one with so much less of a flaw is better
SAMENESS = 0.05  # weight of the variance of clean pictures' numbers
GROUPS = 5_500  # whose statistics are collected
COLLECTING_SHARE = 0.8  # of ``--minutes``, at most


def severities(groups: list[Group]) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed strength of each picture's flaws, and the number of its scene; both ``(n,)``."""
    strengths = np.concatenate([group.strengths + group.later for group in groups])
    return torch.from_numpy(strengths).float(), torch.arange(len(groups)).repeat_interleave(N_VERSIONS)


def loss_of(numbers: torch.Tensor, severity: torch.Tensor, scene: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The loss of a batch, and the share of pairs within scenes that are in the right order."""
    gap, apart = severity[None] - severity[:, None], numbers[:, None] - numbers[None]
    same = scene[:, None] == scene[None]
    wrong = functional.softplus(-apart)
    within, across = same & (gap > 0), ~same & (gap >= MUCH)
    loss = wrong[within].mean() + wrong[across].mean()
    clean = numbers[severity == 0]
    if len(clean) > 1:
        loss = loss + SAMENESS * clean.var()
    return loss, (apart[within] > 0).float().mean().item()


class PicturePool:
    """Groups are drawn anew for every batch: the convolutional network costs more than its pictures."""

    def __init__(self, role: str, vae, seed: int):
        self.role, self.vae, self.random = role, vae, random.Random(seed)

    def draw(self, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pictures ``(n, 3, 128, 128)`` in [-1, 1], their severities and scenes."""
        groups = [draw_group(self.random, self.role, self.vae) for _ in range(n // N_VERSIONS)]
        pictures = to_tensor(np.concatenate([group.pictures for group in groups]))
        return pictures.contiguous(memory_format=torch.channels_last), *severities(groups)


def collect_statistics(args: argparse.Namespace, vae) -> tuple[torch.Tensor, torch.Tensor]:
    """Statistics ``(groups, 4, N_STATISTICS)`` and severities ``(groups, 4)``, kept in ``args.work``.

    They cost far more than the network that reads them, so they come first and are used again and again.
    """
    file, started = args.work / "statistics.pt", time.time()
    args.work.mkdir(parents=True, exist_ok=True)
    rows, severity = torch.load(file) if file.exists() else ([], [])
    while len(rows) < GROUPS and time.time() - started < 60 * COLLECTING_SHARE * args.minutes:
        group = draw_group(random.Random(f"{args.seed} {len(rows)}"), args.role, vae)
        rows.append(picture_statistics(to_tensor(group.pictures)))
        severity.append(severities([group])[0])
        if len(rows) % 100 == 0:
            save_atomically((rows, severity), file)
            print(f"{len(rows)} of {GROUPS} groups, {time.time() - started:.0f} s", flush=True)
    return torch.stack(rows), torch.stack(severity)


class StatisticsPool:
    """Draws groups of what ``collect_statistics`` returned."""

    def __init__(self, statistics: torch.Tensor, severity: torch.Tensor, seed: int):
        self.statistics, self.severity = statistics, severity
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Statistics ``(n, N_STATISTICS)``, and severities and scenes of their pictures."""
        n_groups = n // N_VERSIONS
        chosen = torch.randint(len(self.statistics), (n_groups,), generator=self.generator)
        scenes = torch.arange(n_groups).repeat_interleave(N_VERSIONS)
        return self.statistics[chosen].flatten(0, 1), self.severity[chosen].flatten(), scenes


def train(args: argparse.Namespace, net: nn.Module, pool, see) -> None:
    """Train ``net`` on what ``pool`` draws; ``see`` makes numbers of it."""
    dimensions = 4 if isinstance(net, ConvolutionalNet) else 2  # of the inner weights: all but the first and the head
    weights = [weight for weight in net.parameters() if weight.ndim == dimensions and weight.shape[0] > 1]
    optimizer = Optimizers(weights[1:], net.parameters(), args.learning_rate)
    with Progress(args, NAMES[args.role], net, optimizer) as progress:
        pool = pool(args.seed + progress.done)
        while progress.share < 1:
            seen, severity, scene = pool.draw(args.batch_size)
            with autocast():
                numbers = see(seen).float()
            loss, right = loss_of(numbers, severity, scene)
            optimizer.step(loss, progress.share)
            progress.step(len(seen), loss.item(), right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--role", choices=[name for name in SPLITS if name != "test"], required=True)
    role = parser.parse_known_args()[0].role
    args = add_arguments(parser, NAMES[role], PICTURES[role], BATCH_SIZES[role], 3e-3, SEEDS[role])
    vae = load_autoencoder(args.vae.parent)
    if not args.report:
        torch.manual_seed(args.seed)
        if role == "reporting":
            net = ConvolutionalNet().to(memory_format=torch.channels_last)
            train(args, net, lambda seed: PicturePool(role, vae, seed), net)
        else:
            statistics, severity = collect_statistics(args, vae)
            net = StatisticsNet()
            net.mean.copy_(statistics.mean((0, 1)))
            net.deviation.copy_(statistics.flatten(0, 1).std(0).clamp_min(1e-3))
            train(args, net, lambda seed: StatisticsPool(statistics, severity, seed), net.of_statistics)
    finish(args.out, role, args.vae.parent)


if __name__ == "__main__":
    main()
