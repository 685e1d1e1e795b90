"""Training: shown first, told afterwards, kept apart from ratings; and the time that a rater has."""

import sqlite3

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from survey_run import SEED, make_run, served

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError, ProfileError
from c2i_lib.stages.survey.responses import answers_fingerprint, gather_answers, read_tables
from c2i_lib.stages.survey.training import TRAINING_COLUMNS, anchors, expected_range, write_training
from c2i_lib.stages.survey.web.texts import LANGUAGES, load_texts
from c2i_lib.stages.survey.web.training import Training

SETTINGS = load_profile("smoke", {"survey.time_limit_minutes": 30}).survey
OFF = {"survey.training": {"anchors": 0, "items": []}}


@pytest.fixture
def site(tmp_path):
    with served(make_run(tmp_path / "run", trained_by=SETTINGS), settings=SETTINGS) as (base_url, survey):
        yield base_url, survey


@pytest.fixture
def anna(site):
    """A client at the first rater's link, who has agreed."""
    with httpx.Client(base_url=f"{site[0]}/r/{site[1].tokens['rater_1']}") as client:
        assert client.post("/consent", json={}).status_code == 200
        yield client


def practise(client, item, quality, faithfulness):
    ratings = {"quality": quality, "faithfulness": faithfulness}
    return client.post(f"/training/{item['item_id']}", json={"ratings": ratings, "seen_ms": 700})


@pytest.mark.parametrize(("points", "low", "high"), [(2, (1, 1), (2, 2)), (4, (1, 2), (3, 4)), (5, (1, 2), (4, 5))])
def test_the_ends_of_a_scale_are_its_halves_without_the_middle(points, low, high):
    assert (expected_range("low", points), expected_range("high", points)) == (low, high)


def test_anchors_name_both_ends_of_both_scales_and_the_seed_repeats_them():
    found = anchors(SETTINGS, seed=1)
    ends = [(row["quality"], row["faithfulness"]) for row, _ in found]
    assert ends == [((3, 4), (3, 4)), ((3, 4), (1, 2)), ((1, 2), None)]
    for (row, picture), (again, same) in zip(found, anchors(SETTINGS, seed=1), strict=True):
        assert row == again and np.array_equal(picture, same)
    assert {row["concept"] for row, _ in found} != {row["concept"] for row, _ in anchors(SETTINGS, seed=2)}


def test_own_items_come_after_the_anchors_without_metadata(tmp_path):
    told = PngInfo()
    told.add_text("prompt", "secret")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png", pnginfo=told)
    item = {"picture": str(tmp_path / "red.png"), "concept": "red", "quality": [2, 3], "feedback": "It is red."}
    settings = load_profile("smoke", {"survey.training": {"anchors": 1, "items": [item]}}).survey
    table = write_training(tmp_path / "06_survey", settings, seed=0)
    assert list(table["concept"])[1:] == ["red"] and table["feedback"].iloc[1] == "It is red."
    assert table[["low_quality", "high_quality"]].iloc[1].tolist() == [2, 3] and pd.isna(table["low_faithfulness"][1])
    with Image.open(tmp_path / "06_survey" / "training" / f"{table['item_id'][1]}.png") as picture:
        assert picture.info == {} and picture.getpixel((0, 0)) == (255, 0, 0)
    (tmp_path / "red.png").write_text("no picture")
    with pytest.raises(C2IError, match=r"survey\.training\.items\.0\.picture should be a picture .* take the item out"):
        write_training(tmp_path / "06_survey", settings, seed=0)


def test_a_range_that_is_not_on_the_scale_is_refused_with_its_fix():
    for wrong in ([3, 2], [1, 5]):
        item = {"picture": "a.png", "concept": "a", "feedback": "b", "faithfulness": wrong}
        with pytest.raises(ProfileError, match=r"items\.0\.faithfulness is .* expected the lowest and highest of 1"):
            load_profile("smoke", {"survey.training": {"anchors": 0, "items": [item]}})


def test_training_can_be_turned_off_and_an_earlier_survey_has_none(tmp_path):
    table = write_training(tmp_path / "06_survey", load_profile("smoke", OFF).survey, seed=0)
    assert table.empty and list(table.columns) == list(TRAINING_COLUMNS)
    assert not (tmp_path / "06_survey" / "training").exists()
    with served(make_run(tmp_path / "run", 4)) as (base_url, survey):
        assert httpx.get(f"{base_url}/r/{survey.tokens['rater_1']}/state").json()["training"] == []


