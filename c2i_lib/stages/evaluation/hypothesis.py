"""The paper's hypothesis: a finetuned model writes prompts closer to the captions, and these give better pictures.

In: judge scores, closeness of prompts, and groups of concepts. Out, in ``08_judges/hypothesis/``: ``effects`` (arms
against ``concept_only``, ``retrieved`` and ``base``, in every group of concepts), ``seeds`` (the same for every model
of an arm), ``closeness`` (means per arm), ``slopes`` (within concepts), ``mediation`` (how much of an effect goes
through closeness), ``copying`` (what is left of it without copies) ``.parquet``; and the answers in words. All
intervals resample concepts. Ignored: ratings of people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.stages.evaluation.closeness import CAPTIONS
from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.effects import COMPARISON_COLUMNS, bootstrap_means, compare_arms, in_order
from c2i_lib.statistics.mediation import mediation, within_concept_slope
from c2i_lib.study import FINETUNED_ARMS, QUESTIONS

BASELINES = ("concept_only", "retrieved", "base")
MEASURES = ("log_likelihood", "meaning", "wording")  # of closeness
NEAR_COPY = 0.8  # cosine of wording from which on a prompt counts as a near copy of a caption
EVERYTHING = "all"  # the group of all concepts

_ENDS = {"low": "float64", "high": "float64"}
EFFECTS_COLUMNS = {**COMPARISON_COLUMNS, "group": "str", "n_concepts": "int64"}
SEEDS_COLUMNS = {"replicate": "int64", **COMPARISON_COLUMNS}
MEAN_CLOSENESS_COLUMNS = {"measure": "str", "arm": "str", "mean": "float64", **_ENDS}
SLOPES_COLUMNS = {"outcome": "str", "measure": "str", "within": "str", "slope": "float64", **_ENDS}
SLOPES_COLUMNS |= {"correlation": "float64"}
MEDIATION_COLUMNS = {"outcome": "str", "arm": "str", "measure": "str", "path": "str", "value": "float64", **_ENDS}
COPYING_COLUMNS = {"prompts": "str", "question": "str", "arm": "str", "n_concepts": "int64", "n_images": "int64"}
COPYING_COLUMNS |= {"difference": "float64", **_ENDS, "p": "float64"}
COLUMNS = {
    "effects": EFFECTS_COLUMNS,
    "seeds": SEEDS_COLUMNS,
    "closeness": MEAN_CLOSENESS_COLUMNS,
    "slopes": SLOPES_COLUMNS,
    "mediation": MEDIATION_COLUMNS,
    "copying": COPYING_COLUMNS,
}


def _long(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.melt(["arm", "replicate", "concept", "image_id"], list(QUESTIONS), "question", "score")


def _against_baselines(scores: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """``effects.compare_arms`` of each arm against each of ``BASELINES``; Holm's correction is over all pairs."""
    pairs = compare_arms(_long(scores), "score", resampling)
    return pairs[pairs["baseline"].isin(BASELINES)].reset_index(drop=True)


def effects_by_group(scores: pd.DataFrame, groups: Mapping[str, str], resampling: Resampling) -> pd.DataFrame:
    """Differences from the baselines among all concepts, and among those of each group: ``EFFECTS_COLUMNS``."""
    scores_of = {EVERYTHING: scores}
    scores_of |= {name: scores[scores["concept"].map(groups) == name] for name in dict.fromkeys(groups.values())}
    parts = [
        _against_baselines(part, resampling).assign(group=name, n_concepts=part["concept"].nunique())
        for name, part in scores_of.items()
        if part["concept"].nunique() > 1
    ]
    return _concat(parts, EFFECTS_COLUMNS)


