"""Why an arm's pictures are better or worse: does being closer to the training captions go with quality?

In: one row an image, with ``concept``, ``arm``, an outcome and a measure of closeness. Out: slopes within concepts, and
how much of an arm's effect goes through closeness, with intervals that resample concepts. Ignored: how closeness is
measured. A slope is no proof of a cause: what makes a prompt close may also make its picture good.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from c2i_lib.errors import C2IError
from c2i_lib.statistics.bootstrap import expanded_interval, resampled_shares


def _centred_products(table: pd.DataFrame, names: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    """``(n_concepts, k, k)`` sums of products of ``names``, each centred within ``groups``."""
    values = table[list(names)].astype(float)
    centred = (values - values.groupby([table[name] for name in groups]).transform("mean")).to_numpy()
    codes = pd.factorize(table["concept"], sort=True)[0]
    products = np.zeros((codes.max() + 1, len(names), len(names)))
    np.add.at(products, codes, centred[:, :, None] * centred[:, None, :])
    return products


def _check(table: pd.DataFrame, names: Sequence[str]) -> None:
    missing = [name for name in names if table[name].isna().any()]
    if missing:
        raise C2IError(f"{', '.join(missing)} has missing values: leave those images out first")
    if table["concept"].nunique() < 2:
        raise C2IError("one concept has no interval over concepts: at least two are needed")


def within_concept_slope(
    table: pd.DataFrame,
    closeness: str,
    outcome: str,
    within_arm: bool = False,
    n_bootstrap: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """How ``outcome`` goes with ``closeness`` among the images of one concept: ``slope, low, high, correlation``.

    The slope is in standard deviations of both, over the whole table. With ``within_arm`` images are compared within
    their concept and arm, so that nothing of the arms' differences is left in it. Fixed effects by centring. Raises
    ``C2IError`` for missing values and a single concept.
    """
    _check(table, [closeness, outcome])
    spread = table[[closeness, outcome]].astype(float).std()
    scaled = table.assign(**{name: table[name].astype(float) / spread[name] for name in (closeness, outcome)})
    products = _centred_products(scaled, [closeness, outcome], ["concept", "arm"] if within_arm else ["concept"])
    shares = resampled_shares(len(products), n_bootstrap, seed)
    squares, other, both = (shares @ products[:, a, b] for a, b in ((0, 0), (1, 1), (0, 1)))
    slopes = np.divide(both, squares, out=np.full(len(both), np.nan), where=squares > 1e-12)
    slope, low, high = expanded_interval(slopes, len(products), confidence)
    norm = np.sqrt(squares[0] * other[0])
    return {"slope": slope, "low": low, "high": high, "correlation": float(both[0] / norm) if norm else float("nan")}


def mediation(
    table: pd.DataFrame,
    arm: str,
    baseline: str,
    closeness: str,
    outcome: str,
    n_bootstrap: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """How much of the difference of two arms goes through closeness: ``path, value, low, high``.

    Paths: ``total`` (arm → outcome), ``closeness`` (arm → closeness), ``direct`` (arm → outcome at equal closeness),
    ``indirect`` (their difference: the product of arm → closeness and closeness → outcome). Linear, with concepts as
    fixed effects (Baron and Kenny 1986); intervals by resampling (Preacher and Hayes 2008), here of concepts. Raises
    ``C2IError`` for missing values and a single concept.
    """
    pair = table[table["arm"].isin([arm, baseline])]
    _check(pair, [closeness, outcome])
    pair = pair.assign(treated=(pair["arm"] == arm).astype(float))
    products = _centred_products(pair, ["treated", closeness, outcome], ["concept"])
    shares = resampled_shares(len(products), n_bootstrap, seed)
    sums = np.einsum("dc,cij->dij", shares, products, optimize=True)
    total, path = sums[:, 0, 2] / sums[:, 0, 0], sums[:, 0, 1] / sums[:, 0, 0]
    solvable = np.linalg.det(sums[:, :2, :2]) > 1e-12 * sums[:, 0, 0] * np.maximum(sums[:, 1, 1], 1e-300)
    systems = np.where(solvable[:, None, None], sums[:, :2, :2], np.eye(2))
    direct = np.where(solvable, np.linalg.solve(systems, sums[:, :2, 2:])[:, 0, 0], np.nan)
    paths = {"total": total, "closeness": path, "direct": direct, "indirect": total - direct}
    rows = [(name, *expanded_interval(values, len(products), confidence)) for name, values in paths.items()]
    return pd.DataFrame(rows, columns=["path", "value", "low", "high"])
