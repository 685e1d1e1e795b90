"""Two clouds of vectors: how far apart they are, with intervals.

In: unit vectors. Out: distances. Ignored: where the vectors come from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from c2i_lib.statistics.bootstrap import expanded_interval, resampled_shares

NEIGHBOURS = 10  # nearest captions in meaning, whose mean cosine counts


def kernel_sums(a: torch.Tensor, b: torch.Tensor, groups_a: np.ndarray, groups_b: np.ndarray) -> np.ndarray:
    """``(n_groups_a, n_groups_b)`` sums of the kernel over pairs of unit vectors ``(n, d)`` of two groups.

    The kernel is KID's polynomial of degree 3 (Bińkowski et al. 2018, arXiv:1801.01401), scaled for unit vectors: the
    cube of (1 + cosine) / 2.
    """
    values = ((1 + a.double() @ b.double().T) / 2).pow(3)
    indicator = [torch.nn.functional.one_hot(torch.tensor(groups)).to(values.dtype) for groups in (groups_a, groups_b)]
    return (indicator[0].T @ values @ indicator[1]).numpy()


def cloud_distance(
    texts: torch.Tensor, groups: Sequence[str], captions: torch.Tensor, n_bootstrap: int, confidence: float, seed: int
) -> tuple[float, float, float]:
    """Squared maximum mean discrepancy (Gretton et al. 2012) of two clouds of unit vectors, with its interval.

    ``groups``: the concept of each text. Pairs of one concept are left out, because its prompts are alike and would
    count as closeness; the interval resamples concepts and takes the captions as they are.
    """
    codes = pd.factorize(np.asarray(groups), sort=True)[0]
    sizes, one = np.bincount(codes).astype(float), np.zeros(len(captions), int)
    within = kernel_sums(texts, texts, codes, codes)
    across = kernel_sums(texts, captions, codes, one)[:, 0]
    among = kernel_sums(captions, captions, one, one)[0, 0] - len(captions)  # a vector with itself is 1
    among /= len(captions) * (len(captions) - 1)
    weights = resampled_shares(len(sizes), n_bootstrap, seed)
    # A concept that was drawn twice is no pair with itself either.
    pairs = np.einsum("di,ij,dj->d", weights, within, weights, optimize=True) - weights**2 @ np.diag(within)
    counts = (weights @ sizes) ** 2 - weights**2 @ sizes**2
    # A resample that holds one concept alone has no pairs; with few concepts there are such.
    own = np.divide(pairs, counts, out=np.full(len(pairs), np.nan), where=counts > 0)
    values = own - 2 * (weights @ across) / ((weights @ sizes) * len(captions)) + among
    return expanded_interval(values, len(sizes), confidence)


def neighbours_in_meaning(texts: torch.Tensor, captions: torch.Tensor) -> np.ndarray:
    """``(n,)`` mean cosine of each unit vector to its ``NEIGHBOURS`` nearest captions."""
    nearest = min(NEIGHBOURS, len(captions))
    return torch.cat([(part @ captions.T).topk(nearest, dim=1).values.mean(1) for part in texts.split(512)]).numpy()
