"""The plan of a study: written before the first answer, and unchanged or told to be changed after it."""

import json

import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.records.files import hash_of, write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.survey.formats import COLUMNS
from c2i_lib.stages.survey.plan import describe_plan, freeze_plan, make_plan
from c2i_lib.stages.survey.responses import responses_folder

CONTRAST = {"arm": "ft", "baseline": "base", "question": "quality"}
PLANNED = {"analysis.primary": [CONTRAST], "analysis.margin.quality": 0.3, "survey.simulate_raters": False}
ITEMS = pd.DataFrame(
    [("i1", "image", "cat"), ("i2", "image", "dog"), ("i3", "repeat", "cat"), ("i4", "check", "?")],
    columns=["item_id", "kind", "concept"],
)


@pytest.fixture
def survey_dir(tmp_path):
    folder = tmp_path / "06_survey"
    with Stage(folder, {}):
        write_table(folder / "items.parquet", ITEMS)
    return folder


def freeze(survey_dir, overrides):
    """What was written, its record, and the lines that are printed."""
    profile = load_profile("smoke", overrides)
    freeze_plan(survey_dir, profile.survey, profile.analysis)
    path = survey_dir / "plan" / "plan.json"
    written = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return written, "\n".join(describe_plan(survey_dir, profile.survey, profile.analysis))


def answer(survey_dir):
    write_table(
        responses_folder(survey_dir) / "lab.parquet",
        pd.DataFrame([("anna", "i1", "quality", 3.0, "", "")], columns=COLUMNS),
    )


def test_a_plan_says_what_is_claimed_of_whom_with_a_hash_that_can_be_checked(survey_dir):
    written, lines = freeze(survey_dir, PLANNED)
    assert written["sha256"] == hash_of(written["plan"]) and written["sha256"] in lines
    assert written["plan"]["primary"] == [CONTRAST]
    assert written["plan"]["margin"] == {"quality": 0.3, "faithfulness": None}
    assert (written["plan"]["n_images"], written["plan"]["n_concepts"]) == (2, 2), "repeats and checks are no items"
    for words in ("ft against base on quality", "below 0.3 points of quality", "95%", "unchanged"):
        assert words in lines


@pytest.mark.parametrize("simulated", [False, True])
def test_before_the_first_answer_the_plan_follows_the_profile(survey_dir, simulated):
    overrides = PLANNED | {"survey.simulate_raters": simulated}
    first, _ = freeze(survey_dir, overrides)
    second, lines = freeze(survey_dir, overrides | {"analysis.confidence": 0.9})
    assert second["plan"]["confidence"] == 0.9 and second["sha256"] != first["sha256"]
    assert "unchanged" in lines


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("analysis.primary", [], "primary was [{"),
        ("analysis.margin.quality", 0.5, "margin was {'quality': 0.3"),
        ("analysis.left_out_raters", ["anna"], "left_out_raters was [], is ['anna']"),
        ("analysis.raters", "these", "raters was population, is these"),
        ("analysis.confidence", 0.9, "confidence was 0.95, is 0.9"),
        ("survey.raters_per_survey", 9, "n_raters was "),
    ],
)
def test_a_plan_that_is_changed_after_the_first_answer_is_told_with_both_hashes(survey_dir, key, value, words):
    before, _ = freeze(survey_dir, PLANNED)
    answer(survey_dir)
    after, lines = freeze(survey_dir, PLANNED | {key: value})
    assert after == before, "what was planned before the first answer stays"
    assert "CHANGED after the first answer" in lines and words in lines
    assert before["sha256"] in lines and lines.count("SHA-256") == 1 and " now " in lines
    assert "unchanged" in freeze(survey_dir, PLANNED)[1], "with the plan of then nothing is changed"


def test_a_turn_as_a_simulated_study_cannot_change_a_plan_that_people_have_answered_to(survey_dir):
    before, _ = freeze(survey_dir, PLANNED)
    answer(survey_dir)
    after, _ = freeze(survey_dir, PLANNED | {"survey.simulate_raters": True, "analysis.primary": []})
    assert after == before


def test_a_survey_that_was_answered_without_a_plan_gets_none_afterwards(survey_dir):
    answer(survey_dir)
    written, lines = freeze(survey_dir, PLANNED)
    assert written is None and "none from before the first answer" in lines


def test_another_version_that_writes_more_into_a_plan_has_not_changed_it(survey_dir, monkeypatch):
    freeze(survey_dir, PLANNED)
    answer(survey_dir)
    monkeypatch.setattr("c2i_lib.records.stage.code_hash", lambda *modules: "another version")
    monkeypatch.setattr("c2i_lib.stages.survey.plan.make_plan", lambda *parts: make_plan(*parts) | {"more": 1})
    assert "unchanged" in freeze(survey_dir, PLANNED)[1]


@pytest.mark.parametrize("hurt", ["changed", "lost"])
def test_a_plan_that_somebody_changed_in_its_file_is_refused(survey_dir, hurt):
    freeze(survey_dir, PLANNED)
    answer(survey_dir)
    path = survey_dir / "plan" / "plan.json"
    if hurt == "lost":
        path.unlink()
    else:
        path.write_text(path.read_text(encoding="utf-8").replace("0.3", "0.9"), encoding="utf-8")
    with pytest.raises(C2IError, match=r"should be the plan as c2i wrote it.*put it back from a copy, or remove"):
        freeze(survey_dir, PLANNED)


def test_a_survey_without_answers_is_built_again_beside_its_plan_which_follows_it(survey_dir):
    first, _ = freeze(survey_dir, PLANNED)
    with Stage(survey_dir, {"another": "survey"}):
        write_table(survey_dir / "items.parquet", ITEMS.head(1))
    second, lines = freeze(survey_dir, PLANNED)
    assert (first["plan"]["n_images"], second["plan"]["n_images"]) == (2, 1) and "unchanged" in lines
