"""Effects of the arm: Table 1 with intervals, paired differences, and what they say in words.

In: long tables with ``arm, concept`` and values. Out: tables. Concepts, not ratings, are the independent units. What is
said of ratings holds for the population of raters by default (``crossed``: concepts and raters are both drawn from
many), or for these raters alone: then intervals resample concepts, and tests exchange arms within concepts, because
all raters see the same images. Judges' scores have no raters. Ignored: agreement between raters.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from c2i_lib.errors import C2IError
from c2i_lib.statistics.bootstrap import DEFAULT, Resampling, cluster_interval
from c2i_lib.statistics.claims import CLAIM_COLUMNS, Claims, add_claims, holm, in_words, inner_confidence
from c2i_lib.statistics.crossed import Crossed, clustered_mean, crossed_mean

POPULATION, THESE = "population", "these"  # of raters: whom an interval and a test are about
ESTIMANDS = {POPULATION: "over concepts and raters", THESE: "over concepts, for these raters"}  # of intervals
TESTS = {POPULATION: "quasi-F tests over concepts and raters", THESE: "sign-flip tests over concepts, for these raters"}
MAX_EXACT = 13  # concepts: 8,192 sign patterns

_ENDS = {"low": "float64", "high": "float64"}
MEANS_COLUMNS = {"arm": "str", "mean": "float64", **_ENDS}
TABLE1_COLUMNS = {"question": "str", "arm": "str", "n": "int64", "mean": "float64", **_ENDS, "sd": "float64"}
COMPARISON_COLUMNS = {"question": "str", "arm": "str", "baseline": "str", "difference": "float64", **_ENDS}
COMPARISON_COLUMNS |= dict.fromkeys(("delta", "delta_low", "delta_high", "p", "p_holm"), "float64")
COMPARISON_COLUMNS |= {"n_concepts": "int64"}
DIFFERENCES_COLUMNS = {"question": "str", "concept": "str", "difference": "float64"}


def _concept_means(values: pd.DataFrame, column: str) -> pd.DataFrame:
    """Means per concept (rows) and arm (columns), in the arms' order of appearance."""
    arms = list(dict.fromkeys(values["arm"]))
    means = values.pivot_table(index="concept", columns="arm", values=column, aggfunc="mean")[arms].astype(float)
    if means.isna().any().any():
        concept, arm = next((concept, arm) for concept, row in means.iterrows() for arm in arms if pd.isna(row[arm]))
        raise C2IError(
            f"concept {concept!r} has no value in arm {arm!r} (all its images may be flagged), and arms are compared "
            "over the same concepts: render again with another seed, or leave the concept out"
        )
    return means


def bootstrap_means(values: pd.DataFrame, column: str, resampling: Resampling = DEFAULT) -> pd.DataFrame:
    """Mean of ``column`` per arm with its interval over concepts, which all weigh alike: ``arm, mean, low, high``."""
    means = _concept_means(values, column)
    low, high = cluster_interval(means.to_numpy(), resampling)
    return pd.DataFrame({"arm": means.columns, "mean": means.mean().to_numpy(), "low": low, "high": high})


