"""The paper's hypothesis: a finetuned model writes prompts closer to the captions, and these give better pictures.

In: judge scores, closeness of prompts, and groups of concepts. Out, in ``08_judges/hypothesis/``: ``effects`` (arms
against ``concept_only``, ``retrieved`` and ``base``, in every group of concepts), ``seeds`` (the same for every model
of an arm), ``closeness`` (means per arm), ``slopes`` (within concepts), ``mediation`` (how much of an effect goes
through closeness), ``copying`` (what is left of it without copies) ``.parquet``; and the answers in words. All
intervals resample concepts. Ignored: ratings of people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from c2i_lib.config import Profile
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.stages.evaluation.closeness import CAPTIONS
from c2i_lib.statistics.effects import bootstrap_means, compare_arms, in_order
from c2i_lib.statistics.mediation import mediation, within_concept_slope
from c2i_lib.study import FINETUNED_ARMS

OUTCOMES = ("quality", "faithfulness")
BASELINES = ("concept_only", "retrieved", "base")
MEASURES = ("log_likelihood", "meaning", "wording")  # of closeness
NEAR_COPY = 0.8  # cosine of wording from which on a prompt counts as a near copy of a caption
EVERYTHING = "all"  # the group of all concepts
NAMES = "effects seeds closeness slopes mediation copying".split()


def _long(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.melt(["arm", "replicate", "concept", "image_id"], list(OUTCOMES), "question", "score")


def _against_baselines(scores: pd.DataFrame, numbers: tuple) -> pd.DataFrame:
    """``effects.compare_arms`` of each arm against each of ``BASELINES``; Holm's correction is over all pairs."""
    found = compare_arms(_long(scores), "score", *numbers)
    return found[found["baseline"].isin(BASELINES)].reset_index(drop=True)


def effects_by_group(scores: pd.DataFrame, groups: Mapping[str, str], numbers: tuple) -> pd.DataFrame:
    """Differences from the baselines among all concepts, and among those of each group: ``group, n_concepts, …``."""
    parts = {EVERYTHING: scores}
    parts |= {name: scores[scores["concept"].map(groups) == name] for name in dict.fromkeys(groups.values())}
    found = [
        _against_baselines(part, numbers).assign(group=name, n_concepts=part["concept"].nunique())
        for name, part in parts.items()
        if part["concept"].nunique() > 1
    ]
    return pd.concat(found, ignore_index=True)


def effects_by_seed(scores: pd.DataFrame, numbers: tuple) -> pd.DataFrame:
    """Differences from the baselines of every model of a finetuned arm: ``replicate, question, arm, …``."""
    baselines = scores[scores["arm"].isin(BASELINES)]
    finetuned = scores[scores["arm"].isin(FINETUNED_ARMS)]
    parts = []
    for replicate, models in finetuned.groupby("replicate"):
        found = _against_baselines(pd.concat([baselines, models]), numbers)
        parts.append(found[found["arm"].isin(FINETUNED_ARMS)].assign(replicate=replicate))
    return _concat(parts, "replicate question arm baseline difference low high delta delta_low delta_high p p_holm")


def mean_closeness(closeness: pd.DataFrame, clouds: pd.DataFrame, numbers: tuple) -> pd.DataFrame:
    """Means per arm of every measure, and the distance of its cloud: ``measure, arm, mean, low, high``.

    Held-out captions are no arm of the study: their "concepts" are the captions themselves.
    """
    parts = []
    for measure in [name for name in (*MEASURES, "copied") if name in closeness]:
        for _, group in closeness.groupby(closeness["arm"] == CAPTIONS):
            parts.append(bootstrap_means(group, measure, *numbers).assign(measure=measure))
    cloud = clouds.rename(columns={"distance": "mean"}).assign(measure="cloud_distance")
    return pd.concat([*parts, cloud], ignore_index=True)[["measure", "arm", "mean", "low", "high"]]


def all_slopes(table: pd.DataFrame, measures: list[str], numbers: tuple) -> pd.DataFrame:
    """``mechanism.within_concept_slope`` of every measure and outcome, over all images that language models asked for
    and among images of one arm alone: ``outcome, measure, within, slope, low, high, correlation``."""
    rows = []
    for outcome in OUTCOMES:
        for measure in measures:
            for within_arm in (False, True):
                found = within_concept_slope(table, measure, outcome, within_arm, *numbers)
                within = "concept and arm" if within_arm else "concept"
                rows.append(pd.DataFrame([{"outcome": outcome, "measure": measure, "within": within, **found}]))
    return _concat(rows, "outcome measure within slope low high correlation")


def all_mediations(table: pd.DataFrame, measures: list[str], numbers: tuple) -> pd.DataFrame:
    """``mechanism.mediation`` of every finetuned arm against ``base``, through every measure, on every outcome."""
    parts = [
        mediation(table, arm, "base", measure, outcome, *numbers).assign(outcome=outcome, arm=arm, measure=measure)
        for outcome in OUTCOMES
        for arm in _finetuned(table)
        for measure in measures
    ]
    return _concat(parts, "outcome arm measure path value low high")


def without_copies(table: pd.DataFrame, numbers: tuple) -> pd.DataFrame:
    """Effects of finetuned arms on ``base`` with all prompts, without copies and without near copies of captions:
    ``prompts, question, arm, n_concepts, n_images, difference, low, high, p``.

    A concept all of whose prompts in one of the two arms are left out has nothing to compare, and is left out, too.
    """
    kept = {"all": table["wording"] > -1, "no copies": ~table["copied"], "no near copies": table["wording"] < NEAR_COPY}
    parts = []
    for name, keep in kept.items():
        for arm in _finetuned(table):
            pair = pd.concat([table[keep & (table["arm"] == one)] for one in ("base", arm)])
            in_both = pair.groupby("concept")["arm"].transform("nunique") == 2
            pair = pair[in_both]
            if pair["concept"].nunique() > 1:
                counts = {"n_concepts": pair["concept"].nunique(), "n_images": int((pair["arm"] == arm).sum())}
                parts.append(compare_arms(_long(pair), "score", *numbers).assign(prompts=name, **counts))
    return _concat(parts, "prompts question arm n_concepts n_images difference low high p")


