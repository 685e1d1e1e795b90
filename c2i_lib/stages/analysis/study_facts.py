"""What a run knows of its study with raters: the facts that a methods section and a data sheet are filled from.

In: the folder of the survey, its sections of the profile, the tables of ``analyse_ratings``, and what people gave (the
tables of ``survey export``). Out: ``Study``, and its facts in words. What only people know, such as pay, is a blank
that says what belongs there. Ignored: what the ratings say of the arms.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from c2i_lib.config.analysis import Analysis
from c2i_lib.config.survey import Survey
from c2i_lib.records.stage import read_table
from c2i_lib.stages.analysis import find_left_out, images_only, read_ratings
from c2i_lib.statistics.effects import ESTIMANDS, TESTS
from c2i_lib.statistics.exclusions import median_seconds
from c2i_lib.study import QUESTIONS

_REPORTED = (("Krippendorff's alpha", "ordinal"), ("Cohen's kappa (mean over pairs)", "quadratic"))
_REPORTED += (("ICC(2,k)", "interval"),)


class Study(NamedTuple):
    """``ratings``: of all raters; ``left_out``: those who do not count; ``results``: the tables of stage 07; ``given``:
    of ``survey export``, empty where nobody used the web app; ``instructions``: "" where the run has none; ``plan``:
    its SHA-256, or ""; ``sources``: where answers came from."""

    survey: Survey
    analysis: Analysis
    items: pd.DataFrame
    ratings: pd.DataFrame
    left_out: tuple[str, ...]
    results: Mapping[str, pd.DataFrame]
    given: Mapping[str, pd.DataFrame]
    instructions: str
    plan: str
    sources: tuple[str, ...]

    @property
    def simulated(self) -> bool:
        """Whether no people took part."""
        return bool(self.ratings["simulated"].any())


def blank(what: str) -> str:
    """A place that only a person can fill."""
    return f"**[fill in: {what}]**"


def gather_study(
    survey_dir: Path,
    survey: Survey,
    analysis: Analysis,
    results: Mapping[str, pd.DataFrame],
    given: Mapping[str, pd.DataFrame],
) -> Study:
    """The study whose survey is in ``survey_dir``. Raises ``C2IError`` where there are no ratings."""
    folder = Path(survey_dir)
    ratings_file, items_file = folder / "ratings" / "ratings.parquet", folder / "items.parquet"
    ratings = read_ratings(ratings_file, survey.simulate_raters)
    left_out = find_left_out(ratings_file, items_file, survey, analysis)
    answers = folder.parent / "06_responses"
    text, plan = answers / "instructions.md", folder / "plan" / "plan.json"
    instructions = text.read_text(encoding="utf-8-sig").strip() if text.is_file() else ""
    sha256 = json.loads(plan.read_text(encoding="utf-8"))["sha256"] if plan.is_file() else ""
    sources = ["c2i's own web app"] if (answers / "responses.sqlite").is_file() else []
    sources += [f"imported: {path.stem}" for path in sorted(answers.glob("*.parquet")) if path.stem != "app"]
    tables = (read_table(items_file), ratings, left_out, results, given, instructions, sha256)
    return Study(survey, analysis, *tables, tuple(sources))


def raters(study: Study) -> str:
    """How many there were and how many count."""
    everyone = study.ratings["rater"].nunique()
    who = "simulated raters; no people took part" if study.simulated else "raters"
    names = f", of whom {len(study.left_out)} do not count ({', '.join(study.left_out)})" if study.left_out else ""
    return f"{everyone} {who}{names}"


def recruitment(study: Study) -> str:
    """How raters came, as far as the web app knows it."""
    if study.simulated:
        return "none: the raters are simulated"
    places = study.given["places"]
    if places.empty:
        return blank("how raters were found and asked; inclusion criteria")
    by_panel = sum(bool(json.loads(text).get("PROLIFIC_PID")) for text in places["parameters"])
    named = f", {by_panel} of them with a PROLIFIC_PID" if by_panel else ""
    return f"{len(places)} came by the entry link{named}; {blank('panel, its filters, inclusion criteria')}"


def consent(study: Study) -> str:
    """Who agreed, to which text, and who has withdrawn."""
    if study.simulated:
        return "none: the raters are simulated"
    consents = study.given["consents"]
    agreed = consents[consents["consented_at"].notna()]
    if agreed.empty:
        return blank("how raters agreed, and to what")
    texts = ", ".join(dict.fromkeys(agreed["text_sha256"].dropna()))
    return (
        f"{len(agreed)} raters agreed on the first page, before their first picture, to the text with the SHA-256 "
        f"{texts}; {int(consents['withdrawn_at'].notna().sum())} were withdrawn"
    )


def instructions(study: Study) -> str:
    """The hash of what raters read first."""
    if not study.instructions:
        return "none: the raters are simulated" if study.simulated else blank("what raters read first")
    return f"06_responses/instructions.md (SHA-256 {hashlib.sha256(study.instructions.encode()).hexdigest()})"


def items(study: Study) -> str:
    """Images, concepts, arms and surveys."""
    images = study.items[study.items["kind"] == "image"]
    per_arm = images.groupby("arm").size().reindex(study.survey.arms).dropna().astype(int)
    counts = ", ".join(f"{arm} {n}" for arm, n in per_arm.items())
    return (
        f"{len(images)} images of {images['concept'].nunique()} concepts, by arm: {counts}; in "
        f"{study.items['survey'].nunique()} surveys, each image in one"
    )


def quality_assurance(study: Study) -> str:
    """Repeats, checks, and the rules for leaving raters out."""
    kinds = study.items.groupby("survey")["kind"].value_counts().unstack(fill_value=0)
    mean = {kind: kinds[kind].mean() if kind in kinds else 0 for kind in ("repeat", "check")}
    checks = f"per survey {mean['check']:g} attention checks and {mean['repeat']:g} images shown twice"
    return f"{checks}; {exclusions(study)}"


def exclusions(study: Study) -> str:
    """The rules that were declared, and who was left out by name or by rule."""
    rules = study.survey.exclusions
    names = ("failed_checks_above", "same_answer_share", "median_seconds_below")
    declared = [f"{name.replace('_', ' ')} {value:g}" for name in names if (value := getattr(rules, name)) is not None]
    by_rule = [rater for rater in study.left_out if rater not in study.analysis.left_out_raters]
    parts = [f"rules declared in the profile: {', '.join(declared) or 'none'}"]
    parts += [f"left out by a rule: {', '.join(by_rule) or 'nobody'}"] if declared else []
    if study.analysis.left_out_raters:
        why = blank("why, and whether that was decided before the results were seen")
        parts.append(f"left out by name: {', '.join(study.analysis.left_out_raters)} {why}")
    return "; ".join(parts)


def answers(study: Study) -> str:
    """How many answers there are to images, and how many could not be given."""
    images = study.ratings[study.ratings["kind"] == "image"]
    unjudged = int(images["rating"].isna().sum())
    counted = images_only(images[~images["rater"].isin(study.left_out)], study.survey.arms)
    per_image = counted.groupby(["question", "image_id"]).size()
    return (
        f"{len(images)} answers to images, {unjudged} of them “cannot judge” ({unjudged / len(images):.1%}); "
        f"{len(counted)} count, {per_image.min()} to {per_image.max()} for each image and question"
    )


def dates(study: Study) -> str:
    """From the first to the last answer."""
    if study.simulated:
        return "none: the raters are simulated"
    times = pd.to_datetime(study.ratings["answered_at"], format="ISO8601", utc=True, errors="coerce").dropna()
    if times.empty:
        return blank("first and last day of the survey")
    return f"{times.min():%Y-%m-%d} to {times.max():%Y-%m-%d} (UTC)"


def duration(study: Study) -> str:
    """Time from one answer to the next, over raters."""
    if study.simulated:
        return "none: the raters are simulated"
    seconds = study.ratings.groupby("rater")["answered_at"].agg(median_seconds).dropna()
    if seconds.empty:
        return blank("time that the survey took")
    return (
        f"median time from one answer to the next: {seconds.median():.1f} s over raters ({seconds.min():.1f} to "
        f"{seconds.max():.1f} s)"
    )


def scale(study: Study, question: str) -> str:
    """The points of a question's scale."""
    labels = getattr(study.survey, question).labels
    return ", ".join(f"{point} = {label}" for point, label in enumerate(labels, start=1))