def effects_by_seed(scores: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Differences from the baselines of every model of a finetuned arm: ``SEEDS_COLUMNS``."""
    baselines = scores[scores["arm"].isin(BASELINES)]
    finetuned = scores[scores["arm"].isin(FINETUNED_ARMS)]
    parts = []
    for replicate, models in finetuned.groupby("replicate"):
        pairs = _against_baselines(pd.concat([baselines, models]), resampling)
        parts.append(pairs[pairs["arm"].isin(FINETUNED_ARMS)].assign(replicate=replicate))
    return _concat(parts, SEEDS_COLUMNS)


def mean_closeness(closeness: pd.DataFrame, clouds: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Means per arm of every measure, and the distance of its cloud: ``MEAN_CLOSENESS_COLUMNS``.

    Held-out captions are no arm of the study: their "concepts" are the captions themselves.
    """
    parts = []
    for measure in [name for name in (*MEASURES, "copied") if name in closeness]:
        for _, group in closeness.groupby(closeness["arm"] == CAPTIONS):
            parts.append(bootstrap_means(group, measure, resampling).assign(measure=measure))
    cloud = clouds.rename(columns={"distance": "mean"}).assign(measure="cloud_distance")
    return _concat([*parts, cloud], MEAN_CLOSENESS_COLUMNS)


def all_slopes(table: pd.DataFrame, measures: list[str], resampling: Resampling) -> pd.DataFrame:
    """``mediation.within_concept_slope`` of every measure and outcome, over all images that language models asked for
    and among images of one arm alone: ``SLOPES_COLUMNS``."""
    parts = []
    for outcome in QUESTIONS:
        for measure in measures:
            for within_arm in (False, True):
                slope = within_concept_slope(table, measure, outcome, within_arm, resampling)
                within = "concept and arm" if within_arm else "concept"
                parts.append(pd.DataFrame([{"outcome": outcome, "measure": measure, "within": within, **slope}]))
    return _concat(parts, SLOPES_COLUMNS)


def all_mediations(table: pd.DataFrame, measures: list[str], resampling: Resampling) -> pd.DataFrame:
    """``mediation.mediation`` of every finetuned arm against ``base``, through every measure, on every outcome."""
    parts = [
        mediation(table, arm, "base", measure, outcome, resampling).assign(outcome=outcome, arm=arm, measure=measure)
        for outcome in QUESTIONS
        for arm in _finetuned(table)
        for measure in measures
    ]
    return _concat(parts, MEDIATION_COLUMNS)


def without_copies(table: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Effects of finetuned arms on ``base`` with all prompts, without copies and without near copies of captions:
    ``COPYING_COLUMNS``.

    A concept all of whose prompts in one of the two arms are left out has nothing to compare, and is left out, too.
    """
    is_in = {"all": table["wording"] > -1, "no copies": ~table["copied"]}
    is_in |= {"no near copies": table["wording"] < NEAR_COPY}
    parts = []
    for name, rows in is_in.items():
        for arm in _finetuned(table):
            pair = pd.concat([table[rows & (table["arm"] == one)] for one in ("base", arm)])
            in_both = pair.groupby("concept")["arm"].transform("nunique") == 2
            pair = pair[in_both]
            if pair["concept"].nunique() > 1:
                counts = {"n_concepts": pair["concept"].nunique(), "n_images": int((pair["arm"] == arm).sum())}
                parts.append(compare_arms(_long(pair), "score", resampling).assign(prompts=name, **counts))
    return _concat(parts, COPYING_COLUMNS)


def _finetuned(table: pd.DataFrame) -> list[str]:
    """The arms that can be compared with ``base``: none, where that is no arm of the profile."""
    arms = list(dict.fromkeys(table["arm"]))
    return [arm for arm in arms if arm in FINETUNED_ARMS and "base" in arms]


def _concat(parts: Sequence[pd.DataFrame], columns: Mapping[str, str]) -> pd.DataFrame:
    """Parts of a table, one below the other; only its head where there are none."""
    return pd.concat(parts, ignore_index=True)[list(columns)] if parts else pd.DataFrame(columns=list(columns))


def analyse_hypothesis(
    scores_file: Path,
    closeness_dir: Path,
    groups: Mapping[str, str],
    out_dir: Path,
    arms: Sequence[str],
    resampling: Resampling,
) -> dict[str, pd.DataFrame]:
    """All tables (see above), with the columns of ``COLUMNS``: ``{name: table}``.

    ``closeness_dir``: what ``closeness.measure_closeness`` wrote; ``groups``: concept → its group, or empty; ``arms``:
    of the profile's prompts, in its order. Images that are flagged have no score and are left out. Without ``base`` or
    without a finetuned arm, tables that compare them are empty.
    """
    folder = Path(out_dir)
    inputs = [scores_file, *(Path(closeness_dir) / f"{name}.parquet" for name in ("closeness", "clouds"))]
    key = {**asdict(resampling), "groups": dict(groups), "arms": arms}
    with Stage(folder, key, inputs, __name__) as stage:
        if not stage.done:
            scores, closeness, clouds = (read_table(path) for path in inputs)
            tables = _all_tables(in_order(scores, arms), closeness, clouds, groups, resampling)
            for name, columns in COLUMNS.items():
                write_table(folder / f"{name}.parquet", tables[name], columns)
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in COLUMNS}


def _all_tables(
    scores: pd.DataFrame,
    closeness: pd.DataFrame,
    clouds: pd.DataFrame,
    groups: Mapping[str, str],
    resampling: Resampling,
) -> dict[str, pd.DataFrame]:
    measures = [name for name in MEASURES if name in closeness]
    written = scores[scores["arm"].isin(["base", *FINETUNED_ARMS])]
    closeness_of = closeness.set_index("prompt_id")[[*measures, "copied"]]
    written = written.join(closeness_of, on="image_id", validate="1:1")  # an image has the id of its prompt
    return {
        "effects": effects_by_group(scores, groups, resampling),
        "seeds": effects_by_seed(scores, resampling),
        "closeness": mean_closeness(closeness, clouds, resampling),
        "slopes": all_slopes(written, measures if len(written) else [], resampling),
        "mediation": all_mediations(written, measures, resampling),
        "copying": without_copies(written, resampling),
    }


def _verdict(row: Mapping, value: str, confidence: float, p_holm: float | None = None) -> tuple[str, str]:
    """Whether a difference is shown (``higher``, ``lower``, or empty), and its numbers."""
    numbers = f"{row[value]:+.3f}, {100 * confidence:g} % interval {row['low']:+.3f} to {row['high']:+.3f}"
    is_clear = (row["low"] > 0 or row["high"] < 0) and (p_holm is None or p_holm < 1 - confidence)
    return ("" if not is_clear else "higher" if row[value] > 0 else "lower"), numbers


def describe(results: Mapping[str, pd.DataFrame], confidence: float) -> list[str]:
    """The steps of the hypothesis in words, arm by arm, with their numbers; "not shown" where it is not."""
    lines, mediations = [], results["mediation"]
    if mediations.empty:
        return ["The hypothesis needs the arm base and a finetuned one: this profile has no such pair."]
    measure = mediations["measure"].iloc[0]
    effects = results["effects"][results["effects"]["group"] == EVERYTHING]
    for arm in dict.fromkeys(mediations["arm"]):
        paths = mediations[(mediations["arm"] == arm) & (mediations["measure"] == measure)]
        quality = paths[paths["outcome"] == "quality"].set_index("path").to_dict("index")
        verdict, numbers = _verdict(quality["closeness"], "value", confidence)
        closer = {"higher": "closer to the captions than", "lower": "farther from the captions than"}
        lines.append(f"{arm}: its prompts are {closer.get(verdict, 'not shown to be closer than')} those of base "
                     f"({measure.replace('_', ' ')} {numbers}).")  # fmt: skip
        for row in effects[effects["arm"] == arm].to_dict("records"):
            verdict, numbers = _verdict(row, "difference", confidence, row["p_holm"])
            question = row["question"]
            effect = f"{question} is {verdict} than with" if verdict else f"no other {question} is shown than with"
            lines.append(f"{arm}: {effect} {row['baseline']} ({numbers}).")
        verdict, numbers = _verdict(quality["indirect"], "value", confidence)
        through = f"{verdict} by what goes through closeness" if verdict else "not shown to go through closeness"
        lines.append(f"{arm}: its effect on quality ({quality['total']['value']:+.3f}) is {through} ({numbers}).")
    for row in results["slopes"][results["slopes"]["measure"] == measure].to_dict("records"):
        verdict, numbers = _verdict(row, "slope", confidence)
        goes = {"higher": "rises with", "lower": "falls with"}.get(verdict, "is not shown to go with")
        lines.append(f"Within {row['within']}, {row['outcome']} {goes} closeness (slope {numbers}).")
    return lines