def test_what_is_expected_is_told_after_the_answer_and_not_before(site, anna):
    items = anna.get("/state").json()["training"]
    assert len(items) == 3 and all(set(item) == {"item_id", "concept", "answers"} for item in items)
    texts = load_texts("en")
    page = httpx.get(str(anna.base_url).rstrip("/")).text
    assert texts["practice_hint"] in page and not any(texts[name] in page for name in texts if "anchor" in name)
    assert anna.get(f"/pictures/{items[1]['item_id']}.png").content[:4] == b"\x89PNG"
    told = practise(anna, items[1], 2, None).json()
    assert told["expected"] == {"quality": [3, 4], "faithfulness": [1, 2]} and told["feedback"] == texts["anchor_wrong"]
    again = anna.get("/state").json()["training"]
    assert again[1] == told and again[0] == items[0]
    assert practise(anna, items[1], 4, 1).json()["answers"] == {"quality": 2, "faithfulness": None}, "the first counts"
    assert practise(anna, items[0], 5, 1).status_code == 422
    stranger = httpx.Client(base_url=f"{site[0]}/r/{site[1].tokens['rater_2']}")
    assert practise(stranger, items[0], 4, 4).status_code == 403, "not before consent"


def test_training_is_never_a_rating_and_is_exported_apart(site, anna):
    items = anna.get("/state").json()["training"]
    for item in items:
        practise(anna, item, 1, 1)
    survey_dir = site[1].survey_dir
    tables = read_tables(survey_dir)
    assert tables["training"]["as_expected"].tolist() == [0, 0, 0, 1, 1, 1], "any answer is right where any is expected"
    assert set(tables["training"]["item_id"]) == {item["item_id"] for item in items}
    assert tables["training"]["seen_ms"].eq(700).all() and tables["answers"].empty and tables["history"].empty
    assert answers_fingerprint(survey_dir) == {} and len(pd.read_parquet(gather_answers(survey_dir)[0])) == 0
    assert site[1].responses.progress()["rater_1"][1] == 0


def test_a_missing_picture_of_training_is_found_before_raters_find_it(site):
    site[1].training.picture_path(next(iter(site[1].training.items))).unlink()
    with pytest.raises(C2IError, match="no picture of training item"):
        Training(site[1].survey_dir, site[1].responses)


def test_after_the_time_limit_no_answer_is_taken_and_what_was_given_stays(site, anna):
    state = anna.get("/state").json()
    assert 1790 < state["seconds_left"] <= 1800
    assert "You have 30 minutes" in httpx.get(str(anna.base_url).rstrip("/")).text
    item, body = state["items"][0]["item_id"], {"question": "quality", "rating": 3, "version": 1}
    assert anna.put(f"/answers/{item}", json=body).status_code == 200
    with sqlite3.connect(site[1].responses.path) as connection:
        connection.execute("UPDATE raters SET consented_at = '2020-01-01T00:00:00.000+00:00' WHERE rater = 'rater_1'")
    connection.close()
    refused = anna.put(f"/answers/{item}", json=body | {"version": 2})
    assert refused.status_code == 409 and refused.json()["detail"] == load_texts("en")["time_over_text"]
    assert practise(anna, state["training"][0], 4, 4).status_code == 409
    assert anna.get("/state").json()["seconds_left"] < 0
    assert site[1].responses.answers_of("rater_1") == {item: {"quality": 3}}
    assert site[1].seconds_left("rater_2") is None, "whose time has not begun"


@pytest.mark.parametrize("language", LANGUAGES)
def test_anchors_speak_the_languages_of_the_pages(language):
    settings = load_profile("smoke", {"survey.texts": language}).survey
    assert [row["feedback"] for row, _ in anchors(settings, 0)] == [
        load_texts(language)[f"anchor_{name}"] for name in ("good", "wrong", "spoiled")
    ]


def test_the_seed_of_a_run_names_its_items(tmp_path):
    """An answer to an item of one run never passes for one of another."""
    names = [set(write_training(tmp_path / str(seed), SETTINGS, seed)["item_id"]) for seed in (SEED, SEED + 1)]
    assert len(names[0]) == 3 and not names[0] & names[1]
