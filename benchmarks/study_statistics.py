"""Statistics of a study: ours, by array code, against the plain loop over draws; and 1,000 studies of validation.

One study: 150 images, 8 rater places, both questions, 10,000 bootstrap and permutation draws. The peer computes the
same bootstrap of the means, of the differences and of mean quadratic kappa, and the same permutation test, with a
Python loop over draws (pandas and scikit-learn, as in most notebooks); it is timed on ``--loop-draws`` of them and
scaled up. Then: coverage of intervals of agreement and of judges against people, and a table of 100,000 ratings by
1,000 raters. All run on one core. The last line printed is one JSON object. ``--estimands`` prints a table instead: how
well intervals and tests hold for all raters, and for these raters.
"""

import argparse
import json
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import platform
import tempfile
import time
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from c2i_lib.config import load_profile
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.reporting.tables import to_markdown
from c2i_lib.stages.analysis import analyse_ratings, tables_of_ratings
from c2i_lib.statistics.agreement import COEFFICIENTS, Cells, rating_matrix
from c2i_lib.statistics.agreement.raters import rater_table
from c2i_lib.statistics.bootstrap import Resampling, cluster_interval, expanded_interval, resampled_shares
from c2i_lib.statistics.crossed import crossed_means
from c2i_lib.statistics.effects import POPULATION, sign_flip_p
from c2i_lib.statistics.simulation import Design, cuts, shifted, simulate_studies
from c2i_lib.statistics.validity import _spearman
from c2i_lib.study import ITEM_SHARE, PAPER_SCALES, QUESTIONS

ARMS = ("base", "ft", "ft_tags")
AGREEMENTS = {("Cohen's kappa (mean over pairs)", "quadratic"), ("Krippendorff's alpha", "ordinal")}
AGREEMENTS |= {("ICC(2,1)", "interval")}


def make_study() -> pd.DataFrame:
    """Ratings of one simulated study of the paper's size: two surveys of 75 images, four raters each."""
    parts = []
    for question in QUESTIONS:
        ratings, _ = simulate_studies(PAPER_SCALES[question], Design(10, 5, 8), 1, 0, ITEM_SHARE[question])
        index = pd.MultiIndex.from_product([ARMS, range(10), range(5), range(8)], names=["arm", "c", "sample", "r"])
        table = pd.DataFrame({"rating": ratings.ravel().astype(float)}, index=index).reset_index()
        in_first = (table["c"] + table["sample"]) % 2 == 0
        table = table[in_first == (table["r"] < 4)]  # each survey has raters of its own
        parts.append(table.assign(question=question))
    table = pd.concat(parts, ignore_index=True)
    table["concept"], table["rater"] = "concept " + table["c"].astype(str), "rater " + table["r"].astype(str)
    table["image_id"] = table["prompt_id"] = (
        table["arm"] + "-" + table["c"].astype(str) + "-" + table["sample"].astype(str)
    )
    return table.assign(
        item_id="i" + table["image_id"], kind="image", simulated=True, survey="survey_1", answered_at=""
    )


def run_ours(ratings: pd.DataFrame) -> float:
    """Seconds of stage 07 on ``ratings``: all tables, from files to files."""
    profile = load_profile("paper", {"survey.simulate_raters": True})
    resampling = Resampling(profile.analysis.n_bootstrap, profile.analysis.confidence, profile.seed)
    items = pd.DataFrame(columns=["item_id", "kind", "expected_quality", "expected_faithfulness"])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "06_survey"
        for name, table in (("items", items), ("ratings", ratings)):
            with Stage(place / name, {}):
                write_table(place / name / f"{name}.parquet", table)
        start = time.perf_counter()
        files = [place / name / f"{name}.parquet" for name in ("ratings", "items")]
        settings = (profile.survey, profile.prompts.n_per_concept, resampling, profile.analysis)
        analyse_ratings(*files, Path(folder) / "07_analysis", *settings)
        return time.perf_counter() - start


def core_of_ours(ratings: pd.DataFrame, n_draws: int) -> float:
    """Seconds of the parts that the loop computes too."""
    start = time.perf_counter()
    kappa = next(function for name, weights, function in COEFFICIENTS if "Cohen" in name and weights == "quadratic")
    for _, group in ratings.groupby("question"):
        means = group.pivot_table(index="concept", columns="arm", values="rating").to_numpy()
        differences = np.stack([means[:, a] - means[:, b] for a, b in combinations(range(3), 2)], 1)
        cluster_interval(np.hstack([means, differences]), Resampling(n_draws))
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(n_draws, len(means)))
        (np.abs(signs @ differences) >= np.abs(differences.sum(0))).mean(0)
        cells = Cells(rating_matrix(group).to_numpy(), range(1, 5))
        n = len(cells.ratings)
        kappa(cells, np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=n_draws).astype(float))
    return time.perf_counter() - start


