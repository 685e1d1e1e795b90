"""Raters one by one: how each used the scale, agreed with the others and with themselves, and passed the checks.

In: rows of ``ratings.parquet``. Out: tables. Ignored: which arm an image belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from c2i_lib.statistics.agreement import rating_matrix, weighted_kappa
from c2i_lib.statistics.agreement.coefficients import Cells, Weights, disagreement, kappa_from_tables


def pairwise_kappas(matrix: pd.DataFrame, points: Sequence[int], weights: Weights = "quadratic") -> pd.DataFrame:
    """Images × raters → raters × raters weighted kappas; NaN for pairs without common images, and on the diagonal."""
    names, k = list(matrix.columns), len(points)
    cells, distance = Cells(matrix.to_numpy(), points), disagreement(k, weights)
    shape = (len(matrix), len(names) * k)
    given = sparse.csr_array((np.ones(len(cells.item)), (cells.item, cells.rater * k + cells.code)), shape=shape)
    kappas = np.full((len(names), len(names)), np.nan)
    for first in range(len(names) - 1):  # one rater with all later ones; all pairs at once would not fit into memory
        tables = (given[:, [first * k + code for code in range(k)]].T @ given).toarray().reshape(k, len(names), k)
        kappas[first, first + 1 :] = kappa_from_tables(tables.transpose(1, 0, 2)[first + 1 :], distance)
    kappas = np.where(np.isnan(kappas), kappas.T, kappas)
    return pd.DataFrame(kappas, index=pd.Index(names, name="rater"), columns=names)


def kappas_with_others(matrix: pd.DataFrame, points: Sequence[int], weights: Weights = "quadratic") -> pd.Series:
    """Each rater's weighted kappa with all others: of one table of every rating beside every other one of that image.

    Of two raters it is their kappa. It is defined, and steady, also where no two raters share many images.
    """
    cells, k = Cells(matrix.to_numpy(), points), len(points)
    others = cells.counts[cells.item]
    others[np.arange(len(cells.item)), cells.code] -= 1  # without their own
    tables = np.zeros((matrix.shape[1], k, k))
    np.add.at(tables, (cells.rater, cells.code), others)
    return pd.Series(kappa_from_tables(tables, disagreement(k, weights)), index=matrix.columns)


def confusion(matrix: pd.DataFrame, points: Sequence[int]) -> np.ndarray:
    """``(k, k)`` shares: how often one rater gave a point and another gave each point to the same image.

    Over all ordered pairs of raters, so that the table is symmetric; it sums to 1, or is NaN without a common image.
    """
    counts = Cells(matrix.to_numpy(), points).counts
    pairs = counts.T @ counts - np.diag(counts.sum(0))
    return pairs / pairs.sum() if pairs.sum() else np.full_like(pairs, np.nan)


def self_agreement(ratings: pd.DataFrame, points: Sequence[int]) -> pd.DataFrame:
    """Per rater, images that were shown twice: ``rater, question, n_repeated, same`` (share with the very same
    rating)``, kappa`` (quadratic, NaN where the ratings do not vary)."""
    keys = ["rater", "image_id", "question"]
    first, second = (ratings[ratings["kind"] == kind].set_index(keys)["rating"] for kind in ("image", "repeat"))
    both = pd.DataFrame({"first": first.reindex(second.index), "second": second}).dropna().reset_index()
    rows = []
    for (rater, question), group in both.groupby(["rater", "question"], sort=False):
        pair = group[["first", "second"]].to_numpy(float)
        kappa = weighted_kappa(pair, points, "quadratic")
        rows.append((rater, question, len(pair), float((pair[:, 0] == pair[:, 1]).mean()), kappa))
    return pd.DataFrame(rows, columns=["rater", "question", "n_repeated", "same", "kappa"])


def checks_passed(ratings: pd.DataFrame, items: pd.DataFrame, questions: Sequence[str]) -> pd.Series:
    """Per rater the share of attention checks that were answered as asked, as a series."""
    expected = items[items["kind"] == "check"].melt(
        "item_id", [f"expected_{question}" for question in questions], "question", "expected"
    )
    expected["question"] = expected["question"].str.removeprefix("expected_")
    answered = ratings[ratings["kind"] == "check"].merge(expected, on=["item_id", "question"])
    return (answered["rating"] == answered["expected"]).groupby(answered["rater"]).mean().rename("checks_passed")


def rater_columns(points: Sequence[int]) -> dict[str, str]:
    """The columns of ``rater_table``: the use of each point of the scale, and agreement."""
    columns = {"rater": "str", "question": "str", "n": "int64", "cannot_judge": "int64"}
    shares = [f"share_{point}" for point in points]
    return columns | dict.fromkeys(["mean", "sd", *shares, "kappa", "same", "checks_passed"], "float64")


def rater_table(
    ratings: pd.DataFrame, items: pd.DataFrame | None, questions: Sequence[str], points: Sequence[int]
) -> pd.DataFrame:
    """One row per rater and question (``rater_columns``); without ``items`` there are no attention checks.

    ``kappa``: of ``kappas_with_others``; ``same``: the share of repeated images with the very same rating.
    """
    repeated = self_agreement(ratings, points).set_index(["rater", "question"])["same"]
    passed = {} if items is None else checks_passed(ratings, items, questions)
    parts = [pd.DataFrame(columns=list(rater_columns(points)))]
    images = ratings[ratings["kind"] == "image"]
    for question, of_question in images.groupby("question", sort=False):
        by_rater = of_question.groupby("rater", sort=True)["rating"]
        part = pd.DataFrame({"n": by_rater.count(), "mean": by_rater.mean(), "sd": by_rater.std()})
        part["cannot_judge"] = by_rater.size() - part["n"]
        shares = of_question.groupby("rater")["rating"].value_counts(normalize=True).unstack().reindex(columns=points)
        part[[f"share_{point}" for point in points]] = shares.reindex(part.index).fillna(0.0).to_numpy()
        part["kappa"] = kappas_with_others(rating_matrix(of_question), points)
        part["same"] = [repeated.get((rater, question), np.nan) for rater in part.index]
        part["checks_passed"] = [passed.get(rater, np.nan) for rater in part.index]
        parts.append(part.reset_index().assign(question=question)[list(rater_columns(points))])
    return pd.concat(parts[1:] or parts, ignore_index=True)
