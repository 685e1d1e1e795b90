"""Simulated raters: a latent scale, cut into points, fitted to the paper's Table 1.

In: a mean and a spread for each arm, and the shape of a study. Out: ratings. A rater's impression of an image is
y* = μ + s·(√ρc·C + √ρi·I + √.05·R + √rest·ε) with standard normal C (concept), I (image), R (rater) and ε, and the
rating is where y* falls between the cuts −1, 0 and 1. Shared by the survey's simulated raters and by power. Ignored:
that some concepts may suit an arm better than others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

RATER_SHARE = 0.05
# Share of the variance that the image has, its concept included: with these the paper's kappas come out.
ITEM_SHARE = {"quality": 0.447, "faithfulness": 0.630}
CONCEPT_SHARE_OF_ITEM = 0.5  # not to be had from the paper: half of what an image has, its concept has
# (μ, s) of base, ft and ft_tags, fitted to the means and standard deviations of Table 1.
PAPER_SCALES = {
    "quality": ((0.373, 1.108), (0.566, 1.126), (0.624, 0.979)),
    "faithfulness": ((0.686, 1.253), (0.408, 2.042), (0.399, 1.530)),
}


@dataclass(frozen=True)
class Design:
    """The shape of a study: every rater rates every image of every arm."""

    n_concepts: int
    n_samples: int  # images of a concept in an arm
    n_raters: int
    scale_points: int = 4


def cuts(scale_points: int) -> np.ndarray:
    """Borders between the points of the scale, one apart and centred on zero: −1, 0, 1 for four points."""
    return np.arange(scale_points - 1) - (scale_points - 2) / 2


def rate(latent: np.ndarray, scale_points: int) -> np.ndarray:
    """Ratings 1 to ``scale_points`` of latent impressions, of the same shape."""
    ratings = np.ones(np.shape(latent), np.int8)
    for cut in cuts(scale_points):
        ratings += latent > cut
    return ratings


def expected_rating(mean: float, spread: float, scale_points: int = 4) -> float:
    """The mean rating of a latent normal with ``mean`` and standard deviation ``spread``."""
    return 1 + float(norm.sf(cuts(scale_points), mean, spread).sum())


def shifted(scale: tuple[float, float], effect: float, scale_points: int = 4) -> tuple[float, float]:
    """The latent scale whose expected rating is ``effect`` points higher. Raises ``ValueError`` when none can be."""
    mean, spread = scale
    wanted = expected_rating(mean, spread, scale_points) + effect
    if not 1.001 < wanted < scale_points - 0.001:
        raise ValueError(f"an effect of {effect} on a mean of {wanted - effect:.2f} leaves the scale 1–{scale_points}")
    return brentq(lambda new: expected_rating(new, spread, scale_points) - wanted, mean - 50, mean + 50), spread


def simulate_studies(
    scales: Sequence[tuple[float, float]],
    design: Design,
    n_studies: int,
    seed: int,
    item_share: float = ITEM_SHARE["quality"],
    concept_share: float = CONCEPT_SHARE_OF_ITEM,
) -> tuple[np.ndarray, np.ndarray]:
    """Ratings ``(n_studies, n_arms, n_concepts, n_samples, n_raters)``, int8, and raters' R ``(n_studies, n_raters)``.

    ``scales``: (μ, s) of each arm. ``concept_share``: the part of ``item_share`` that is the concept's, the same in
    all arms.
    """
    random = np.random.default_rng(seed)
    shape = (n_studies, len(scales), design.n_concepts, design.n_samples, design.n_raters)
    concept, image, rest = item_share * concept_share, item_share * (1 - concept_share), 1 - item_share - RATER_SHARE
    raters = random.standard_normal((n_studies, design.n_raters), np.float32)
    latent = np.sqrt(np.float32(rest)) * random.standard_normal(shape, np.float32)
    latent += np.float32(np.sqrt(concept)) * random.standard_normal((n_studies, 1, *shape[2:3], 1, 1), np.float32)
    latent += np.float32(np.sqrt(image)) * random.standard_normal((*shape[:4], 1), np.float32)
    latent += np.float32(np.sqrt(RATER_SHARE)) * raters[:, None, None, None, :]
    means, spreads = (np.array(values, np.float32)[:, None, None, None] for values in zip(*scales, strict=True))
    return rate(means + spreads * latent, design.scale_points), raters
