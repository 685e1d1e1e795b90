"""Raters and concepts both drawn from many: the mean of a table of concepts and raters, with its uncertainty.

In: a table ``(n_concepts, n_raters)`` of means or of differences of two arms, with NaN where a rater saw nothing of a
concept. Out: its mean, standard error and degrees of freedom. An interval over concepts alone is for these raters: with
raters that like an arm a little more or less than others do, it misses the mean of all raters the more often, the more
concepts there are. This is the quasi-F of Clark 1973 (Journal of Verbal Learning and Verbal Behavior 12:335) with the
degrees of freedom of Satterthwaite 1946. Ignored: which arms these are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from c2i_lib.errors import C2IError
from c2i_lib.statistics.variance import variance_components


class Crossed(NamedTuple):
    """``mean`` over concepts, which weigh alike, its standard ``error`` and the degrees of freedom ``df`` of a t."""

    mean: float
    error: float
    df: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """The two ends; both the mean where nothing varies, NaN where the error is not defined."""
        reach = self.error * stats.t.ppf((1 + confidence) / 2, self.df)
        return self.mean - reach, self.mean + reach

    @property
    def p(self) -> float:
        """Two-sided, of a mean of zero; 1 where nothing varies around zero, NaN where the error is not defined."""
        if self.error == 0:
            return float(self.mean == 0)
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.df))

    def p_equivalence(self, margin: float) -> float:
        """The larger p of two one-sided tests, that the mean is below −``margin`` and that it is above ``margin``; as
        ``p`` where nothing varies or the error is not defined."""
        room = margin - abs(self.mean)
        if self.error == 0:
            return float(room <= 0)
        return float(stats.t.sf(room / self.error, self.df))


def crossed_mean(cells: np.ndarray) -> Crossed:
    """Mean, error and degrees of freedom of ``cells (n_concepts, n_raters)``, NaN where there is no rating.

    The variance of the mean is the one between concepts plus the one between raters less the one that both count, and
    at least each of the former: in a full table (MSc + MSr − MSe) / cells. Where every rater saw one concept only,
    raters are part of the concepts. Error and degrees of freedom are NaN of one concept, of one rater, from whom
    nothing follows for others, and where raters and the rest cannot be told apart. Raises ``C2IError`` for a concept
    without ratings.
    """
    cells = np.asarray(cells, float)
    there = ~np.isnan(cells)
    if not there.any(1).all():
        raise C2IError("a concept has no rating in these cells, and concepts weigh alike: leave it out of the table")
    n_concepts, n_raters = there.any(1).sum(), there.any(0).sum()
    of_concepts = np.nanmean(cells, 1)
    mean = float(of_concepts.mean())
    if n_concepts < 2 or n_raters < 2:
        return Crossed(mean, float("nan"), float("nan"))
    between = float(of_concepts.var(ddof=1) / n_concepts)
    if there.sum(0).max() < 2:
        return Crossed(mean, between**0.5, n_concepts - 1)
    raters, both = _rater_parts(cells, there)
    if np.isnan(raters):
        return Crossed(mean, float("nan"), float("nan"))
    return Crossed(mean, *_combine(between, raters, both, n_concepts - 1, n_raters - 1, int(there.sum())))


def _rater_parts(cells: np.ndarray, there: np.ndarray) -> tuple[float, float]:
    """What raters with the rest, and the rest alone, add to the variance of the mean: MSr and MSe over all cells."""
    concepts, raters = np.nonzero(there)
    parts = variance_components(cells[there], {"concept": concepts, "rater": raters})
    weights = there / there.sum(1, keepdims=True) / len(there)
    rest = parts["rest"] * (weights**2).sum()
    return float(np.maximum(0.0, parts["rater"] * (weights.sum(0) ** 2).sum() + rest)), float(np.maximum(0.0, rest))


def _combine(
    concepts: float, raters: float, both: float, df_concepts: int, df_raters: int, n_cells: int
) -> tuple[float, float]:
    """Standard error and degrees of freedom of the sum of the two variances less ``both``."""
    total, larger = concepts + raters - both, max(concepts, raters)
    if total <= larger:
        return larger**0.5, df_concepts if concepts >= raters else df_raters
    df_both = max(1, n_cells - 1 - df_concepts - df_raters)
    spread = concepts**2 / df_concepts + raters**2 / df_raters + both**2 / df_both
    return total**0.5, total**2 / spread


def clustered_mean(values: np.ndarray, weights: np.ndarray, concepts: np.ndarray, raters: np.ndarray) -> Crossed:
    """A weighted sum of ratings, all ``(n,)``, for designs in which raters saw too little for ``crossed_mean``.

    ``values`` are centred, those of an arm around its mean, and ``weights`` give the difference of two arms: the error
    alone is of use. It is clustered two ways (Cameron, Gelbach and Miller 2011, Journal of Business & Economic
    Statistics 29:238), and at least that of concepts or of raters alone; a t with one degree of freedom less than there
    are concepts or raters, whichever are fewer. NaN of one concept or one rater.
    """
    shares = weights * values
    codes = [np.unique(labels, return_inverse=True)[1] for labels in (concepts, raters)]
    codes.append(codes[0] * (codes[1].max() + 1) + codes[1])
    sizes = [len(np.unique(part)) for part in codes]
    if min(sizes) < 2:
        return Crossed(float(shares.sum()), float("nan"), float("nan"))
    by_concept, by_rater, by_both = (
        n / (n - 1) * float((np.bincount(part, shares) ** 2).sum()) for part, n in zip(codes, sizes, strict=True)
    )
    variance = max(by_concept + by_rater - by_both, by_concept, by_rater)
    return Crossed(float(shares.sum()), variance**0.5, min(sizes) - 1)


def crossed_means(cells: np.ndarray) -> list[Crossed]:
    """``crossed_mean`` of ``n`` full tables ``(n, n_concepts, n_raters)`` at once, for simulations."""
    _, n_concepts, n_raters = cells.shape
    of_concepts, of_raters, means = cells.mean(2), cells.mean(1), cells.mean((1, 2))
    rest = cells - of_concepts[:, :, None] - of_raters[:, None] + means[:, None, None]
    both = (rest**2).sum((1, 2)) / ((n_concepts - 1) * (n_raters - 1) * n_concepts * n_raters)
    parts = zip(of_concepts.var(1, ddof=1) / n_concepts, of_raters.var(1, ddof=1) / n_raters, both, strict=True)
    errors = [_combine(*part, n_concepts - 1, n_raters - 1, n_concepts * n_raters) for part in parts]
    return [Crossed(float(mean), *error) for mean, error in zip(means, errors, strict=True)]
