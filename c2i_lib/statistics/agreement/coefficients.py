"""Coefficients of agreement, for many resamples of the items at once.

In: ratings of items by raters, NaN where a rater did not rate, and how often each resample holds each cluster of items,
``draws (n_draws, n_clusters)``. Out: one value a resample; NaN where a coefficient is not defined. All are sums over
items, so a resample is a weighted sum and 10,000 of them are a matrix product. Ignored: what is rated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import sparse

Weights = Literal["unweighted", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]
MOST_PAIRS = 1000  # of raters, whose kappas are averaged


def disagreement(n_categories: int, weights: Weights) -> np.ndarray:
    """``(k, k)`` disagreement: 0 or 1, |i − j| or (i − j)² (Cohen 1968), over its greatest value."""
    if weights not in ("unweighted", "linear", "quadratic"):
        raise ValueError(f"weights should be 'unweighted', 'linear' or 'quadratic', found {weights!r}")
    distance = np.abs(np.subtract.outer(np.arange(n_categories), np.arange(n_categories))) / max(1, n_categories - 1)
    return {"unweighted": (distance > 0).astype(float), "linear": distance, "quadratic": distance**2}[weights]


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """NaN where the denominator is nothing, up to rounding."""
    defined = np.abs(denominator) > 1e-12
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)


class Cells:
    """Ratings as counts. ``ratings``: ``(n_items, n_raters)``; ``categories``: all points of the scale, in order;
    ``clusters``: what is resampled as a whole, a label for each item, such as its concept (None: each item by itself).

    Raises ``ValueError`` when a rating is none of the categories.
    """

    def __init__(self, ratings: np.ndarray, categories: Sequence[float], clusters: Sequence | None = None):
        self.ratings, self.values = np.asarray(ratings, float), np.array(sorted(categories), float)
        self.item, self.rater = np.nonzero(~np.isnan(self.ratings))
        self.given = self.ratings[self.item, self.rater]
        if not np.isin(self.given, self.values).all():
            off = sorted(set(self.given) - set(self.values))
            raise ValueError(f"ratings {off} are not in categories {list(categories)}")
        n_items, k = len(self.ratings), len(self.values)
        self.code = np.searchsorted(self.values, self.given)
        self.counts = np.bincount(self.item * k + self.code, minlength=n_items * k).reshape(n_items, k).astype(float)
        self.per_item = self.counts.sum(1)
        self.several = self.per_item >= 2
        self._draws, self._results = None, {}
        labels = np.arange(n_items) if clusters is None else np.asarray(clusters)
        self.cluster = np.unique(labels, return_inverse=True)[1] if n_items else np.zeros(0, int)
        self.n_clusters = int(self.cluster.max(initial=-1)) + 1
        place = (self.cluster, np.arange(n_items))
        self._members = sparse.csr_array((np.ones(n_items), place), shape=(self.n_clusters, n_items))

    def shared(self, function: Callable[[Cells, np.ndarray], np.ndarray], draws: np.ndarray) -> np.ndarray:
        """``function(self, draws)``, computed once for all coefficients of the same resamples."""
        if self._draws is not draws:
            self._draws, self._results = draws, {}
        if function not in self._results:
            self._results[function] = function(self, draws)
        return self._results[function]

    def summed(self, values: np.ndarray) -> np.ndarray:
        """``(n_clusters, …)``: sums of ``(n_items, …)`` values over each cluster."""
        flat = values.reshape(len(values), int(np.prod(values.shape[1:]))).astype(float)
        return (self._members @ flat).reshape(self.n_clusters, *values.shape[1:])

    def by_rater(self, values: np.ndarray, columns: np.ndarray, n_columns: int) -> sparse.csr_array:
        """``(n_clusters, n_columns)`` sums of a value of each rating, most of them zero where there are many raters."""
        place = (self.cluster[self.item], columns)
        return sparse.csr_array((values, place), shape=(self.n_clusters, n_columns))

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of raters with at least one item in common."""
        rated = sparse.csr_array((np.ones(len(self.item)), (self.item, self.rater)), shape=self.ratings.shape)
        first, second = sparse.triu(rated.T @ rated, 1).nonzero()
        return sorted(zip(first.tolist(), second.tolist(), strict=True))

    def pair_tables(self, first: int, second: int, draws: np.ndarray) -> np.ndarray:
        """``(n_draws, k, k)``: how often the two raters used each pair of categories."""
        k = len(self.values)
        both = ~np.isnan(self.ratings[:, [first, second]]).any(1)
        codes = np.searchsorted(self.values, self.ratings[both][:, [first, second]])
        clusters, place = np.unique(self.cluster[both], return_inverse=True)
        cells = place * k * k + codes[:, 0] * k + codes[:, 1]
        together = np.bincount(cells, minlength=len(clusters) * k * k).reshape(-1, k * k).astype(float)
        return (draws[:, clusters] @ together).reshape(-1, k, k)


