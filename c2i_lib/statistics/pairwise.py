"""Which arm wins side by side: the model of Bradley and Terry, with Davidson's ties.

In: an answers table (``PAIRS_COLUMNS``): a rater saw pictures of two arms of one concept and said which is better,
"left", "right" or "tie". Out: a strength for each arm and comparisons of all pairs of arms, with intervals. Arm i wins
over j with πi / (πi + πj + ν·√(πi·πj)), and ties have the part with ν (Bradley and Terry 1952, Biometrika 39:324,
https://doi.org/10.1093/biomet/39.3-4.324; Davidson 1970, Journal of the American Statistical Association 65:317,
https://doi.org/10.1080/01621459.1970.10481082). Strengths are log π and sum to zero: a difference of two is the log of
how often one wins for each time that it loses. Concepts weigh alike, and within one its raters. Ignored: the side,
which is why sides must be balanced.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import softmax

from c2i_lib.errors import C2IError
from c2i_lib.statistics.claims import CLAIM_COLUMNS, Claims, add_claims, holm
from c2i_lib.statistics.crossed import Crossed, crossed_mean
from c2i_lib.statistics.effects import POPULATION

LEFT, TIE, RIGHT = "left", "tie", "right"
ANSWERS = (LEFT, TIE, RIGHT)
PAIRS_COLUMNS = dict.fromkeys(("concept", "rater", "left_arm", "right_arm", "question", "answer"), "str")
_ENDS = {"low": "float64", "high": "float64"}
STRENGTHS_COLUMNS = {"question": "str", "arm": "str", **dict.fromkeys(("n", "won", "tied", "lost"), "int64")}
STRENGTHS_COLUMNS |= {"strength": "float64", **_ENDS}
# ``preferred``: the share of pictures of ``arm`` that win over those of ``baseline`` by the model, ties counted half.
CONTRASTS_COLUMNS = {"question": "str", "arm": "str", "baseline": "str", "difference": "float64", **_ENDS}
CONTRASTS_COLUMNS |= {"preferred": "float64", "p": "float64", "p_holm": "float64", "n_concepts": "int64"}
_LEAST_INFORMATION = 1e-6  # of an answer, on the parameter that it says least of; below, a strength has no bound


class Davidson(NamedTuple):
    """A fit: ``strengths (n_arms,)``, which sum to zero, ``log_ties`` (log ν; −∞: no tie), and ``influence (n,
    n_arms)``: by how much each answer, weighted as it was, has moved each strength."""

    strengths: np.ndarray
    log_ties: float
    influence: np.ndarray

    def shares(self, first: int, second: int) -> np.ndarray:
        """``(3,)``: how often the first arm wins over the second, ties, and loses."""
        gap = self.strengths[first] - self.strengths[second]
        return softmax([gap / 2, self.log_ties, -gap / 2])


def _features(first: np.ndarray, second: np.ndarray, n_arms: int, has_ties: bool) -> np.ndarray:
    """``(n, 3, n_arms − 1 + has_ties)``: what the logs of outcomes are linear in. The first arm has strength zero."""
    arms = np.eye(n_arms)[:, 1:]
    outcomes = np.stack([arms[first], (arms[first] + arms[second]) / 2, arms[second]], 1)
    ties = np.broadcast_to(np.array([0.0, 1.0, 0.0])[:, None], (len(first), 3, 1))
    return np.concatenate([outcomes, ties], 2) if has_ties else outcomes[:, [0, 2]]


def fit_davidson(
    first: np.ndarray, second: np.ndarray, outcome: np.ndarray, n_arms: int, weights: np.ndarray | None = None
) -> Davidson:
    """The likeliest strengths. ``first, second (n,)``: numbers of arms from 0; ``outcome (n,)``: 0 the first won, 1 a
    tie, 2 the second won; ``weights (n,)``: of each answer, by default all alike.

    Raises ``C2IError`` where the answers do not bound the strengths: an arm that always won, or arms never compared.
    """
    first, second, outcome = (np.asarray(part, int) for part in (first, second, outcome))
    weights = np.full(len(first), 1.0) if weights is None else np.asarray(weights, float)
    weights, has_ties = weights / weights.sum(), bool((outcome == 1).any())
    features = _features(first, second, n_arms, has_ties)
    rows = np.arange(len(first))
    given = features[rows, outcome if has_ties else outcome // 2]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scores = features @ parameters
        top = scores.max(1)
        log_sum = top + np.log(np.exp(scores - top[:, None]).sum(1))
        expected = (softmax(scores, 1)[:, :, None] * features).sum(1)
        return weights @ (log_sum - given @ parameters), weights @ (expected - given)

    def information(parameters: np.ndarray) -> np.ndarray:
        shares = softmax(features @ parameters, 1)
        centred = features - (shares[:, :, None] * features).sum(1, keepdims=True)
        return np.einsum("n,nk,nki,nkj->ij", weights, shares, centred, centred, optimize=True)

    start = np.zeros(features.shape[2])
    found = minimize(loss, start, jac=True, hess=information, method="trust-exact", options={"gtol": 1e-10}).x
    known = information(found)
    if np.linalg.eigvalsh(known)[0] < _LEAST_INFORMATION:
        raise C2IError(
            "these answers set no bound to how much better an arm is: an arm won, or lost, all its comparisons, all "
            "were ties, or some arms were never compared. Collect more answers, or leave that arm out"
        )
    scores = features @ found
    residuals = given - (softmax(scores, 1)[:, :, None] * features).sum(1)
    moved = weights[:, None] * np.linalg.solve(known, residuals.T).T[:, : n_arms - 1]
    strengths, influence = np.append(0.0, found[: n_arms - 1]), np.column_stack([np.zeros(len(moved)), moved])
    log_ties = float(found[-1]) if has_ties else -np.inf
    return Davidson(strengths - strengths.mean(), log_ties, influence - influence.mean(1, keepdims=True))


def pairs_of_ratings(ratings: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The answers table from ratings of pairs (``item_id, concept, rater, question, rating``: 1 left, 2 tie, 3 right;
    NaN, who could not judge, is left out) and from which arm stood where (``item_id, left_arm, right_arm``)."""
    given = ratings.dropna(subset=["rating"]).merge(pairs, on="item_id")
    words = dict(enumerate(ANSWERS, start=1))
    return given.assign(answer=given["rating"].map(words))[list(PAIRS_COLUMNS)].reset_index(drop=True)


