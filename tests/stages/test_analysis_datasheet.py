"""The data sheet and the methods table: what a run knows stands there, and what only people know is never invented."""

import hashlib
import json
import re

import numpy as np
import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.analysis import datasheet
from c2i_lib.stages.analysis.study_facts import gather_study
from c2i_lib.statistics.agreement.raters import rater_table
from c2i_lib.study import QUESTIONS

PROFILE = load_profile("smoke")
ARMS = PROFILE.survey.arms
POINTS = range(1, PROFILE.survey.scale_points + 1)
RATERS = ("anna", "ben", "eve")
INSTRUCTIONS = "# Rating pictures\n\nTaking part is voluntary."
NUMBERS = [f"1.{n}" for n in range(1, 4)] + [f"2.{n}" for n in range(1, 6)]
NUMBERS += [f"3.1.{n}" for n in range(1, 4)] + [f"3.2.{n}" for n in range(1, 6)] + [f"3.3.{n}" for n in range(1, 9)]
CRITERION = [f"4.1.{n}" for n in (1, 2, 3)] + [f"4.2.{n}" for n in (1, 2, 3)] + [f"4.3.{n}" for n in range(1, 12)]
NUMBERS += CRITERION * 2 + [f"5.{n}" for n in range(1, 5)]


def make_study(tmp_path, simulated=False):
    """A survey of two concepts and all arms, with a repeat and a check, rated by three raters of whom one fails it."""
    rows = [(f"{arm}-{concept}", arm, concept, "image") for arm in ARMS for concept in ("cat", "sea")]
    items = pd.DataFrame([*rows, rows[0][:3] + ("repeat",), ("check-1", None, "?", "check")])
    items.columns = ["image_id", "arm", "concept", "kind"]
    items["item_id"] = [f"i{number:012x}" for number in range(len(items))]
    items = items.assign(survey="survey_1", prompt_id=items["image_id"], sample=0)
    items["expected_quality"] = items["expected_faithfulness"] = 1.0
    ratings = items.merge(pd.DataFrame({"question": QUESTIONS}), "cross").merge(
        pd.DataFrame({"rater": RATERS}), "cross"
    )
    ratings["rating"] = 1.0 + (np.arange(len(ratings)) * 7 // 3) % len(POINTS)
    ratings.loc[ratings["kind"] == "check", "rating"] = 1.0
    ratings.loc[(ratings["kind"] == "check") & (ratings["rater"] == "eve"), "rating"] = 2.0
    ratings.loc[(ratings["kind"] == "image").idxmax(), "rating"] = np.nan
    clock = pd.Timestamp("2026-05-20T10:00:00Z") + pd.to_timedelta(np.arange(len(ratings)) * 4, "s")
    ratings["answered_at"] = "" if simulated else clock.strftime("%Y-%m-%dT%H:%M:%SZ")
    ratings["simulated"] = simulated
    with Stage(tmp_path / "06_survey", {}):
        write_table(tmp_path / "06_survey" / "items.parquet", items)
    with Stage(tmp_path / "06_survey" / "ratings", {}):
        write_table(tmp_path / "06_survey" / "ratings" / "ratings.parquet", ratings)
    (tmp_path / "06_survey" / "plan").mkdir()
    (tmp_path / "06_survey" / "plan" / "plan.json").write_text(json.dumps({"plan": {}, "sha256": "abc123"}))
    power = pd.DataFrame({"n_concepts": [5, 10], "effect": 0.3, "power": [0.21, 0.44], "question": "quality"})
    agreed = [(q, "Krippendorff's alpha", "ordinal", 0.4 + n / 10) for n, q in enumerate(QUESTIONS)]
    agreed += [(q, "ICC(2,k)", "interval", np.nan) for q in QUESTIONS]
    agreement = pd.DataFrame(agreed, columns=["question", "coefficient", "weights", "value"])
    agreement = agreement.assign(low=0.1, high=0.9, reason="too few items")
    results = {"agreement": agreement, "power": power}
    results["raters"] = rater_table(ratings, items, QUESTIONS, POINTS)
    rules = PROFILE.survey.exclusions.model_copy(update={"failed_checks_above": 0})
    survey = PROFILE.survey.model_copy(update={"exclusions": rules, "simulate_raters": simulated})
    given = {"places": pd.DataFrame(columns=["rater", "given_at", "parameters"])}
    given["consents"] = pd.DataFrame(columns=["rater", "consented_at", "text_sha256", "text", "withdrawn_at"])
    if not simulated:
        parameters = ['{"PROLIFIC_PID": "5f1a"}', '{"PROLIFIC_PID": ""}', "{}"]
        given["places"] = pd.DataFrame({"rater": RATERS, "given_at": "", "parameters": parameters})
        given["consents"] = pd.DataFrame(
            {"rater": RATERS, "consented_at": ["t", "t", None], "text_sha256": ["f00d", "f00d", None]}
        ).assign(text="…", withdrawn_at=[None, "t", None])
        (tmp_path / "06_responses").mkdir()
        (tmp_path / "06_responses" / "instructions.md").write_text(INSTRUCTIONS + "\n", encoding="utf-8")
        for name in ("responses.sqlite", "app.parquet", "lab.parquet"):
            (tmp_path / "06_responses" / name).touch()
    return gather_study(tmp_path / "06_survey", survey, PROFILE.analysis, results, given)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("people"))


