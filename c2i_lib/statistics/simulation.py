"""Simulated raters: a latent scale, cut into points.

In: a mean and a spread for each arm, and the shape of a study. Out: ratings. A rater's impression of an image is
y* = μ + s·(√ρc·C + √ρi·I + √.05·R + √ρt·T + √rest·ε) with standard normal C (concept), I (image), R (rater), T (a
rater's taste for an arm) and ε, and the rating is where y* falls between the cuts −1, 0 and 1. Of two pictures side by
side the one with the larger y* is better, unless they are near. Shared by the survey's simulated raters, who have no T,
and by power. Ignored: that some concepts may suit an arm better than others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

RATER_SHARE = 0.05
TASTE_SHARE = 0.02  # of T, where there is one: not to be had from the paper either
TIE_WIDTH = 0.5  # half a point: so near, two pictures are a tie; ours, because the paper has no pairs
CONCEPT_SHARE_OF_ITEM = 0.5  # not to be had from the paper: half of what an image has, its concept has


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
    target = expected_rating(mean, spread, scale_points) + effect
    if not 1.001 < target < scale_points - 0.001:
        raise ValueError(f"an effect of {effect} on a mean of {target - effect:.2f} leaves the scale 1–{scale_points}")
    return brentq(lambda new: expected_rating(new, spread, scale_points) - target, mean - 50, mean + 50), spread


def _latents(
    scales: Sequence[tuple[float, float]],
    design: Design,
    n_studies: int,
    seed: int,
    item_share: float,
    concept_share: float,
    taste_share: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Impressions of the shape of ratings, and raters' R; arguments as in ``simulate_studies``."""
    random = np.random.default_rng(seed)
    shape = (n_studies, len(scales), design.n_concepts, design.n_samples, design.n_raters)
    concept, image = item_share * concept_share, item_share * (1 - concept_share)
    rest = 1 - item_share - RATER_SHARE - taste_share
    raters = random.standard_normal((n_studies, design.n_raters), np.float32)
    latent = np.sqrt(np.float32(rest)) * random.standard_normal(shape, np.float32)
    latent += np.float32(np.sqrt(concept)) * random.standard_normal((n_studies, 1, *shape[2:3], 1, 1), np.float32)
    latent += np.float32(np.sqrt(image)) * random.standard_normal((*shape[:4], 1), np.float32)
    latent += np.float32(np.sqrt(RATER_SHARE)) * raters[:, None, None, None, :]
    if taste_share:
        tastes = random.standard_normal((n_studies, len(scales), 1, 1, design.n_raters), np.float32)
        latent += np.float32(np.sqrt(taste_share)) * tastes
    means, spreads = (np.array(values, np.float32)[:, None, None, None] for values in zip(*scales, strict=True))
    return means + spreads * latent, raters


def simulate_studies(
    scales: Sequence[tuple[float, float]],
    design: Design,
    n_studies: int,
    seed: int,
    item_share: float,
    concept_share: float = CONCEPT_SHARE_OF_ITEM,
    taste_share: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Ratings ``(n_studies, n_arms, n_concepts, n_samples, n_raters)``, int8, and raters' R ``(n_studies, n_raters)``.

    ``scales``: (μ, s) of each arm. ``item_share``: the share of the variance that an image has, its concept included;
    ``concept_share``: the part of it that is the concept's, the same in all arms. ``taste_share``: of a rater's taste
    for an arm.
    """
    latent, raters = _latents(scales, design, n_studies, seed, item_share, concept_share, taste_share)
    return rate(latent, design.scale_points), raters


def simulate_pairs(
    scales: tuple[tuple[float, float], tuple[float, float]],
    design: Design,
    n_studies: int,
    seed: int,
    item_share: float,
    concept_share: float = CONCEPT_SHARE_OF_ITEM,
    taste_share: float = 0.0,
    tie_width: float = TIE_WIDTH,
) -> np.ndarray:
    """Answers ``(n_studies, n_concepts, n_samples, n_raters)``, int8, by raters who see pictures of two arms side by
    side: 1 the second arm's is better, −1 the first's, 0 a tie.

    Each picture makes the impression that it makes in ``simulate_studies``, and two that are less than ``tie_width``
    apart are a tie (Thurstone 1927, Psychological Review 34:273, case V, with ties). Not assumed: that two pictures
    side by side are told apart better than one after the other.
    """
    latent, _ = _latents(scales, design, n_studies, seed, item_share, concept_share, taste_share)
    gap = latent[:, 1] - latent[:, 0]
    return (np.sign(gap) * (np.abs(gap) >= tie_width)).astype(np.int8)
