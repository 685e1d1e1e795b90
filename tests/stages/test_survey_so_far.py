"""What the researcher sees while raters answer: agreement, and who breaks which rule; nothing that tells arms apart."""

import httpx
import pandas as pd
import pytest
from survey_run import ARMS, RESEARCHER, make_run, served

from c2i_lib.config import load_profile
from c2i_lib.stages.survey.web.so_far import SoFar, agreement_so_far, so_far
from c2i_lib.statistics.agreement import krippendorff_alpha

RULES = {"survey.exclusions.failed_checks_above": 0, "survey.exclusions.same_answer_share": 0.9}
SETTINGS = load_profile("smoke", RULES | {"survey.exclusions.same_answer_over": 3}).survey


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A survey of five images, a repeat and a check, which two raters have answered in part."""
    with served(make_run(tmp_path_factory.mktemp("survey") / "run", 7), settings=SETTINGS) as (base_url, survey):
        for number, item in enumerate(sorted(survey.concepts)):
            survey.responses.answer("rater_1", item, "quality", 1 if number == 6 else number % 4 + 1)
            survey.responses.answer("rater_2", item, "quality", 4)
        yield base_url, survey


def test_agreement_is_the_houses_coefficient_over_images_that_two_have_rated(site):
    found = so_far(site[1].survey_dir, SETTINGS)
    matrix = [[1, 4], [2, 4], [3, 4], [4, 4], [1, 4]]
    quality, faithfulness = found["agreement"]
    assert quality == {"question": "quality", "n": 5, "alpha": krippendorff_alpha(matrix, "ordinal")}
    assert faithfulness == {"question": "faithfulness", "n": 0, "alpha": None}
    lonely = {"question": ["quality"], "rater": ["a"], "kind": ["image"], "image_id": ["x"], "rating": [3.0]}
    assert agreement_so_far(pd.DataFrame(lonely))[0] == {"question": "quality", "n": 0, "alpha": None}


def test_who_breaks_a_declared_rule_comes_first_and_is_told_why(site):
    raters = so_far(site[1].survey_dir, SETTINGS)["raters"]
    assert [(row["rater"], row["broken"]) for row in raters] == [
        ("rater_2", "1 failed checks; 100% the same answer"),
        ("rater_1", ""),
    ]
    without = so_far(site[1].survey_dir, load_profile("smoke").survey)
    assert not without["declared"] and {row["broken"] for row in without["raters"]} == {""}


def test_the_researchers_page_shows_it_and_no_arm(site):
    page = httpx.get(f"{site[0]}/researcher/{RESEARCHER}").text
    assert "100% the same answer" in page and "5 images rated by two or more" in page and "not defined yet" in page
    assert not any(f">{arm}<" in page or f" {arm} " in page for arm in ARMS)


def test_a_survey_without_answers_has_a_page_too(tmp_path):
    with served(make_run(tmp_path / "run")) as (base_url, survey):
        page = httpx.get(f"{base_url}/researcher/{RESEARCHER}").text
        assert page.count("not defined yet") == 2 and "No rule for leaving raters out is declared" in page


def test_a_page_that_asks_again_and_again_costs_little(site, monkeypatch):
    """Raters share the processor: between two readings lies twenty times what the first one took."""
    times = iter([0.0, 2.0, 41.9, 42.1, 43.1])
    monkeypatch.setattr("c2i_lib.stages.survey.web.so_far.monotonic", lambda: next(times))
    reader = SoFar(site[1].survey_dir, SETTINGS)
    first = reader.read()
    assert reader.read() is first and reader.read() is not first
