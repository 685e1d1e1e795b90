"""The plan of a study: what it sets out to show, written down before its first answer.

In: the profile, a built survey, and whether people have answered it. Out: ``06_survey/plan/plan.json``: the ``plan``
and its ``sha256``, which can be published. It follows the profile until somebody answers, and then stays; what the
profile asks for since is told beside it, and not refused, because a rater may have to be left out. Ignored: what the
answers say.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from c2i_lib.config import Analysis, Survey
from c2i_lib.errors import C2IError, DamagedStageError
from c2i_lib.records.files import hash_of, write_json
from c2i_lib.records.stage import Stage, check_input, read_table
from c2i_lib.stages.survey.build import name_raters
from c2i_lib.stages.survey.responses import answers_fingerprint


def make_plan(items: pd.DataFrame, survey: Survey, analysis: Analysis) -> dict:
    """The plan that a profile and the items of its survey make, ready for JSON."""
    images = items[items["kind"].isin(["image", "pair"])]
    return {
        **({"mode": survey.mode} if survey.mode == "pairwise" else {}),
        "arms": list(survey.arms),
        "primary": [contrast.model_dump() for contrast in analysis.primary],
        "margin": analysis.margin.model_dump(),
        "left_out_raters": list(analysis.left_out_raters),
        "exclusions": survey.exclusions.model_dump(),
        "raters": analysis.raters,
        "confidence": analysis.confidence,
        "n_raters": len(name_raters(survey)),
        "n_images": len(images),
        "n_concepts": int(images["concept"].nunique()),
    }


def freeze_plan(survey_dir: Path, survey: Survey, analysis: Analysis) -> None:
    """Write the plan of the survey built in ``survey_dir``, unless people have answered it: then what is there stays.

    A survey that was answered without a plan gets none. Raises ``C2IError`` where a plan with answers is damaged.
    """
    folder = Path(survey_dir) / "plan"
    if answers_fingerprint(survey_dir):
        _read(folder)
        return
    items_file = Path(survey_dir) / "items.parquet"
    plan = make_plan(read_table(items_file), survey, analysis)
    with Stage(folder, plan, [items_file], __name__) as stage:
        if not stage.done:
            write_json(folder / "plan.json", {"plan": plan, "sha256": hash_of(plan)})


def _read(folder: Path) -> dict | None:
    """The plan that was written; None where there is none. Raises ``C2IError`` where it is not the one written."""
    path = folder / "plan.json"
    if not (folder / "stage.json").is_file():
        return None
    try:
        check_input(path)
    except DamagedStageError:
        raise C2IError(
            f"{path} should be the plan as c2i wrote it, but is missing or was changed (its SHA-256 differs): put it "
            f"back from a copy, or remove {folder} and run from 6; of a survey with answers it is then said that it "
            "had no plan"
        ) from None
    return json.loads(path.read_text(encoding="utf-8"))["plan"]


def describe_plan(survey_dir: Path, survey: Survey, analysis: Analysis) -> list[str]:
    """The plan in words, with its SHA-256 and with what has changed since it was written, a line each.

    Raises ``C2IError`` where the plan that was written is damaged.
    """
    items, has_answers = read_table(Path(survey_dir) / "items.parquet"), bool(answers_fingerprint(survey_dir))
    before, now = _read(Path(survey_dir) / "plan"), make_plan(items, survey, analysis)
    if before is None:
        why = "none from before the first answer, so that nothing was declared beforehand"
        return [f"plan: {why if has_answers else 'not written yet (run from 6)'}", *_in_words(now)]
    # By the keys of then: another version of c2i that writes more of them has not changed the plan.
    changed = [f"{name} was {before[name]}, is {now.get(name)}" for name in before if before[name] != now.get(name)]
    if not changed:
        return [f"plan: SHA-256 {hash_of(before)}, unchanged since it was written", *_in_words(now)]
    when = "after the first answer" if has_answers else "since it was written"
    hashes = f"SHA-256 then {hash_of(before)}, now {hash_of(now)}"
    return [f"plan: CHANGED {when}: {hashes}", *(f"  {change}" for change in changed), *_in_words(now)]


def _in_words(plan: dict) -> list[str]:
    """What a plan says, a line each."""
    contrasts = [f"{one['arm']} against {one['baseline']} on {one['question']}" for one in plan["primary"]]
    margins = [f"{points:g} points of {name}" for name, points in plan["margin"].items() if points is not None]
    what = "pairs of images" if plan.get("mode") == "pairwise" else "images"
    left_out = f", without {', '.join(plan['left_out_raters'])}" if plan["left_out_raters"] else ""
    return [
        f"  primary: {'; '.join(contrasts) or 'none, so that all comparisons are one family'}",
        f"  differences that do not matter: {'below ' + ', '.join(margins) if margins else 'none named (no margin)'}",
        f"  {plan['n_raters']} raters{left_out}, {plan['n_images']} {what} of {plan['n_concepts']} concepts; "
        f"intervals of {plan['confidence']:.0%} for {plan['raters']} (analysis.raters)",
    ]