def check_pairs(answers: pd.DataFrame) -> None:
    """Raise ``C2IError`` where a table is not one of ``PAIRS_COLUMNS``, with what is wrong."""
    if missing := sorted(set(PAIRS_COLUMNS) - set(answers)):
        raise C2IError(f"a table of pairs should have the columns {', '.join(PAIRS_COLUMNS)}; {missing} are missing")
    if strange := sorted(set(answers["answer"].astype(str)) - set(ANSWERS)):
        raise C2IError(f"answers to pairs should be {', '.join(ANSWERS)}, found {strange[:5]}: correct or drop them")
    if (answers["left_arm"] == answers["right_arm"]).any():
        row = answers[answers["left_arm"] == answers["right_arm"]].iloc[0]
        raise C2IError(f"a pair of {row.concept!r} has {row.left_arm!r} on both sides: two arms are compared; drop it")


def _weights(group: pd.DataFrame) -> np.ndarray:
    """``(n,)``, sum 1: concepts weigh alike, in one its raters, and in those their answers."""
    in_cell = group.groupby(["concept", "rater"])["answer"].transform("size")
    raters = group.groupby("concept")["rater"].transform("nunique")
    return (1 / (in_cell * raters * group["concept"].nunique())).to_numpy()


def _estimate(group: pd.DataFrame, influence: np.ndarray, value: float, raters: str) -> Crossed:
    """``value`` with its error, from how much each answer moved it: the sum over the answers of a concept and rater is
    that cell's part, and the parts vary over concepts and raters as the cells of ``crossed_mean`` do."""
    parts = group.assign(part=influence).pivot_table(index="concept", columns="rater", values="part", aggfunc="sum")
    n_concepts, cells = len(parts), parts.to_numpy()
    if raters == POPULATION:
        shares = np.isfinite(cells).sum(1, keepdims=True) * n_concepts
        return crossed_mean(cells * shares)._replace(mean=value)
    if n_concepts < 2:
        return Crossed(value, float("nan"), float("nan"))
    return Crossed(value, float(np.nansum(cells, 1).std(ddof=1) * n_concepts**0.5), n_concepts - 1)


