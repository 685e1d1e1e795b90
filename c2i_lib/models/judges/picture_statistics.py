"""Statistics of how a picture is drawn, made by hand: edges, blocks, noise, colour, lines.

In: pictures ``(n, 3, 128, 128)`` in [-1, 1]. Out: ``(n, N_STATISTICS)``. Ignored: what the picture shows. They are
those of no-reference quality measures before deep learning: shares and ratios of edges at several scales, blockiness
by distance to a lattice (Wang, Sheikh and Bovik 2002), noise by second differences (Immerkær 1996), spectra of 8 x 8
blocks, colourfulness (Hasler and Süsstrunk 2003).
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

SCALES = (1, 2, 4)
EDGES = (0.004, 0.02, 0.05, 0.1, 0.2, 0.4)  # of 1: strengths of an edge, from hardly any to black beside white
PERIODS = (2, 3, 4, 5, 6, 8, 16)  # pixels
LAGS = (1, 2, 3, 4, 6, 8)
QUANTILES = torch.tensor((0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98))
LEVELS = 64  # of brightness, in the histogram
_TINY = 1e-4


def _log(values: torch.Tensor) -> torch.Tensor:
    return (values + _TINY).log()


def _quantiles(values: torch.Tensor, which: slice = slice(None)) -> torch.Tensor:
    """Of each picture's values ``(n, ...)``, at most some 2,000 of them, since sorting takes most of the time."""
    flat = values.flatten(1)
    return flat[:, :: flat.shape[1] // 2_000 | 1].quantile(QUANTILES[which], dim=1)


def _differences(grey: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """To the right and downwards of ``(n, h, w)``: two of ``(n, h - 1, w - 1)``."""
    return grey[:, 1:, 1:] - grey[:, 1:, :-1], grey[:, 1:, 1:] - grey[:, :-1, 1:]


def _gradients(grey: torch.Tensor) -> list[torch.Tensor]:
    """How many edges of each strength, how steep, how bent; at each scale."""
    features = []
    for scale in SCALES:
        small = functional.avg_pool2d(grey[:, None], scale)[:, 0]
        strength = sum(step.square() for step in _differences(small)).sqrt().flatten(1)
        bent = (small[:, 1:-1, 1:-1] * 4 - small[:, 2:, 1:-1] - small[:, :-2, 1:-1] - small[:, 1:-1, 2:]
                - small[:, 1:-1, :-2]).abs().flatten(1)  # fmt: skip
        features += [(strength > edge).float().mean(1).sqrt() for edge in EDGES]
        features += [_log(strength.mean(1)), _log(bent.mean(1)), _log(bent.mean(1)) - _log(strength.mean(1))]
        features += [*_log(_quantiles(strength, slice(3, None)))]
        # Steep edges are few: a fourth moment tells sharp pictures from soft ones with as much contrast.
        features += [_log(strength.square().square().mean(1)) - 2 * _log(strength.square().mean(1))]
    return features


def _lattices(grey: torch.Tensor) -> list[torch.Tensor]:
    """Are there more edges on some lattice than beside it? Rows and columns, for each period."""
    features = []
    for differences in _differences(grey):
        across = differences.abs().clamp_max(0.2)
        for profile in (across.mean(1), across.mean(2)):
            for period in PERIODS:
                whole = profile[:, : profile.shape[1] // period * period].unflatten(1, (-1, period)).mean(1)
                features.append(_log(whole.amax(1)) - _log(whole.mean(1)))
    return features


def _correlations(grey: torch.Tensor) -> list[torch.Tensor]:
    """How alike second differences are, some pixels apart: grain is not, softness and repeated pixels are."""
    features = []
    for values in (grey, grey.transpose(1, 2)):
        bent = values[:, :, 2:] - 2 * values[:, :, 1:-1] + values[:, :, :-2]
        power = bent.pow(2).mean((1, 2)) + _TINY**2
        features += [(bent[:, :, lag:] * bent[:, :, :-lag]).mean((1, 2)) / power for lag in LAGS]
    return features


def _cells(values: torch.Tensor, size: int) -> torch.Tensor:
    """``(n, cells, size * size)`` of ``(n, h, w)``."""
    return values.unfold(1, size, size).unfold(2, size, size).flatten(3).flatten(1, 2)


def _spread(values: torch.Tensor, size: int) -> torch.Tensor:
    """Standard deviation within each cell of ``(n, h, w)``: ``(n, cells)``."""
    middle = functional.avg_pool2d(values[:, None], size).repeat_interleave(size, 2).repeat_interleave(size, 3)
    return functional.avg_pool2d((values[:, None] - middle).square(), size).flatten(1).sqrt()


def _noise(grey: torch.Tensor, chroma: torch.Tensor) -> list[torch.Tensor]:
    """Deviation within cells, from the flattest to the liveliest, and Immerkær's estimate of noise."""
    features = []
    for values in (grey, chroma[:, 0], chroma[:, 1]):
        rough = values.diff(n=2, dim=1).diff(n=2, dim=2).abs()
        features += [_log(rough.mean((1, 2))), *_log(_quantiles(rough, slice(2, 6)))]
        features += [*_log(_quantiles(_spread(values, 8)))]
        coarse = functional.avg_pool2d(values[:, None], 4)[:, 0]
        features += [*_log(_quantiles(_spread(coarse, 4), slice(2, 6)))]
    return features


def _cosines(size: int = 8) -> torch.Tensor:
    """The orthonormal discrete cosine transform's matrix."""
    place, frequency = torch.arange(size) + 0.5, torch.arange(size)
    matrix = torch.cos(math.pi / size * frequency[:, None] * place) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def _spectra(grey: torch.Tensor) -> list[torch.Tensor]:
    """Mean size of the coefficients of 8 x 8 blocks by frequency, and how many are nearly nothing."""
    matrix = _cosines()
    blocks = _cells(grey, 8).unflatten(2, (8, 8))
    sizes = (matrix @ blocks @ matrix.T).abs()
    band = (torch.arange(8)[:, None] + torch.arange(8)).clamp_max(10)
    features = [_log(sizes[..., band == index].mean((1, 2))) for index in range(1, 11)]
    return features + [(sizes[..., band == index] < 0.002).float().mean((1, 2)) for index in (1, 3, 5, 8, 10)]


def _colours(pictures: torch.Tensor, grey: torch.Tensor, chroma: torch.Tensor) -> list[torch.Tensor]:
    """Brightness, contrast, colourfulness, and how many levels are in use."""
    saturation = pictures.amax(1) - pictures.amin(1)
    spread, offset = chroma.flatten(2).std(2), chroma.flatten(2).mean(2)
    features = [*_quantiles(grey), grey.flatten(1).std(1)]
    features += [*_quantiles(saturation, slice(3, None)), saturation.mean((1, 2))]
    features += [spread.norm(dim=1) + 0.3 * offset.norm(dim=1), *spread.T, *offset.T]
    levels = (grey.flatten(1) * (LEVELS - 1)).round().long()
    histogram = torch.zeros(len(grey), LEVELS).scatter_add_(1, levels, torch.ones(levels.shape)) / levels.shape[1]
    features += [-(histogram * (histogram + 1e-9).log()).sum(1), (histogram > 0.0005).float().mean(1)]
    return [*features, histogram.amax(1)]


def _borders(grey: torch.Tensor) -> list[torch.Tensor]:
    """Edges that run into each side of the picture: what is cut off does."""
    side, features = grey.shape[1], []
    for line in (grey[:, :, 1], grey[:, :, side - 2], grey[:, 1], grey[:, side - 2]):
        steps = line.diff(dim=1).abs()
        features += [_log(steps.mean(1)), _log(steps.amax(1))]
    edges = torch.stack([grey[:, :, 0] - grey[:, :, 1], grey[:, :, -1] - grey[:, :, -2]])
    return [*features, *_log(edges.abs().mean(2))]


def _lines(grey: torch.Tensor) -> list[torch.Tensor]:
    """Straight lines through the whole picture: how far one row, column or diagonal is from those beside it."""
    side = grey.shape[1]
    place = torch.arange(side)
    slanted = torch.stack([grey[:, place, (place + shift) % side] for shift in range(side)], 1)
    fallen = torch.stack([grey[:, place, (shift - place) % side] for shift in range(side)], 1)
    features = []
    for values in (grey, grey.transpose(1, 2), slanted, fallen):
        means = values.mean(2)
        apart = (values[:, 2:] - 0.5 * (values[:, 1:-1] + values[:, :-2])).mean(2).abs()
        steps = means.diff(dim=1).abs()
        features += [_log(apart.amax(1)), _log(apart.mean(1)), _log(steps.amax(1)), _log(steps.mean(1))]
    return features


def picture_statistics(pictures: torch.Tensor) -> torch.Tensor:
    """``(n, N_STATISTICS)`` statistics of pictures ``(n, 3, 128, 128)`` in [-1, 1]; those of one ignore the others."""
    values = pictures / 2 + 0.5
    red, green, blue = values.unbind(1)
    grey = (0.299 * red + 0.587 * green + 0.114 * blue).clamp(0, 1)
    chroma = torch.stack([red - green, 0.5 * (red + green) - blue], 1)
    features = [
        *_gradients(grey),
        *_lattices(grey),
        *_correlations(grey),
        *_noise(grey, chroma),
        *_spectra(grey),
    ]
    return torch.stack([*features, *_colours(values, grey, chroma), *_borders(grey), *_lines(grey)], 1)


N_STATISTICS = 192
