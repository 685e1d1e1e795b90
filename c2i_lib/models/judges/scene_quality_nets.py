"""The two networks that see how well a scene is drawn: one learns its features, one reads statistics.

In: pictures ``(n, 3, 128, 128)`` in [-1, 1]. Out: one number a picture, higher is better, on no scale. Ignored: what
the picture shows, and what a score is made of the number (``scene_quality``).
"""

from __future__ import annotations

import torch
from torch import nn

from c2i_lib.models.judges.picture_statistics import N_STATISTICS, picture_statistics

WIDTHS = (24, 48, 96, 128)
HIDDEN = (96, 48)
MOST_AWAY = 6.0  # standard deviations: statistics farther out count as much


def _convolution(n_in: int, n_out: int, size: int, stride: int) -> nn.Sequential:
    padding = (size - 1) // 2
    layer = nn.Conv2d(n_in, n_out, size, stride, padding, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    """One 3 x 3 convolution beside a shortcut."""

    def __init__(self, width: int):
        super().__init__()
        self.body = _convolution(width, width, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class ConvolutionalNet(nn.Module):
    """A small plain network. Textures (noise, blocks, softness) are judged by means and deviations of a fine level,
    shapes by those of a coarse one."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, last = WIDTHS
        self.fine = nn.Sequential(_convolution(3, first, 4, 2), _convolution(first, second, 4, 2), _Residual(second))
        self.coarse = nn.Sequential(
            _convolution(second, third, 4, 2), _Residual(third), _convolution(third, last, 4, 2), _Residual(last)
        )
        self.head = nn.Sequential(nn.Linear(2 * second + 3 * last, 96), nn.ReLU(), nn.Linear(96, 1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        fine = self.fine(pictures)
        coarse = self.coarse(fine)
        parts = [fine.mean((2, 3)), fine.flatten(2).std(2), coarse.mean((2, 3)), coarse.flatten(2).std(2)]
        return self.head(torch.cat([*parts, coarse.amax((2, 3))], 1))[:, 0]


class StatisticsNet(nn.Module):
    """``picture_statistics``, standardised, through two hidden layers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_STATISTICS))
        self.register_buffer("deviation", torch.ones(N_STATISTICS))
        widths, layers = (N_STATISTICS, *HIDDEN), []
        for n_in, n_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(n_in, n_out), nn.GELU(), nn.Dropout(0.1)]
        self.head = nn.Sequential(*layers, nn.Linear(HIDDEN[-1], 1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.of_statistics(picture_statistics(pictures))

    def of_statistics(self, statistics: torch.Tensor) -> torch.Tensor:
        """The number of each row of ``statistics (n, N_STATISTICS)``."""
        away = ((statistics - self.mean) / self.deviation).clamp(-MOST_AWAY, MOST_AWAY)
        return self.head(away)[:, 0]


ARCHITECTURES = {"convolutional": ConvolutionalNet, "statistics": StatisticsNet}