def _cells(values: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """For each arm the means per concept (rows) and rater (columns), NaN where a rater saw no image of it."""
    concepts, raters = (pd.Index(sorted(values[name].unique()), name=name) for name in ("concept", "rater"))
    return {
        arm: group.pivot_table(index="concept", columns="rater", values=column, aggfunc="mean").reindex(
            index=concepts, columns=raters
        )
        for arm, group in values.groupby("arm", sort=False)
    }


def population_means(values: pd.DataFrame, column: str, confidence: float) -> pd.DataFrame:
    """``bootstrap_means`` for the population of raters, by ``crossed_mean``; ``values`` needs ``rater``, too."""
    _concept_means(values, column)  # says which concept has no value in an arm
    estimates = {arm: crossed_mean(cells.to_numpy()) for arm, cells in _cells(values, column).items()}
    rows = [(arm, estimate.mean, *estimate.interval(confidence)) for arm, estimate in estimates.items()]
    return pd.DataFrame(rows, columns=list(MEANS_COLUMNS))


def table1(ratings: pd.DataFrame, resampling: Resampling = DEFAULT, raters: str = THESE) -> pd.DataFrame:
    """The paper's Table 1 with intervals: ``question, arm, n, mean, low, high, sd``.

    ``sd`` is the sample standard deviation of single ratings (the paper's σ). ``raters``: whom the intervals are about,
    ``POPULATION`` or ``THESE``.
    """
    parts = []
    for question, group in ratings.groupby("question", sort=False):
        if raters == POPULATION:
            part = population_means(group, "rating", resampling.confidence)
        else:
            part = bootstrap_means(group, "rating", resampling)
        by_arm = group.groupby("arm")["rating"]
        part["n"], part["sd"] = part["arm"].map(by_arm.count()), part["arm"].map(by_arm.std())
        parts.append(part.assign(question=question))
    return pd.concat(parts, ignore_index=True)[list(TABLE1_COLUMNS)]


def sign_flip_p(differences: np.ndarray, random: np.random.Generator, n_permutations: int = 10_000) -> np.ndarray:
    """Two-sided p, ``(…)``, of the test that ``(…, n_concepts)`` differences are centred on zero.

    Exchanging the two arms of a concept, for all its images and raters together, flips the sign of its difference.
    Exact (all 2ⁿ patterns) up to 13 concepts; beyond, ``n_permutations`` random ones, where the observed pattern
    counts as one of them.
    """
    differences = np.asarray(differences, float)
    n = differences.shape[-1]
    if n <= MAX_EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = random.choice([-1.0, 1.0], size=(n_permutations, n))
        signs[0] = 1.0
    observed = np.abs(differences.sum(-1)) - 1e-9
    p_values = [
        (np.abs(signs @ part.T) >= limit).mean(0)
        for part, limit in zip(  # some hundred at a time: the table of all would not fit into memory
            np.array_split(differences.reshape(-1, n), -(-differences[..., 0].size // 250)),
            np.array_split(observed.reshape(-1), -(-observed.size // 250)),
            strict=True,
        )
    ]
    return np.concatenate(p_values).reshape(differences.shape[:-1])


def _p_equivalence(differences: np.ndarray, margin: float, seed: int) -> float:
    """The larger p of two one-sided ``sign_flip_p`` tests: that differences are centred on −``margin``, and on
    ``margin``. With a generator of its own, so that a margin changes no other p."""
    room = margin - differences * (-1 if differences.mean() < 0 else 1)  # to the side that the mean is nearer to
    if room.mean() <= 0:
        return 1.0
    return float(sign_flip_p(room, np.random.default_rng(seed))) / 2


def cliffs_delta(values: pd.DataFrame, column: str, arm: str, baseline: str) -> np.ndarray:
    """``(n_concepts,)`` Cliff's delta (1993) within each concept: how much more often an image of ``arm`` is rated
    above one of ``baseline`` than below, from −1 to 1. Images are compared by their mean rating."""
    images = values.groupby(["concept", "arm", "image_id"], sort=True)[column].mean().dropna()
    ours, theirs = (images.xs(name, level="arm").droplevel("image_id") for name in (arm, baseline))
    pairs = pd.merge(ours, theirs, left_index=True, right_index=True, suffixes=("", " of the baseline"))
    return np.sign(pairs.iloc[:, 0] - pairs.iloc[:, 1]).groupby(level="concept").mean().to_numpy()


def _population_difference(
    group: pd.DataFrame, column: str, cells: dict[str, pd.DataFrame], arm: str, baseline: str
) -> Crossed:
    """Error and degrees of freedom of the difference of two arms for all raters: from raters who saw both arms of a
    concept, or where some concept has none such, clustered by concept and by rater."""
    paired = cells[arm] - cells[baseline]
    if paired.notna().any(axis=1).all():
        return crossed_mean(paired.to_numpy())
    rows = group[group["arm"].isin([arm, baseline])].dropna(subset=[column])
    sizes = rows.groupby(["arm", "concept"])[column].transform("size").to_numpy()
    weights = 1 / (sizes * rows["concept"].nunique())
    values = rows[column].to_numpy(float, copy=True)
    ours = (rows["arm"] == arm).to_numpy()
    for side in (ours, ~ours):
        values[side] -= (weights[side] * values[side]).sum()
    signs = np.where(ours, 1.0, -1.0)
    return clustered_mean(values, signs * weights, rows["concept"].to_numpy(), rows["rater"].to_numpy())


def compare_arms(
    values: pd.DataFrame,
    column: str = "rating",
    resampling: Resampling = DEFAULT,
    raters: str = THESE,
    claims: Claims | None = None,
) -> pd.DataFrame:
    """All pairs of arms: ``question, arm, baseline, difference, low, high, delta, delta_low, delta_high, p, p_holm,
    n_concepts``, and with ``claims`` those of ``CLAIM_COLUMNS``.

    ``values`` needs ``question, arm, concept, image_id``, and ``rater`` for ``raters=POPULATION``: then the interval of
    the difference and ``p`` are of ``crossed_mean``, or of ``clustered_mean`` where some concept has no rater who saw
    both arms; else the interval resamples concepts, and ``p`` is of
    ``sign_flip_p``. Differences and Cliff's deltas are paired within concepts; the interval of delta is always over
    concepts alone. Holm's correction is over all rows, but of rows that ``claims`` names as primary over these.
    Equivalence is judged by an interval of the same kind as the difference's own. Raises ``C2IError`` where a concept
    has no value in an arm, or a primary contrast is not there.
    """
    random, rows, margins = np.random.default_rng(resampling.seed), [], claims.margins if claims else {}
    for question, group in values.groupby("question", sort=False):
        pairs = _compare_pairs(group, column, resampling, raters, random, margins.get(question))
        rows += [{"question": question, **pair} for pair in pairs]
    table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS | CLAIM_COLUMNS))
    table["p_holm"] = holm(table["p"])
    if claims is not None:
        return add_claims(table, claims, resampling.confidence).astype(COMPARISON_COLUMNS | CLAIM_COLUMNS)
    return table[list(COMPARISON_COLUMNS)].astype(COMPARISON_COLUMNS)


def _compare_pairs(
    group: pd.DataFrame,
    column: str,
    resampling: Resampling,
    raters: str,
    random: np.random.Generator,
    margin: float | None,
) -> list[dict[str, object]]:
    """The rows of ``compare_arms`` for one question, uncorrected; those of a ``margin`` have the narrower interval, and
    ``p_equivalence``."""
    means = _concept_means(group, column)
    pairs = list(combinations(means.columns, 2))
    paired = np.empty((len(means), len(pairs), 2))
    for position, (baseline, arm) in enumerate(pairs):
        paired[:, position, 0] = means[arm] - means[baseline]
        paired[:, position, 1] = cliffs_delta(group, column, arm, baseline)
    levels = [resampling.confidence, *([inner_confidence(resampling.confidence)] if margin else [])]
    ends = [
        cluster_interval(paired, replace(resampling, confidence=level)) for level in levels
    ]  # of differences and deltas
    cells, rows = _cells(group, column) if raters == POPULATION else {}, []
    for position, (baseline, arm) in enumerate(pairs):
        difference, delta = paired[:, position].mean(0)
        intervals = [(low[position, 0], high[position, 0]) for low, high in ends]
        if cells:
            # The mean is of all ratings, also of raters who saw one arm only.
            crossed = _population_difference(group, column, cells, arm, baseline)._replace(mean=difference)
            intervals, p_value = [crossed.interval(level) for level in levels], crossed.p
            p_equivalence = crossed.p_equivalence(margin) if margin else np.nan
        else:
            p_value = float(sign_flip_p(paired[:, position, 0], random))
            p_equivalence = _p_equivalence(paired[:, position, 0], margin, resampling.seed) if margin else np.nan
        row = {"arm": arm, "baseline": baseline, "difference": difference, "delta": delta, "p": p_value}
        row["p_equivalence"] = p_equivalence
        row |= zip(("low", "high", "inner_low", "inner_high"), np.ravel(intervals), strict=False)
        row |= {"delta_low": ends[0][0][position, 1], "delta_high": ends[0][1][position, 1], "n_concepts": len(means)}
        rows.append(row)
    return rows


def concept_differences(values: pd.DataFrame, arm: str, baseline: str, column: str = "rating") -> pd.DataFrame:
    """Mean difference of two arms in every concept: ``question, concept, difference``."""
    parts = []
    for question, group in values[values["arm"].isin([arm, baseline])].groupby("question", sort=False):
        means = _concept_means(group, column)
        parts.append((means[arm] - means[baseline]).rename("difference").reset_index().assign(question=question))
    return pd.concat(parts, ignore_index=True)[list(DIFFERENCES_COLUMNS)]


_ONE_RATER = (
    "there is one rater, or too few ratings to tell raters from the rest, so nothing follows for other raters: no "
    "interval and no test; raters: these gives those over concepts"
)
_FEW = "more concepts are needed to show any difference"


def _smallest_p(n_concepts: int, n_permutations: int = 10_000) -> float:
    """The smallest p that ``sign_flip_p`` can have: one pattern of signs, and its mirror image, is as extreme."""
    return 2.0 / 2**n_concepts if n_concepts <= MAX_EXACT else 1 / n_permutations


def describe(comparison: pd.DataFrame, confidence: float, raters: str | None = None) -> list[str]:
    """One plain sentence per row of ``compare_arms``, after one a question that says what could be seen at all, and
    where concepts are so few that no p of a sign-flip test can be small, one that says so.

    ``raters``: whom the comparison is about, a key of ``ESTIMANDS``; None for judges' scores. It says "higher" or
    "lower" only when the interval excludes zero and Holm's p is below 1 − ``confidence``, and with a margin also
    whether the arms are equivalent. Where a family was declared, each row says whether it is of it.
    """
    sentences, is_planned = [], bool(comparison.get("primary", pd.Series(False)).any())
    for question, rows in comparison.groupby("question", sort=False):
        half_width, n_concepts = ((rows["high"] - rows["low"]) / 2).mean(), rows["n_concepts"].min()
        if n_concepts < 2:
            sentences.append(f"{question}: of one concept there is no interval and no test; {_FEW}.")
            continue
        if rows["low"].isna().all():
            sentences.append(f"{question}: {_ONE_RATER}.")
            continue
        sentences.append(
            f"{question}: intervals{' ' + ESTIMANDS[raters] if raters else ''} reach about {half_width:.2f} to each "
            "side; a smaller difference is not seen here."
        )
        has_primary = is_planned and rows["primary"].any()
        n_tests = int(comparison["primary"].sum()) if has_primary else len(comparison)
        smallest = _smallest_p(n_concepts)
        if raters != POPULATION and n_tests * smallest >= 1 - confidence:
            corrected = f", and corrected for {n_tests} tests the smallest never below {min(1, n_tests * smallest):.4g}"
            limit = f"p can never be below {smallest:.4g}{corrected * (n_tests > 1)}"
            sentences.append(f"{question}: with {n_concepts} concepts {limit}; {_FEW}.")
        for row in rows.itertuples():
            p_value = "p < 0.001" if row.p_holm < 0.001 else f"p = {row.p_holm:.3f}"
            interval = f"{row.difference:+.2f}, {100 * confidence:g} % interval {row.low:+.2f} to {row.high:+.2f}"
            part = f", {'primary' if row.primary else 'exploratory'}" if is_planned else ""
            verdict = in_words(row, confidence)
            sentences.append(f"{question}{part}: {verdict} ({interval}, Holm-adjusted {p_value}).")
    return sentences


def in_order(table: pd.DataFrame, arms: tuple[str, ...]) -> pd.DataFrame:
    """Rows in the profile's order of arms, so that every table and figure shows them alike."""
    return (
        table.assign(arm=pd.Categorical(table["arm"], arms))
        .sort_values(["arm"], kind="stable", ignore_index=True)
        .astype({"arm": str})
    )
