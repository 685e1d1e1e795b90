"""Train the judge that puts a picture into MiniLM's sentence space, and print how well it tells concepts apart.

    python tools/embedded_world/train_match.py OUT

Each picture is to be nearer to its own caption than to those of all other pictures at hand. Writes ``OUT/judge.json``
and ``OUT/model.safetensors`` (fp16). ``--work/state.pt`` is written every three minutes and on SIGTERM; started
again, it goes on. About 30 minutes on one core. ``--report`` only prints the figures of ``OUT``.
"""

from __future__ import annotations

import argparse
import random

import torch
from judge_training import EASY_SHARE, Optimizers, Progress, add_arguments
from judged_scenes import ShownPool
from model import autocast
from report_judges import report_match
from torch import nn
from torch.nn import functional
from train_tti import load_autoencoder

from c2i_lib.embedded.grammar import DIALECTS, write_caption
from c2i_lib.embedded.scenes import Scene
from c2i_lib.models.judges.scene_match import SceneMatchNet
from c2i_lib.text.embeddings import embed_texts

NAME = "match"
STYLED_SHARE = 0.35
SAME_MEANING = 0.95  # cosine of captions above which they are no negatives of each other
FIRST_SCALE, MOST_SCALE = 20.0, 60.0  # of cosines in the softmax


class Captions:
    """Sentence embeddings of a new caption for every scene."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def __call__(self, scenes: list[Scene]) -> dict[str, torch.Tensor]:
        texts = [
            write_caption(scene, self.random, self.random.choice(DIALECTS), self.random.random() < STYLED_SHARE)
            for scene in scenes
        ]
        return {"captions": embed_texts(texts)}


def loss_of(
    embedded: torch.Tensor, own: torch.Tensor, bank: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """InfoNCE (van den Oord et al. 2018) of pictures against their own captions ``(n, 384)`` and all of ``bank``.

    Beside the loss: the share of pictures whose own caption is the nearest.
    """
    others = scale * embedded @ bank.T
    others = others.masked_fill(own @ bank.T > SAME_MEANING, float("-inf"))
    matched = scale * (embedded * own).sum(1, keepdim=True)
    hit = (matched >= others.max(1, keepdim=True).values).float().mean().item()
    among_captions = functional.cross_entropy(torch.cat([matched, others], 1), torch.zeros(len(own), dtype=torch.long))
    among_pictures = scale * own @ embedded.T
    same = (own @ own.T > SAME_MEANING) & ~torch.eye(len(own), dtype=torch.bool)
    among_pictures = among_pictures.masked_fill(same, float("-inf"))
    return among_captions + 0.5 * functional.cross_entropy(among_pictures, torch.arange(len(own))), hit


class Trained(nn.Module):
    """The network and the scale of its cosines, which only training needs."""

    def __init__(self):
        super().__init__()
        self.net = SceneMatchNet()
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    trained = Trained()
    trained.net.to(memory_format=torch.channels_last)
    filters = [weight for weight in trained.net.body.parameters() if weight.ndim == 4 and weight.shape[1] > 3]
    optimizer = Optimizers(filters, trained.parameters(), args.learning_rate)
    with Progress(args, NAME, trained, optimizer, trained.net) as progress:
        seed = args.seed + progress.done
        pool = ShownPool(Captions(seed), load_autoencoder(args.vae.parent), seed)
        while progress.share < 1:
            pool.ease = max(0.0, 1 - progress.share / EASY_SHARE)
            pictures, said = pool.draw(args.batch_size)
            with autocast():
                embedded = trained.net(pictures.contiguous(memory_format=torch.channels_last)).float()
            scale = trained.log_scale.exp().clamp(max=MOST_SCALE)
            loss, hit = loss_of(embedded, said["captions"], pool.said["captions"][: pool.filled], scale)
            optimizer.step(loss, progress.share)
            progress.step(len(pictures), loss.item(), hit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args = add_arguments(parser, NAME, pictures=90_000, batch_size=64, learning_rate=3e-3, seed=77_000)
    if not args.report:
        train(args)
    report_match(args.out, args.vae.parent)


if __name__ == "__main__":
    main()