def loop(ratings: pd.DataFrame, n_draws: int) -> float:
    """Seconds of the same by a Python loop over draws."""
    random = np.random.default_rng(0)
    start = time.perf_counter()
    for _, group in ratings.groupby("question"):
        means = group.pivot_table(index="concept", columns="arm", values="rating")
        matrix = rating_matrix(group)
        for _ in range(n_draws):
            resampled = means.sample(len(means), replace=True, random_state=int(random.integers(2**31))).mean()
            [resampled[a] - resampled[b] for a, b in combinations(means.columns, 2)]
            signs = random.choice([-1, 1], size=len(means))
            [(signs * (means[a] - means[b])).mean() for a, b in combinations(means.columns, 2)]
            rows = matrix.iloc[random.integers(len(matrix), size=len(matrix))]
            kappas = []
            for first, second in combinations(rows.columns, 2):
                pair = rows[[first, second]].dropna().astype(int)
                if len(pair):
                    kappas.append(
                        cohen_kappa_score(pair[first], pair[second], labels=[1, 2, 3, 4], weights="quadratic")
                    )
            np.mean(kappas)
    return time.perf_counter() - start


def validate(n_studies: int) -> dict:
    """Coverage of 95 % intervals of differences and type I error of the test, over simulated studies."""
    from scipy.stats import norm

    start, covered, rejected = time.perf_counter(), [], []
    for question in QUESTIONS:
        scales, share = PAPER_SCALES[question], ITEM_SHARE[question]
        ratings, raters = simulate_studies(scales, Design(10, 5, 4), n_studies, 1, share)
        means = ratings.mean((3, 4))
        truth = []
        for mean, spread in scales:  # given these raters
            seen = mean + spread * np.sqrt(0.05) * raters[..., None]
            truth.append(1 + norm.sf((cuts(4) - seen) / (spread * np.sqrt(0.95))).sum(-1).mean(-1))
        for a, b in combinations(range(3), 2):
            low, high = cluster_interval((means[:, b] - means[:, a]).T, Resampling())
            covered.append(((low <= truth[b] - truth[a]) & (truth[b] - truth[a] <= high)).mean())
        null, _ = simulate_studies((scales[0], scales[0]), Design(10, 5, 4), n_studies, 2, share)
        null = null.mean((3, 4))
        rejected.append((sign_flip_p(null[:, 1] - null[:, 0], np.random.default_rng(0)) <= 0.05).mean())
    seconds = time.perf_counter() - start
    return {"studies": n_studies, "validation_seconds": round(seconds, 1)} | {
        "coverage_lowest": round(min(covered), 3),
        "coverage_mean": round(float(np.mean(covered)), 3),
        "coverage_highest": round(max(covered), 3),
        "type_one_error": [round(float(share), 3) for share in rejected],
    }


def estimands(n_studies: int) -> list[dict]:
    """How often 95 % intervals of a difference of .3 points miss it for all raters, and how often a true null is
    rejected: over concepts and raters, and over concepts alone, for raters with more and less taste for an arm. And how
    often equivalence is claimed within a margin that the true difference just reaches: each claim is an error."""
    rows, scale, share = [], PAPER_SCALES["quality"][0], ITEM_SHARE["quality"]
    for taste, n_raters, n_concepts in product((0.0, 0.02, 0.05), (4, 10, 30), (10, 30, 100)):
        row = {"taste": taste, "raters": n_raters, "concepts": n_concepts}
        for name, effect in (("missed", 0.3), ("rejected", 0.0)):
            scales = (scale, shifted(scale, effect))
            ratings, _ = simulate_studies(scales, Design(n_concepts, 5, n_raters), n_studies, 3, share, 0.5, taste)
            cells = np.diff(ratings.mean(3, dtype=float), axis=1)[:, 0]
            estimates = crossed_means(cells)
            ends = np.array([estimate.interval(0.95) for estimate in estimates]).T
            over_concepts = cluster_interval(cells.mean(2).T, Resampling(2000))
            for of, (low, high) in (("population", ends), ("these", over_concepts)):
                row[f"{name}_{of}"] = round(float(((low > effect) | (high < effect)).mean()), 3)
            if effect:
                claimed = [estimate.p_equivalence(effect) < 0.05 for estimate in estimates]
                row["equivalent_population"] = round(float(np.mean(claimed)), 3)
        rows.append(row)
    return rows


