"""Judges of the embedded world: two that were trained on its pictures, and two without weights to select by.

In: pictures and concepts. Out: one score a picture. ``glyph_realism`` and ``glyph_match`` are the embedded judge's two
scores. ``glyph_statistics`` and ``glyph_lookup`` compare with clean renderings of all glyphs by edges and colours, and
share nothing with the former but the sentence embeddings of concepts. A real TTI model has no such set of clean
pictures: there, realism would need features of some ten thousand of the photographs that it learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.captions import Pair
from c2i_lib.embedded.glyphs import load_glyphs
from c2i_lib.embedded.models import resolve
from c2i_lib.embedded.rendering import render
from c2i_lib.errors import ModelError
from c2i_lib.models.judges.glyph_encoder import GlyphJudge, to_pixels
from c2i_lib.text.embeddings import embed_texts

CELLS, ORIENTATIONS = 8, 8  # of histograms of oriented gradients
COLOUR_CELLS = 16
NEIGHBOURS = 10
TEMPERATURE = 0.1
EDGES = (0.004, 0.02, 0.05, 0.1, 0.2, 0.4)  # of 1: strengths of an edge, from hardly any to black beside white


def _load(settings: JudgeModel) -> GlyphJudge:
    folder = Path(resolve(settings.model))
    if not (folder / "judge.json").is_file():
        raise ModelError(f"judge {settings.kind} needs a folder with judge.json (embedded:glyph-judge), not {folder}")
    return GlyphJudge(folder)


class GlyphRealism:
    """The realism score of Kynkäänniemi et al. 2019 against clean glyphs; 1 and more is real."""

    measures = "quality"

    def __init__(self, settings: JudgeModel):
        self.judge = _load(settings)

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        return self.judge.quality(pictures)


class GlyphMatch:
    """The calibrated probability that the picture shows the concept."""

    measures = "faithfulness"

    def __init__(self, settings: JudgeModel):
        self.judge = _load(settings)

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        return self.judge.faithfulness(pictures, concepts)


@lru_cache(maxsize=1)
def _clean_glyphs() -> torch.Tensor:
    """``(n, 3, 64, 64)`` clean renderings of all glyphs on white, from 0 to 1."""
    return to_pixels([render(Pair("", "", "bare", (glyph.code,))) for glyph in load_glyphs()]) / 2 + 0.5


@lru_cache(maxsize=1)
def _lookup_table() -> tuple[torch.Tensor, torch.Tensor]:
    """Descriptors of all glyphs and embeddings of their names."""
    return descriptors(_clean_glyphs()), embed_texts([glyph.name for glyph in load_glyphs()])


def _edges(grey: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences to the right and downwards of ``(n, h, w)`` pictures: two of ``(n, h - 1, w - 1)``."""
    return grey[:, 1:, 1:] - grey[:, 1:, :-1], grey[:, 1:, 1:] - grey[:, :-1, 1:]


def statistics(pictures: torch.Tensor) -> torch.Tensor:
    """``(n, 12)``: how much of a picture has edges above each strength, at full and at half size (square roots)."""
    found = []
    for scale in (1, 2):
        grey = torch.nn.functional.avg_pool2d(pictures, scale).mean(1)
        strength = torch.hypot(*_edges(grey)).flatten(1)
        found += [(strength > edge).float().mean(1) for edge in EDGES]
    return torch.stack(found, 1).sqrt()


def descriptors(pictures: torch.Tensor) -> torch.Tensor:
    """``(n, d)`` unit descriptors: coarse colours less the border's, and histograms of oriented gradients.

    Dalal and Triggs 2005, without their overlapping blocks.
    """
    border = torch.cat([pictures[..., 0], pictures[..., -1], pictures[..., 0, :], pictures[..., -1, :]], -1)
    colours = torch.nn.functional.adaptive_avg_pool2d(pictures, COLOUR_CELLS)
    colours = colours - border.median(-1).values[..., None, None]
    across, down = _edges(pictures.mean(1))
    strength = torch.hypot(across, down).sqrt()
    angle = torch.atan2(down, across).remainder(torch.pi) / torch.pi * ORIENTATIONS
    away = torch.stack([angle - orientation for orientation in range(ORIENTATIONS)], 1)
    away = ((away + ORIENTATIONS / 2).remainder(ORIENTATIONS) - ORIENTATIONS / 2).abs()
    gradients = torch.nn.functional.adaptive_avg_pool2d((1 - away).clamp_min(0) * strength[:, None], CELLS)
    halves = [torch.nn.functional.normalize(part.flatten(1), dim=1) for part in (colours, gradients)]
    return torch.cat(halves, 1) / 2**0.5


class GlyphStatistics:
    """Minus the distance (Mahalanobis) of a picture's edge statistics to those of clean glyphs.

    The plan of NIQE (Mittal, Soundararajan and Bovik 2013), a Gaussian of clean pictures' statistics; their statistics
    of natural scenes do not fit flat drawings.
    """

    measures = "quality"

    def __init__(self, settings: JudgeModel):
        clean = statistics(_clean_glyphs()).double()
        self.mean = clean.mean(0)
        self.precision = torch.linalg.inv(torch.cov(clean.T) + 1e-4 * torch.eye(clean.shape[1], dtype=clean.dtype))

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        away = statistics(to_pixels(pictures) / 2 + 0.5).double() - self.mean
        return -((away @ self.precision) * away).sum(1).sqrt().numpy()


class GlyphLookup:
    """How near the concept is to the names of the clean glyphs that look most like the picture: a cosine.

    The ten nearest count, by a softmax of their likeness.
    """

    measures = "faithfulness"

    def __init__(self, settings: JudgeModel):
        self.clean, self.names = _lookup_table()

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        nearest = (descriptors(to_pixels(pictures) / 2 + 0.5) @ self.clean.T).topk(NEIGHBOURS, dim=1)
        cosines = (embed_texts(concepts) @ self.names.T).gather(1, nearest.indices)
        return ((nearest.values / TEMPERATURE).softmax(1) * cosines).sum(1).numpy()
