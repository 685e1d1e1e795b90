"""Ratings: simulated from judges' scores, or collected from answers of people.

In: ``items.parquet``, ``orders.parquet``, and either scores or answers tables (``rater, item_id, question, rating,
answered_at, comment``, of the web app or imported). Out: ``ratings.parquet`` (``RATINGS_COLUMNS``; a rating is NaN
where the rater could not judge). Ignored: comments, which stay in the answers tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import seed_of, write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.stages.survey import formats
from c2i_lib.stages.survey.raters import read_orders
from c2i_lib.stages.survey.responses import gather_answers, responses_folder
from c2i_lib.statistics.simulation import RATER_SHARE, rate
from c2i_lib.study import ITEM_SHARE, PAPER_SCALES, QUESTIONS

RATINGS_COLUMNS = {"survey": "str", "rater": "str", "item_id": "str", "kind": "str", "image_id": "str"}
RATINGS_COLUMNS |= {"prompt_id": "str", "arm": "str", "concept": "str", "sample": "Int64", "question": "str"}
RATINGS_COLUMNS |= {"rating": "float64", "answered_at": "str", "simulated": "bool"}


def simulate_answers(
    items: pd.DataFrame, orders: pd.DataFrame, scores: pd.DataFrame, settings: Survey, seed: int
) -> pd.DataFrame:
    """An answers table of simulated raters (``simulation``), whose impression of an image is the judge's score.

    The score, as a normal quantile of its rank among all images, takes the place of concept and image in the latent
    scale; mean and spread are those of the paper's arms together. Attention checks are passed.
    """
    score_of = scores.set_index("image_id")
    rows = orders.merge(items, on=["survey", "item_id"])
    parts = []
    for question in QUESTIONS:
        quantiles = norm.ppf((rankdata(score_of[question]) - 0.5) / len(score_of))
        impression = rows["image_id"].map(pd.Series(quantiles, index=score_of.index)).fillna(0).to_numpy()
        severity = {rater: _normal(seed, question, rater) for rater in rows["rater"].unique()}
        # By the picture's own id: the same noise in another order, survey or version of c2i.
        keys = rows[["rater", "kind", "image_id"]].itertuples(index=False)
        noise = np.array([_normal(seed, question, *key) for key in keys])
        share = ITEM_SHARE[question]
        latent = np.sqrt(share) * impression + np.sqrt(RATER_SHARE) * rows["rater"].map(severity).to_numpy()
        latent = latent + np.sqrt(1 - share - RATER_SHARE) * noise
        mean, spread = np.mean(PAPER_SCALES[question], axis=0)
        rating = rate(mean + spread * latent, settings.scale_points).astype(float)
        rating = np.where(rows["kind"] == "check", rows[f"expected_{question}"], rating)
        parts.append(rows[["rater", "item_id"]].assign(question=question, rating=rating))
    return pd.concat(parts, ignore_index=True).assign(answered_at="", comment="")


def _normal(*parts: object) -> float:
    """A standard normal number that depends on ``parts`` alone."""
    return np.random.default_rng(seed_of(*parts)).normal()


def import_answers(
    files: Iterable[Path],
    survey_dir: Path,
    settings: Survey,
    kind: str = "auto",
    mapping: pd.DataFrame | None = None,
    rater_column: str | None = None,
    loops: dict[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Check exports of survey tools and keep their answers in ``06_responses/``, which notebook 06 reads.

    Returns the answers of ``files``; ``attrs["notes"]`` says what was left out. Raises ``C2IError`` for anything that
    cannot be right, and then keeps nothing.
    """
    if settings.simulate_raters:
        raise C2IError(
            "this run simulates its raters (survey.simulate_raters is true), so it takes no answers of people: "
            "make a run with -p survey.simulate_raters=false"
        )
    items, orders = read_table(Path(survey_dir) / "items.parquet"), read_orders(survey_dir)
    folder, tables, notes = responses_folder(survey_dir), {}, []
    for path in map(Path, files):
        table = formats.read_answers(path, items, settings, kind, mapping, rater_column, loops, columns)
        notes += [f"{path.name}: {note}" for note in table.attrs.get("notes", [])]
        if f"{path.stem}.parquet" in tables or path.stem == "app":
            raise C2IError(f"{path}: rename it, because another source of answers is called {path.stem!r}")
        tables[f"{path.stem}.parquet"] = table
    together = pd.concat(tables.values(), ignore_index=True)
    notes += formats.check_answers(together, items, orders, settings, "the imported files")
    earlier = [table for table in gather_answers(survey_dir) if table.name not in tables]
    join_items(pd.concat([together, *map(pd.read_parquet, earlier)], ignore_index=True), items, simulated=False)
    for name, table in tables.items():
        write_table(folder / name, table)
    together.attrs["notes"] = list(dict.fromkeys(notes))
    return together


def join_items(answers: pd.DataFrame, items: pd.DataFrame, simulated: bool) -> pd.DataFrame:
    """Rows of ``ratings.parquet`` from an answers table. Raises ``C2IError`` for items of another run."""
    unknown = sorted(set(answers["item_id"]) - set(items["item_id"]))
    if unknown:
        raise C2IError(
            f"answers name items that are in no survey of this run: {', '.join(unknown[:5])}. They were given to other "
            "pictures: import them into the run that they were asked in"
        )
    repeated = answers[answers.duplicated(["rater", "item_id", "question"])]
    if len(repeated):
        row = repeated.iloc[0]
        raise C2IError(
            f"rater {row.rater!r} answered {row.question} of item {row.item_id} in two sources: remove one of "
            "them from 06_responses"
        )
    return answers.merge(items, on="item_id").assign(simulated=simulated)[list(RATINGS_COLUMNS)]


def collect_ratings(
    survey_dir: Path, settings: Survey, seed: int, scores_file: Path | None = None, answers: Iterable[Path] = ()
) -> pd.DataFrame:
    """The ratings of built surveys, in ``<survey_dir>/ratings/``: simulated from ``scores_file``, or those of
    ``answers`` tables. Without either the table is empty: the survey is waiting for its raters.

    Raises ``C2IError`` when both are given, and when ``settings`` forbid simulated raters.
    """
    folder, answers = Path(survey_dir) / "ratings", [Path(path) for path in answers]
    if scores_file and answers:
        raise C2IError("give either scores, to simulate raters, or answers of people, not both")
    if scores_file and not settings.simulate_raters:
        raise C2IError("this run takes no simulated raters (survey.simulate_raters is false)")
    built = [Path(survey_dir) / name for name in ("items.parquet", "orders.parquet")]
    key = {"seed": seed, "scale_points": settings.scale_points}
    inputs = [*built, *([scores_file] if scores_file else [])]
    with Stage(folder, key, inputs, __name__, others=answers) as stage:
        if not stage.done:
            items, orders = map(read_table, built)
            if scores_file:
                given = simulate_answers(items, orders, read_table(scores_file), settings, seed)
            else:
                empty = pd.DataFrame(columns=["rater", "item_id", "question", "rating", "answered_at", "comment"])
                given = pd.concat([empty, *map(pd.read_parquet, answers)], ignore_index=True)
            ratings = join_items(given, items, bool(scores_file))
            write_table(folder / "ratings.parquet", ratings, RATINGS_COLUMNS)
    return pd.read_parquet(folder / "ratings.parquet")
