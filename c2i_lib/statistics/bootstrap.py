"""Intervals by resampling concepts: a resample is a weighted sum, so thousands of them are a matrix product.

In: values by concept. Out: intervals. Percentiles are widened for few concepts. Ignored: what the values are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Resampling:
    """How intervals come about: from ``n_bootstrap`` resamples drawn with ``seed``; they cover ``confidence``."""

    n_bootstrap: int = 10_000
    confidence: float = 0.95
    seed: int = 0


DEFAULT = Resampling()
_CELLS_AT_ONCE = 2_000_000  # of resamples × concepts; more would not fit a processor's cache


def _tail(n_concepts: int, confidence: float) -> float:
    """The percentile at an interval's lower end, widened for few concepts: the plain ones of ten cover 90 % in place of
    95 % ("expanded percentile" interval: Hesterberg 2015, The American Statistician 69:371, section 5.3)."""
    return stats.norm.cdf(stats.t.ppf((1 - confidence) / 2, n_concepts - 1) * np.sqrt(n_concepts / (n_concepts - 1)))


def cluster_interval(values: np.ndarray, resampling: Resampling = DEFAULT) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends, ``(…)``, of intervals of the mean over concepts of ``(n_concepts, …)`` values.

    Concepts are resampled, and the percentiles widened for few concepts (``_tail``). One concept gives NaN.
    """
    values = np.asarray(values, float)
    n = len(values)
    if n < 2:
        return np.full(values.shape[1:], np.nan), np.full(values.shape[1:], np.nan)
    means = np.concatenate([draws / n @ values.reshape(n, -1) for draws in resamples(n, resampling)])[1:]
    tail = _tail(n, resampling.confidence)
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low.reshape(values.shape[1:]), high.reshape(values.shape[1:])


def resamples(n_concepts: int, resampling: Resampling = DEFAULT) -> Iterator[np.ndarray]:
    """``resampled_shares`` in parts, some rows at a time: all of thousands of concepts would not fit into memory."""
    yield np.ones((1, n_concepts))
    if not n_concepts:
        return
    random, alike = np.random.default_rng(resampling.seed), np.full(n_concepts, 1 / n_concepts)
    at_once = max(1, _CELLS_AT_ONCE // n_concepts)
    for start in range(0, resampling.n_bootstrap, at_once):
        n_draws = min(at_once, resampling.n_bootstrap - start)
        yield random.multinomial(n_concepts, alike, size=n_draws).astype(float)


def resampled_shares(n_concepts: int, resampling: Resampling = DEFAULT) -> np.ndarray:
    """``(1 + n_bootstrap, n_concepts)``: how often the sample itself and each resample hold each concept."""
    return np.vstack(list(resamples(n_concepts, resampling)))


def expanded_interval(values: np.ndarray, n_concepts: int, confidence: float) -> tuple[float, float, float]:
    """The value of the sample and its interval, from values of ``resampled_shares``: as ``cluster_interval`` does.

    Resamples without a value (NaN) do not count; where none has one, or there is one concept, the interval is NaN.
    """
    if n_concepts < 2:
        return float(values[0]), float("nan"), float("nan")
    tail, known = _tail(n_concepts, confidence), values[1:][~np.isnan(values[1:])]
    low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (np.nan, np.nan)
    return float(values[0]), float(low), float(high)