def kappa_from_tables(tables: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Weighted kappa of ``(…, k, k)`` tables: 1 − Σ v·p_observed / Σ v·p_expected (Cohen 1968, formula 2)."""
    totals = tables.sum((-2, -1))
    expected = tables.sum(-1)[..., :, None] * tables.sum(-2)[..., None, :]
    by_chance = _divide((distance * expected).sum((-2, -1)), totals)
    return 1 - _divide((distance * tables).sum((-2, -1)), by_chance)


def light_kappa(cells: Cells, draws: np.ndarray, weights: Weights) -> np.ndarray:
    """Mean weighted kappa over pairs of raters with common items (Light 1971). Two raters: Cohen's kappa. NaN for more
    than ``MOST_PAIRS`` pairs, which have few items each."""
    distance, pairs = disagreement(len(cells.values), weights), cells.pairs
    if not 0 < len(pairs) <= MOST_PAIRS:
        return np.full(len(draws), np.nan)
    kappas = [kappa_from_tables(cells.pair_tables(*pair, draws), distance) for pair in pairs]
    kappas, defined = np.nan_to_num(kappas), np.isfinite(kappas)
    return _divide(kappas.sum(0), defined.sum(0).astype(float))


def _observed_agreement(cells: Cells, draws: np.ndarray, weights: Weights) -> np.ndarray:
    """Weighted agreement between raters of one item, over items with at least two (Gwet 2014, section 2.4)."""
    agreement = 1 - disagreement(len(cells.values), weights)
    counts, n_pairs = cells.counts, cells.per_item * (cells.per_item - 1)
    within = (counts * (counts @ agreement - 1)).sum(1) / np.where(cells.several, n_pairs, 1)
    return _divide(draws @ cells.summed(within * cells.several), draws @ cells.summed(cells.several))


def _chance_corrected(observed: np.ndarray, by_chance: np.ndarray) -> np.ndarray:
    return _divide(observed - by_chance, 1 - by_chance)


def _category_shares(cells: Cells, draws: np.ndarray) -> np.ndarray:
    """``(n_draws, k)`` mean over items of the share of raters that used each category."""
    shares = cells.counts / np.maximum(cells.per_item, 1)[:, None]
    return _divide(draws @ cells.summed(shares), (draws @ cells.summed(cells.per_item >= 1))[:, None])


def fleiss_kappa(cells: Cells, draws: np.ndarray, weights: Weights) -> np.ndarray:
    """Fleiss' kappa (1971), weighted and with missing ratings as in Gwet 2014, section 2.4."""
    agreement, shares = 1 - disagreement(len(cells.values), weights), _category_shares(cells, draws)
    by_chance = ((shares @ agreement) * shares).sum(1)
    return _chance_corrected(_observed_agreement(cells, draws, weights), by_chance)


def gwet_ac2(cells: Cells, draws: np.ndarray, weights: Weights) -> np.ndarray:
    """Gwet's AC2 (2014, section 3.5); unweighted it is AC1. It does not sink when one category is used most."""
    k, shares = len(cells.values), _category_shares(cells, draws)
    total = (1 - disagreement(k, weights)).sum()
    by_chance = _divide(total * (shares * (1 - shares)).sum(1), np.full(len(draws), float(k * (k - 1))))
    return _chance_corrected(_observed_agreement(cells, draws, weights), by_chance)


def _rater_shares(cells: Cells, draws: np.ndarray) -> np.ndarray:
    """``(n_draws, n_raters, k)`` how often each rater used each category, of all their ratings."""
    active, rater = np.unique(cells.rater, return_inverse=True)
    n_raters, k = len(active), len(cells.values)
    used = draws @ cells.by_rater(np.ones(len(rater)), rater * k + cells.code, n_raters * k)
    used = used.reshape(len(draws), n_raters, k)
    return _divide(used, used.sum(2, keepdims=True))


def conger_kappa(cells: Cells, draws: np.ndarray, weights: Weights) -> np.ndarray:
    """Conger's kappa (1980): chance agreement from each rater's own use of the scale (Gwet 2014, section 2.4)."""
    agreement, shares = 1 - disagreement(len(cells.values), weights), cells.shared(_rater_shares, draws)
    n_raters, summed = shares.shape[1], shares.sum(1)
    all_pairs = ((summed @ agreement) * summed).sum(1)  # of each rater with each, themselves included
    themselves = ((shares @ agreement) * shares).sum((1, 2))
    by_chance = _divide(all_pairs - themselves, np.full(len(draws), float(n_raters * (n_raters - 1))))
    return _chance_corrected(_observed_agreement(cells, draws, weights), by_chance)


def krippendorff(cells: Cells, draws: np.ndarray, level: Level) -> np.ndarray:
    """Krippendorff's alpha (2011, "Computing Krippendorff's alpha-reliability", sections C and D)."""
    k = len(cells.values)
    counts = cells.counts * cells.several[:, None]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(k)
    pairs /= np.maximum(cells.per_item - 1, 1)[:, None, None]
    coincidences = (draws @ cells.summed(pairs).reshape(-1, k * k)).reshape(-1, k, k)
    totals = coincidences.sum(2)
    if level == "nominal":
        distance = 1.0 - np.eye(k)
    elif level == "interval":
        distance = np.subtract.outer(cells.values, cells.values) ** 2
    elif level == "ordinal":
        middle = np.cumsum(totals, 1) - totals / 2
        distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    else:
        raise ValueError(f"level should be nominal, ordinal or interval, found {level!r}")
    expected = totals[:, :, None] * totals[:, None, :] - totals[:, :, None] * np.eye(k)
    by_chance = _divide((distance * expected).sum((1, 2)), totals.sum(1) - 1)
    return 1 - _divide((distance * coincidences).sum((1, 2)), by_chance)


def variance_components(cells: Cells, draws: np.ndarray) -> np.ndarray:
    """``(n_draws, 3)`` variances of items, raters and the rest: Henderson's method 1 (1953, Biometrics 9).

    Equal to the mean squares of an analysis of variance where every rater rated every item, and defined where not.
    A negative estimate stays negative, as in the usual intraclass correlation.
    """
    held, per_item = cells.per_item > 0, np.maximum(cells.per_item, 1)
    item_sums = np.bincount(cells.item, cells.given, minlength=len(per_item))
    n_columns = cells.ratings.shape[1]
    rater_counts = draws @ cells.by_rater(np.ones(len(cells.rater)), cells.rater, n_columns)
    rater_sums = draws @ cells.by_rater(cells.given, cells.rater, n_columns)
    n = rater_counts.sum(1)
    squares = draws @ cells.summed(np.bincount(cells.item, cells.given**2, minlength=len(per_item)))
    by_item = draws @ cells.summed(item_sums**2 / per_item)
    by_rater = np.nan_to_num(_divide(rater_sums**2, rater_counts)).sum(1)  # a rater may be in no resampled item
    by_mean = _divide(rater_sums.sum(1) ** 2, n)
    n_items, n_raters = draws @ cells.summed(held), (rater_counts > 0).sum(1).astype(float)
    item_mean = _divide(draws @ cells.summed(cells.per_item**2), n)
    rater_mean = _divide((rater_counts**2.0).sum(1), n)
    # Expected sums of squares, less that of the mean, are these shares of the three variances.
    left = np.array(
        [
            [n - item_mean, n_items - rater_mean, n_items - 1],
            [n_raters - item_mean, n - rater_mean, n_raters - 1],
            [n - item_mean, n - rater_mean, n - 1],
        ]
    ).transpose(2, 0, 1)
    right = np.stack([by_item - by_mean, by_rater - by_mean, squares - by_mean], 1)
    solvable = np.isfinite(right).all(1) & (np.abs(np.linalg.det(np.nan_to_num(left))) > 1e-9)
    left[~solvable] = np.eye(3)
    return np.where(solvable[:, None], np.linalg.solve(left, right[..., None])[..., 0], np.nan)


def intraclass_correlation(cells: Cells, draws: np.ndarray, of_the_mean: bool) -> np.ndarray:
    """ICC(2,1), or ICC(2,k) for the mean of as many raters as an item has (Shrout and Fleiss 1979, case 2)."""
    items, raters, rest = cells.shared(variance_components, draws).T
    per_item = _divide(draws @ cells.summed(cells.per_item), draws @ cells.summed(cells.per_item > 0))
    return _divide(items, items + (raters + rest) / (per_item if of_the_mean else 1.0))


# Name, weights or level, and function, in the order of the tables.
COEFFICIENTS: list[tuple[str, str, Callable[[Cells, np.ndarray], np.ndarray]]] = [
    *(
        (name, weights, lambda cells, draws, function=function, weights=weights: function(cells, draws, weights))
        for name, function in (
            ("Cohen's kappa (mean over pairs)", light_kappa),
            ("Conger's kappa", conger_kappa),
            ("Fleiss' kappa", fleiss_kappa),
            ("Gwet's AC2", gwet_ac2),
        )
        for weights in ("linear", "quadratic")
    ),
    *(
        ("Krippendorff's alpha", level, lambda cells, draws, level=level: krippendorff(cells, draws, level))
        for level in ("nominal", "ordinal", "interval")
    ),
    ("ICC(2,1)", "interval", lambda cells, draws: intraclass_correlation(cells, draws, False)),
    ("ICC(2,k)", "interval", lambda cells, draws: intraclass_correlation(cells, draws, True)),
]
