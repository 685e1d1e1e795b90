"""Train the judge that sees a scene's parts, and print how well it does on scenes that it has not seen.

    python tools/embedded_world/train_parts.py OUT

Writes ``OUT/judge.json`` and ``OUT/model.safetensors`` (fp16). ``--work/state.pt`` is written every three minutes and
on SIGTERM; started again, it goes on. About 30 minutes on one core. ``--report`` only prints the figures of ``OUT``.
"""

from __future__ import annotations

import argparse

import torch
from judge_training import EASY_SHARE, Optimizers, Progress, add_arguments, read_net
from judged_scenes import ShownPool
from model import autocast
from report_judges import report_parts
from scene_labels import UNKNOWN, describe, names_of_things
from torch.nn import functional
from train_tti import load_autoencoder

from c2i_lib.embedded.visible_parts import CLASSES
from c2i_lib.models.judges.scene_parts_net import HEADS, ScenePartsNet, Seen

NAME = "parts"
SMOOTHING = 0.05


def in_full_precision(seen: Seen) -> Seen:
    others = {head: logits.float() for head, logits in seen.others.items()}
    return Seen(seen.things.float(), seen.cells.float(), others, seen.features.float())


def loss_of(net: ScenePartsNet, pictures: torch.Tensor, said: dict[str, torch.Tensor]) -> tuple[torch.Tensor, float]:
    """Things by softmax (which learns a thousand classes quickly) and by sigmoid (which says that none is there).

    Beside the loss: the share of pictures whose most likely thing is there.
    """
    with autocast():
        seen = in_full_precision(net(pictures))
    rows, positions = (said["things"] != UNKNOWN).nonzero(as_tuple=True)
    things = said["things"][rows, positions]
    present = torch.zeros_like(seen.things)
    present[rows, things] = 1.0
    share = present / present.sum(1, keepdim=True).clamp_min(1)
    loss = -(share * seen.things.log_softmax(1)).sum(1).mean()
    loss = loss + 0.3 * functional.binary_cross_entropy_with_logits(seen.things, present, reduction="sum") / len(
        pictures
    )
    for head in HEADS:
        loss = loss + 0.4 * functional.cross_entropy(
            seen.others[head], said[head], ignore_index=UNKNOWN, label_smoothing=SMOOTHING
        )
    colors = said["colors"][rows, positions]
    told = colors != UNKNOWN
    logits = net.colors_of(seen, rows[told], things[told])
    hit = present.gather(1, seen.things.argmax(1, keepdim=True)).mean().item()
    wrong = functional.cross_entropy(logits, colors[told], label_smoothing=SMOOTHING, reduction="sum")
    return loss + 0.4 * wrong / max(1, int(told.sum())), hit


def make_net() -> ScenePartsNet:
    counts = {name: len(classes) for name, classes in CLASSES.items()}
    net = ScenePartsNet({"things": len(names_of_things()), **counts})
    torch.nn.init.constant_(net.found.bias, -6.0)  # a thing is there in one picture of a thousand
    return net


def train(args: argparse.Namespace) -> ScenePartsNet:
    torch.manual_seed(args.seed)
    net = make_net()
    if args.start:
        read_net(args.start, net)
    net = net.to(memory_format=torch.channels_last)
    filters = [weight for weight in net.body.parameters() if weight.ndim == 4][1:]
    optimizer = Optimizers(filters, net.parameters(), args.learning_rate)
    with Progress(args, NAME, net, optimizer) as progress:
        pool = ShownPool(describe, load_autoencoder(args.vae.parent), args.seed + progress.done)
        while progress.share < 1:
            pool.ease = 0.0 if args.start else max(0.0, 1 - progress.share / EASY_SHARE)
            pictures, said = pool.draw(args.batch_size)
            loss, hit = loss_of(net, pictures.contiguous(memory_format=torch.channels_last), said)
            optimizer.step(loss, progress.share)
            progress.step(len(pictures), loss.item(), hit)
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args = add_arguments(parser, NAME, pictures=90_000, batch_size=48, learning_rate=3e-3, seed=0)
    if not args.report:
        train(args)
    report_parts(args.out, args.vae.parent)


if __name__ == "__main__":
    main()