def study_of_images(n_concepts: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ratings ``(n_images, 3)``, six images a concept, and the concept of each: what a concept looks like, and how each
    rater reads it, is the same for all its images."""
    item = np.repeat(random.normal(0, 1.0, n_concepts), 6) + random.normal(0, 0.4, n_concepts * 6)
    reading = np.repeat(random.normal(0, 0.5, (n_concepts, 3)), 6, axis=0)
    latent = item[:, None] + reading + random.normal(0, 0.5, (n_concepts * 6, 3))
    return np.clip(np.round(2.5 + latent), 1, 4), np.repeat(np.arange(n_concepts), 6)


def agreement_coverage(n_studies: int, sizes: tuple[int, ...] = (5, 10, 30, 100)) -> dict:
    """How often 95 % intervals hold the truth: of images by plain percentiles, and of concepts by widened ones; each
    of quadratic kappa, ordinal alpha and ICC(2,1)."""
    random, found = np.random.default_rng(3), {}
    functions = [function for name, weights, function in COEFFICIENTS if (name, weights) in AGREEMENTS]
    large = Cells(study_of_images(20_000, random)[0], range(1, 5))
    truth = [function(large, np.ones((1, large.n_clusters)))[0] for function in functions]
    for n_concepts in sizes:
        held = np.zeros((2, len(functions)))
        for study in range(n_studies):
            ratings, concepts = study_of_images(n_concepts, random)
            for row, labels in enumerate((None, concepts)):
                cells = Cells(ratings, range(1, 5), labels)
                draws = resampled_shares(cells.n_clusters, Resampling(500, 0.95, study))
                for place, function in enumerate(functions):
                    values = function(cells, draws)
                    low, high = expanded_interval(values, cells.n_clusters, 0.95)[1:]
                    if labels is None:
                        low, high = np.nanquantile(values[1:], [0.025, 0.975])
                    held[row, place] += low <= truth[place] <= high
        found[f"agreement_coverage_{n_concepts}_concepts"] = (held / n_studies).round(3).tolist()
    return found


def judge_coverage(n_studies: int, n_concepts: int = 10) -> dict:
    """How often 95 % intervals of a judge's rank correlation with people hold the truth, as they are and unwidened."""
    random, held = np.random.default_rng(5), np.zeros(2)

    def study(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shown, seen = (np.repeat(random.normal(0, s, n), 5) + random.normal(0, 0.7, n * 5) for s in (1.0, 0.7))
        return shown, 0.6 * shown + seen, np.repeat(np.arange(n), 5)

    truth = spearmanr(*study(40_000)[:2]).statistic
    for number in range(n_studies):
        people, judge, codes = study(n_concepts)
        draws = resampled_shares(n_concepts, Resampling(1000, 0.95, number))
        values = _spearman(people, judge, draws[:, codes])
        ends = (np.quantile(values[1:], [0.025, 0.975]), expanded_interval(values, n_concepts, 0.95)[1:])
        held += [low <= truth <= high for low, high in ends]
    return {"judge_coverage_plain_and_widened": (held / n_studies).round(3).tolist()}


def large_table(n_ratings: int = 100_000, n_raters: int = 1000) -> dict:
    """Seconds of all tables of so many ratings: four arms, 1,000 concepts, five images each, five raters an image."""
    random, n_images = np.random.default_rng(0), n_ratings // 5
    image = np.repeat(np.arange(n_images), 5)
    rater = np.concatenate([random.choice(n_raters, 5, replace=False) for _ in range(n_images)])
    points = np.clip(np.round(3 + random.normal(size=n_images)[image] + 0.6 * random.normal(size=n_ratings)), 1, 5)
    table = pd.DataFrame({"image_id": image.astype(str), "rater": rater.astype(str), "rating": points, "kind": "image"})
    table["arm"], table["concept"] = np.array(list("abcd"))[image % 4], (image // 4 % 1000).astype(str)
    table = table.assign(question="quality", prompt_id=table["image_id"])
    start, processor = time.perf_counter(), time.process_time()
    tables_of_ratings(table, range(1, 6), Resampling(), POPULATION)
    rater_table(table, None, ["quality"], range(1, 6))
    seconds = (time.perf_counter() - start, time.process_time() - processor)
    return {"large_table_seconds": round(seconds[0], 1), "large_table_processor_seconds": round(seconds[1], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loop-draws", type=int, default=100, help="draws that the loop is timed on")
    parser.add_argument("--estimands", action="store_true", help="only the table for all raters and for these raters")
    parser.add_argument("--quick", action="store_true", help="20 draws of the loop, 200 studies")
    args = parser.parse_args()
    if args.estimands:
        print(to_markdown(pd.DataFrame(estimands(200 if args.quick else 2000))))
        return
    ratings, n_draws, timed = make_study(), 10_000, 20 if args.quick else args.loop_draws
    ours, theirs = core_of_ours(ratings, n_draws), loop(ratings, timed) * n_draws / timed
    figures = {"machine": f"{platform.processor() or platform.machine()}, 1 core", "ratings": len(ratings)}
    figures |= {"all_statistics_seconds": round(run_ours(ratings), 2), "core_seconds": round(ours, 2)}
    figures |= {"loop_seconds_scaled_up": round(theirs), "times_loop": round(theirs / ours)}
    n_studies = 200 if args.quick else 1000
    figures |= large_table() | agreement_coverage(n_studies) | judge_coverage(n_studies)
    print(json.dumps(figures | validate(n_studies)))


if __name__ == "__main__":
    main()