def plan(study: Study) -> str:
    """The primary contrasts, the margin, and the hash of the plan."""
    primary = [f"{one.arm} − {one.baseline} on {one.question}" for one in study.analysis.primary]
    margins = [f"{points:g} points of {name}" for name, points in study.analysis.margin if points is not None]
    named = f"primary: {'; '.join(primary) or 'none named'}; smallest difference of interest: "
    named += ", ".join(margins) or "none named"
    kept = "no plan was kept"
    if study.plan:
        kept = f"06_survey/plan/plan.json, SHA-256 {study.plan} (notebook 07 says whether it was changed since)"
    return f"{named}; {kept}"


def power(study: Study) -> str:
    """The power that was simulated for about as many concepts as there are."""
    table, n = study.results["power"], study.items.loc[study.items["kind"] == "image", "concept"].nunique()
    sizes = table["n_concepts"].unique()
    nearest = max([size for size in sizes if size <= n], default=min(sizes))
    rows = table[table["n_concepts"] == nearest]
    parts = [f"{row.power:.2f} for {row.effect:g} points of {row.question}" for row in rows.itertuples()]
    return f"simulated for one contrast with {nearest} concepts (the study has {n}): {', '.join(parts)}"


def statistics(study: Study) -> str:
    """Intervals, tests and their correction."""
    about, level = study.analysis.raters, study.analysis.confidence
    family = "the primary contrasts" if study.analysis.primary else "all comparisons"
    return (
        f"differences of means with {level:.0%} intervals {ESTIMANDS[about]}; {TESTS[about]}; Holm's correction over "
        f"{family}; Cliff's delta as effect size"
    )


def agreement(study: Study, question: str) -> str:
    """Agreement between raters, and of raters with themselves, on a question."""
    table = study.results["agreement"]
    table, parts = table[table["question"] == question], []
    for coefficient, weights in _REPORTED:
        for row in table[(table["coefficient"] == coefficient) & (table["weights"] == weights)].itertuples():
            value = f"{row.value:.2f} [{row.low:.2f}, {row.high:.2f}]" if pd.notna(row.value) else f"– ({row.reason})"
            parts.append(f"{coefficient}, {weights} weights: {value}")
    same = study.results["raters"].loc[study.results["raters"]["question"] == question, "same"].dropna()
    if len(same):
        parts.append(f"the same rating of an image shown again: {same.mean():.0%} over raters")
    return f"{'; '.join(parts)} ({study.analysis.confidence:.0%} intervals over concepts)"


def all_agreement(study: Study) -> str:
    """Agreement on both questions."""
    asked = [question for question in QUESTIONS if question in set(study.ratings["question"])]
    return " / ".join(f"{question}: {agreement(study, question)}" for question in asked)