def _tables_of_question(
    group: pd.DataFrame, arms: list[str], confidence: float, raters: str
) -> tuple[list[dict], list[dict]]:
    """Rows of both tables for one question."""
    place = {arm: number for number, arm in enumerate(arms)}
    sides = [group[side].map(place).to_numpy() for side in ("left_arm", "right_arm")]
    outcome = group["answer"].map({LEFT: 0, TIE: 1, RIGHT: 2}).to_numpy()
    fit = fit_davidson(*sides, outcome, len(arms), _weights(group))
    strengths, contrasts = [], []
    for number, arm in enumerate(arms):
        result = np.concatenate([outcome[sides[0] == number], 2 - outcome[sides[1] == number]])
        counts = dict(zip(("won", "tied", "lost"), np.bincount(result, minlength=3), strict=True))
        estimate = _estimate(group, fit.influence[:, number], fit.strengths[number], raters)
        low, high = estimate.interval(confidence)
        strengths.append({"arm": arm, "n": len(result), **counts, "strength": estimate.mean, "low": low, "high": high})
    for base, arm in combinations(range(len(arms)), 2):
        gap = fit.strengths[arm] - fit.strengths[base]
        estimate = _estimate(group, fit.influence[:, arm] - fit.influence[:, base], gap, raters)
        low, high = estimate.interval(confidence)
        row = {"arm": arms[arm], "baseline": arms[base], "difference": gap, "low": low, "high": high, "p": estimate.p}
        preferred = fit.shares(arm, base) @ [1, 0.5, 0]
        contrasts.append(row | {"preferred": preferred, "n_concepts": group["concept"].nunique()})
    return strengths, contrasts


def compare_pairs(
    answers: pd.DataFrame,
    arms: list[str],
    confidence: float = 0.95,
    raters: str = POPULATION,
    claims: Claims | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Strengths of arms (``STRENGTHS_COLUMNS``) and all pairs of arms (``CONTRASTS_COLUMNS``, with ``claims`` also
    ``CLAIM_COLUMNS``), for each question.

    ``answers``: ``PAIRS_COLUMNS``; ``arms``: all that occur in it, in the order of the tables. ``raters``: whom
    intervals and tests are about; for the ``POPULATION`` concepts and raters are both drawn from many (``crossed``).
    ``p`` is of a t, and Holm's correction is as in ``compare_arms``. Raises ``C2IError`` as ``fit_davidson`` and
    ``check_pairs`` do, and for an arm that is not in ``arms`` or not in ``answers``.
    """
    check_pairs(answers)
    strengths, contrasts = [], []
    for question, group in answers.groupby("question", sort=False):
        found = set(group["left_arm"]) | set(group["right_arm"])
        if odd := sorted(found ^ set(arms)):
            raise C2IError(
                f"pairs should compare {', '.join(arms)}, but on {question} {odd} is in one of the two only: "
                "wait for more answers, or name the arms that were shown"
            )
        parts = _tables_of_question(group, list(arms), confidence, raters)
        for table, rows in zip((strengths, contrasts), parts, strict=True):
            table += [{"question": question, **row} for row in rows]
    strengths = pd.DataFrame(strengths, columns=list(STRENGTHS_COLUMNS)).astype(STRENGTHS_COLUMNS)
    contrasts = pd.DataFrame(contrasts, columns=list(CONTRASTS_COLUMNS | CLAIM_COLUMNS))
    contrasts["p_holm"] = holm(contrasts["p"])
    if claims is None:
        return strengths, contrasts[list(CONTRASTS_COLUMNS)].astype(CONTRASTS_COLUMNS)
    return strengths, add_claims(contrasts, claims, confidence).astype(CONTRASTS_COLUMNS | CLAIM_COLUMNS)
