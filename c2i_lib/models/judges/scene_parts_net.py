"""The network that sees which parts a scene has: things, number, colour, place, time, weather, style.

In: pictures ``(n, 3, 128, 128)`` in [-1, 1]. Out: logits. Ignored: concepts, and what a score is made of them
(``scene_parts``). A plain residual network; a thing is looked for in each of 8 x 8 cells, and its colour is read
where it was found, so that in "a red cat and a blue car" each colour belongs to its thing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

WIDTHS = (48, 96, 192, 256)
HEADS = ("number", "place", "time", "weather", "style")


class Seen(NamedTuple):
    """``things``: logits ``(n, n_things)``; ``cells``: the same for each cell ``(n, n_things, 64)``; ``others``: the
    logits of each of ``HEADS``; ``features``: ``(n, 256, 64)``, of the cells."""

    things: torch.Tensor
    cells: torch.Tensor
    others: dict[str, torch.Tensor]
    features: torch.Tensor


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out),
        )  # fmt: skip
        self.shortcut = nn.Identity()
        if stride > 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(n_in, n_out, 1, bias=False),
                nn.BatchNorm2d(n_out),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(self.body(x) + self.shortcut(x))


class ScenePartsNet(nn.Module):
    """``n_classes``: number of classes of "things", "color" and each of ``HEADS``."""

    def __init__(self, n_classes: dict[str, int]):
        super().__init__()
        first, second, third, last = WIDTHS
        self.body = nn.Sequential(
            nn.Conv2d(3, first, 4, 4), nn.BatchNorm2d(first), nn.ReLU(inplace=True),
            _Block(first, first, 1), _Block(first, second, 2), _Block(second, third, 2), _Block(third, last, 1),
        )  # fmt: skip
        self.found = nn.Conv2d(last, n_classes["things"], 1)
        self.whole = nn.Linear(last, n_classes["things"], bias=False)
        self.color = nn.Sequential(nn.Linear(last, 128), nn.ReLU(), nn.Linear(128, n_classes["color"]))
        self.others = nn.ModuleDict({head: nn.Linear(2 * last, n_classes[head]) for head in HEADS})

    def forward(self, pictures: torch.Tensor) -> Seen:
        maps = self.body(pictures)
        mean, most = maps.mean((2, 3)), maps.amax((2, 3))
        cells = self.found(maps).flatten(2)
        things = cells.logsumexp(2) - torch.tensor(float(cells.shape[2])).log() + self.whole(mean)
        both = torch.cat([mean, most], 1)
        return Seen(things, cells, {head: layer(both) for head, layer in self.others.items()}, maps.flatten(2))

    def colors_of(self, seen: Seen, rows: torch.Tensor, things: torch.Tensor) -> torch.Tensor:
        """Logits ``(m, n_colors)`` of the colour of thing ``things[i]`` in picture ``rows[i]``, where it was found."""
        where = seen.cells[rows, things].softmax(1)
        return self.color((seen.features[rows] * where[:, None]).sum(2))