def _finetuned(table: pd.DataFrame) -> list[str]:
    """The arms that can be compared with ``base``: none, where that is no arm of the profile."""
    arms = list(dict.fromkeys(table["arm"]))
    return [arm for arm in arms if arm in FINETUNED_ARMS and "base" in arms]


def _concat(parts: Sequence[pd.DataFrame], columns: str) -> pd.DataFrame:
    """Parts of a table, one below the other; only its head where there are none."""
    empty = pd.DataFrame(columns=columns.split())
    return pd.concat(parts, ignore_index=True)[columns.split()] if parts else empty


def settle(
    scores_file: Path, closeness_dir: Path, groups: Mapping[str, str], out_dir: Path, profile: Profile
) -> dict[str, pd.DataFrame]:
    """All tables (see above): ``{name: table}``. ``closeness_dir``: what ``closeness.measure_closeness`` wrote;
    ``groups``: concept → its group, or empty. Images that are flagged have no score and are left out. Without ``base``
    or without a finetuned arm, tables that compare them are empty.
    """
    folder, settings = Path(out_dir), profile.analysis
    inputs = [scores_file, *(Path(closeness_dir) / f"{name}.parquet" for name in ("closeness", "clouds"))]
    key = {**settings.model_dump(), "seed": profile.seed, "groups": dict(groups), "arms": profile.prompts.arms}
    with Stage(folder, key, inputs, __name__) as stage:
        if not stage.done:
            scores, closeness, clouds = (read_table(path) for path in inputs)
            for name, table in _all_tables(scores, closeness, clouds, groups, profile).items():
                write_table(folder / f"{name}.parquet", table)
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in NAMES}


def _all_tables(
    scores: pd.DataFrame, closeness: pd.DataFrame, clouds: pd.DataFrame, groups: Mapping[str, str], profile: Profile
) -> dict[str, pd.DataFrame]:
    numbers = (profile.analysis.n_bootstrap, profile.analysis.confidence, profile.seed)
    measures = [name for name in MEASURES if name in closeness]
    scores = in_order(scores, profile.prompts.arms)
    written = scores[scores["arm"].isin(["base", *FINETUNED_ARMS])]
    closeness_of = closeness.set_index("prompt_id")[[*measures, "copied"]]
    written = written.join(closeness_of, on="image_id", validate="1:1")  # an image has the id of its prompt
    return {
        "effects": effects_by_group(scores, groups, numbers),
        "seeds": effects_by_seed(scores, numbers),
        "closeness": mean_closeness(closeness, clouds, numbers),
        "slopes": all_slopes(written, measures if len(written) else [], numbers),
        "mediation": all_mediations(written, measures, numbers),
        "copying": without_copies(written, numbers),
    }


def _found(row: Mapping, value: str, confidence: float, p_holm: float | None = None) -> tuple[str, str]:
    """Whether a difference is shown (``higher``, ``lower``, or empty), and its numbers."""
    numbers = f"{row[value]:+.3f}, {100 * confidence:g} % interval {row['low']:+.3f} to {row['high']:+.3f}"
    shown = (row["low"] > 0 or row["high"] < 0) and (p_holm is None or p_holm < 1 - confidence)
    return ("" if not shown else "higher" if row[value] > 0 else "lower"), numbers


def answers(results: Mapping[str, pd.DataFrame], confidence: float) -> list[str]:
    """The steps of the hypothesis in words, arm by arm, with their numbers; "not shown" where it is not."""
    lines, mediations = [], results["mediation"]
    if mediations.empty:
        return ["The hypothesis needs the arm base and a finetuned one: this profile has no such pair."]
    measure = mediations["measure"].iloc[0]
    effects = results["effects"][results["effects"]["group"] == EVERYTHING]
    for arm in dict.fromkeys(mediations["arm"]):
        paths = mediations[(mediations["arm"] == arm) & (mediations["measure"] == measure)]
        quality = paths[paths["outcome"] == "quality"].set_index("path").to_dict("index")
        verdict, numbers = _found(quality["closeness"], "value", confidence)
        closer = {"higher": "closer to the captions than", "lower": "farther from the captions than"}
        lines.append(f"{arm}: its prompts are {closer.get(verdict, 'not shown to be closer than')} those of base "
                     f"({measure.replace('_', ' ')} {numbers}).")  # fmt: skip
        for row in effects[effects["arm"] == arm].to_dict("records"):
            verdict, numbers = _found(row, "difference", confidence, row["p_holm"])
            found = (
                f"{row['question']} is {verdict} than with"
                if verdict
                else f"no other {row['question']} is shown than with"
            )
            lines.append(f"{arm}: {found} {row['baseline']} ({numbers}).")
        verdict, numbers = _found(quality["indirect"], "value", confidence)
        through = f"{verdict} by what goes through closeness" if verdict else "not shown to go through closeness"
        lines.append(f"{arm}: its effect on quality ({quality['total']['value']:+.3f}) is {through} ({numbers}).")
    for row in results["slopes"][results["slopes"]["measure"] == measure].to_dict("records"):
        verdict, numbers = _found(row, "slope", confidence)
        goes = {"higher": "rises with", "lower": "falls with"}.get(verdict, "is not shown to go with")
        lines.append(f"Within {row['within']}, {row['outcome']} {goes} closeness (slope {numbers}).")
    return lines