def numbers_of(sheet):
    return re.findall(r"^\*\*(\d(?:\.\d+)+) ", sheet, re.MULTILINE)


def answer_to(sheet, number):
    """All answers to a question of the sheet: two where it is asked of each criterion."""
    return re.findall(rf"^\*\*{re.escape(number)} [^\n]*\*\*\n\n(.*?)(?=\n\n(?:\*\*\d|## )|\Z)", sheet, re.M | re.S)


def test_every_question_of_the_sheet_is_there_in_its_order(people):
    assert numbers_of(datasheet.write_heds(people, "a label")) == NUMBERS


def test_the_sheet_is_filled_with_what_the_run_knows(people):
    sheet = datasheet.write_heds(people, "a label")
    for number, expected in {
        "3.1.1": f"{2 * len(ARMS)} images of 2 concepts, by arm: {ARMS[0]} 2",
        "3.1.3": "0.21 for 0.3 points of quality",
        "3.2.1": "3 raters, of whom 1 do not count (eve)",
        "3.2.3": "3 came by the entry link, 1 of them with a PROLIFIC_PID",
        "3.2.4": "> Taking part is voluntary.",
        "3.3.1": "SHA-256 abc123",
        "3.3.2": "c2i's own web app; imported: lab. 2026-05-20 to 2026-05-20",
        "3.3.3": "per survey 1 attention checks and 1 images shown twice; rules declared in the profile: failed checks",
        "3.3.5": "median time from one answer to the next: 12.0 s over raters",
    }.items():
        assert expected in answer_to(sheet, number)[0], number
    assert "left out by a rule: eve" in answer_to(sheet, "3.3.3")[0]
    for question, text in zip(QUESTIONS, answer_to(sheet, "4.3.7"), strict=True):
        assert getattr(PROFILE.survey, question).text in text
    for alpha, text in zip((0.4, 0.5), answer_to(sheet, "4.3.11"), strict=True):
        assert f"Krippendorff's alpha, ordinal weights: {alpha:.2f} [0.10, 0.90]" in text
        assert "ICC(2,k), interval weights: – (too few items)" in text


def test_what_only_people_know_is_a_blank_that_says_what_belongs_there(people):
    sheet = datasheet.write_heds(people, "a label")
    blanks = {number for number in NUMBERS if all("**[fill in: " in text for text in answer_to(sheet, number))}
    known = {"1.1", "1.2", "1.3", "2.4", "3.2.2", "3.2.5", "3.3.7", "3.3.8", "5.1", "5.3", "5.4"}
    assert known <= blanks and not {"2.1", "3.1.1", "3.2.1", "3.3.3", "4.3.3", "4.3.11"} & blanks
    table = datasheet.methods_table(people).set_index("what")["value"]
    for what in ("Payment", "Demographics", "Ethics approval", "Data and code"):
        assert table[what].startswith("**[fill in: ")


def test_the_methods_table_says_who_agreed_to_what_and_what_was_answered(people):
    table = datasheet.methods_table(people).set_index("what")["value"]
    assert table["Consent"].startswith("2 raters agreed") and "f00d" in table["Consent"]
    assert table["Consent"].endswith("1 were withdrawn")
    assert hashlib.sha256(INSTRUCTIONS.encode()).hexdigest() in table["Instructions"]
    n = 2 * len(ARMS) * len(QUESTIONS)
    assert f"{n * 3} answers to images, 1 of them “cannot judge”" in table["Answers"]
    assert f"{n * 2 - 1} count, 1 to 2 for each image and question" in table["Answers"]
    assert not table.str.contains("\n").any()  # a cell of Markdown is one line


def test_simulated_raters_are_no_people_anywhere(tmp_path):
    study = make_study(tmp_path, simulated=True)
    sheet, table = datasheet.write_heds(study, "a label"), datasheet.methods_table(study).set_index("what")["value"]
    assert "reports no people" in sheet
    for what in ("Recruitment", "Payment", "Demographics", "Ethics approval", "Consent", "Dates", "Instructions"):
        assert table[what] == "none: the raters are simulated"
    assert "3 simulated raters; no people took part" in answer_to(sheet, "3.2.1")[0]


def test_a_study_in_another_tool_leaves_to_people_what_only_they_saw(people):
    """Answers that were imported tell nothing of consent, recruitment and instructions."""
    empty = {name: table.iloc[:0] for name, table in people.given.items()}
    study = people._replace(given=empty, instructions="", sources=("imported: lab",))
    table = datasheet.methods_table(study).set_index("what")["value"]
    for what in ("Recruitment", "Consent", "Instructions"):
        assert table[what].startswith("**[fill in: ")
    assert "elsewhere: **[fill in: " in table["Order"]
