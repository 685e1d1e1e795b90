"""Intervals by resampling concepts: a resample is a weighted sum, so thousands of them are a matrix product.

In: values by concept. Out: intervals. Percentiles are widened for few concepts. Ignored: what the values are.
"""

from __future__ import annotations

import numpy as np
from scipy import stats


def _tail(n_concepts: int, confidence: float) -> float:
    """The percentile at an interval's lower end, widened for few concepts: the plain ones of ten cover 90 % in place of
    95 % ("expanded percentile" interval: Hesterberg 2015, The American Statistician 69:371, section 5.3)."""
    return stats.norm.cdf(stats.t.ppf((1 - confidence) / 2, n_concepts - 1) * np.sqrt(n_concepts / (n_concepts - 1)))


def cluster_interval(
    values: np.ndarray, n_bootstrap: int, confidence: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends, ``(…)``, of intervals of the mean over concepts of ``(n_concepts, …)`` values.

    Concepts are resampled, and the percentiles widened for few concepts (``_tail``). One concept gives NaN.
    """
    values = np.asarray(values, float)
    n = len(values)
    if n < 2:
        return np.full(values.shape[1:], np.nan), np.full(values.shape[1:], np.nan)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_bootstrap) / n
    means, tail = draws @ values.reshape(n, -1), _tail(n, confidence)
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low.reshape(values.shape[1:]), high.reshape(values.shape[1:])


def resampled_shares(n_concepts: int, n_bootstrap: int, seed: int) -> np.ndarray:
    """``(1 + n_bootstrap, n_concepts)``: how often the sample itself and each resample hold each concept."""
    draws = np.random.default_rng(seed).multinomial(n_concepts, np.full(n_concepts, 1 / n_concepts), size=n_bootstrap)
    return np.vstack([np.ones(n_concepts), draws])


def expanded_interval(values: np.ndarray, n_concepts: int, confidence: float) -> tuple[float, float, float]:
    """The value of the sample and its interval, from values of ``resampled_shares``: as ``cluster_interval`` does.

    Resamples without a value (NaN) do not count; where none has one, the interval is NaN.
    """
    tail, known = _tail(n_concepts, confidence), values[1:][~np.isnan(values[1:])]
    low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (np.nan, np.nan)
    return float(values[0]), float(low), float(high)
