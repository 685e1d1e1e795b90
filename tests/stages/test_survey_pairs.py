"""Surveys of pairs: which pictures are put together, on which side, what raters are asked, and what comes out."""

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from survey_run import RESEARCHER, served

from c2i_lib.cli import main
from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError, ProfileError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.run.places import Run, store_settings
from c2i_lib.stages import analysis
from c2i_lib.stages.analysis.pairs import COLUMNS, analyse_pairs
from c2i_lib.stages.survey import formats
from c2i_lib.stages.survey.build import build_surveys
from c2i_lib.stages.survey.pairs import PAIRS_COLUMNS, asked, make_pairs, side_by_side
from c2i_lib.stages.survey.plan import describe_plan, freeze_plan
from c2i_lib.stages.survey.ratings import collect_ratings, gather_answers, responses_folder
from c2i_lib.stages.survey.responses import read_tables
from c2i_lib.stages.survey.web.so_far import so_far
from c2i_lib.stages.survey.web.store import Responses
from c2i_lib.stages.survey.web.texts import LANGUAGES, instructions_of

ARMS = ("base", "ft", "ft_tags")
OVERRIDES = {
    "survey.mode": "pairwise",
    "survey.arms": list(ARMS),
    "survey.repeated_images": 0,
    "survey.attention_checks": 0,
    "survey.training.anchors": 0,
    "survey.simulate_raters": False,
}
PROFILE = load_profile("smoke", OVERRIDES)


def make_images(n_concepts=4, n_samples=3):
    keys = [(arm, f"concept {c}", n) for arm in ARMS for c in range(n_concepts) for n in range(n_samples)]
    table = pd.DataFrame(keys, columns=["arm", "concept", "sample"])
    table["image_id"] = table["prompt_id"] = table["arm"] + "-" + table["concept"] + "-" + table["sample"].astype(str)
    return table.assign(path=table["image_id"] + ".png", flagged="", replicate=1)


def write_images(folder, images, shift=0):
    with Stage(folder, {"shift": shift}):
        for number, path in enumerate(images["path"]):
            Image.new("RGB", (8, 8), (5 * number + shift, 0, 255)).save(folder / path)
        write_table(folder / "images.parquet", images)
    return folder / "images.parquet"


@pytest.fixture
def built(tmp_path):
    """The folder of a built survey."""
    build_surveys(
        write_images(tmp_path / "05_images", make_images(n_samples=1)), tmp_path / "06_survey", PROFILE.survey, 0
    )
    return tmp_path / "06_survey"


def answer_all(survey_dir, better=("ft", "base", "ft_tags")):
    """Raters who prefer arms in this order, and now and then the other or neither."""
    orders, pairs = (pd.read_parquet(survey_dir / f"{name}.parquet") for name in ("orders", "pairs"))
    responses, arms = Responses(responses_folder(survey_dir) / "responses.sqlite"), pairs.set_index("item_id")
    responses.add_raters(orders["rater"].unique())
    for number, row in enumerate(orders.itertuples()):
        left, right = arms.loc[row.item_id, ["left_arm", "right_arm"]]
        best = 1 if better.index(left) < better.index(right) else 3
        for shift, question in enumerate(("quality", "faithfulness")):
            responses.answer(row.rater, row.item_id, question, {0: 4 - best, 1: 2}.get((number + shift) % 4, best))
    responses.close()


def test_two_pictures_of_a_pair_have_one_concept_and_one_seed():
    """The seed follows from concept and sample (``image_seed``), so that only the prompts differ."""
    images = make_images().set_index("image_id")
    items, pairs = make_pairs(make_images(), 2, seed=0)
    sides = [images.loc[pairs[f"{side}_image_id"]].reset_index() for side in ("left", "right")]
    assert (sides[0][["concept", "sample"]] == sides[1][["concept", "sample"]]).all(axis=None)
    assert (sides[0]["arm"] == pairs["left_arm"]).all() and (sides[1]["arm"] == pairs["right_arm"]).all()
    assert len(items) == len(pairs) == 3 * 4 * 3 and pairs["item_id"].is_unique
    assert set(items["item_id"]) == set(pairs["item_id"])


def test_sides_and_surveys_are_balanced():
    items, pairs = make_pairs(make_images(n_concepts=5), 2, seed=0)
    table = pairs.merge(items, on="item_id")
    for _, both in table.groupby(table[["left_arm", "right_arm"]].apply(frozenset, axis=1)):
        counts = both["left_arm"].value_counts()
        assert counts.max() - counts.min() <= 1
        assert abs(both["survey"].value_counts().diff().iloc[-1]) <= 1
    _, other = make_pairs(make_images(n_concepts=5), 2, seed=1)
    assert other["left_arm"].tolist() != pairs["left_arm"].tolist() and set(other["item_id"]) ^ set(pairs["item_id"])


def test_no_concept_comes_twice_in_a_row(built):
    items, orders = (pd.read_parquet(built / f"{name}.parquet") for name in ("items", "orders"))
    shown = orders.merge(items, on=["survey", "item_id"]).sort_values(["rater", "position"])
    assert len(shown) == len(orders)
    assert not ((shown["concept"] == shown["concept"].shift()) & (shown["rater"] == shown["rater"].shift())).any()


def test_a_picture_shows_left_and_right_as_they_were_rendered(built):
    row = pd.read_parquet(built / "pairs.parquet").iloc[0]
    pixels = np.asarray(Image.open(built / "pictures" / f"{row.item_id}.png"))
    for name, part in ((row.left_image_id, pixels[:, :8]), (row.right_image_id, pixels[:, -8:])):
        assert np.array_equal(part, np.asarray(Image.open(built.parent / "05_images" / f"{name}.png")))
    assert (pixels[:, 8:-8] == 255).all() and pixels.shape[1] > 16
    Image.new("RGB", (9, 9)).save(built.parent / "larger.png")
    with pytest.raises(C2IError, match="should be of one size"):
        side_by_side(built.parent / "larger.png", built.parent / "05_images" / f"{row.left_image_id}.png")


def test_an_image_whose_partner_is_flagged_is_not_shown_and_two_arms_without_a_pair_are_refused():
    images = make_images()
    assert len(make_pairs(images[images["image_id"] != "ft-concept 0-0"], 2, seed=0)[0]) == 3 * 4 * 3 - 2
    with pytest.raises(C2IError, match="base and ft_tags should have images of one concept"):
        make_pairs(images.assign(sample=images["sample"] + 9 * (images["arm"] == "ft_tags")), 2, seed=0)


def test_a_rater_sees_two_pictures_and_is_asked_which_is_better(built):
    """And nothing tells which arm is on which side; the third answer is the last."""
    with served(built.parent, settings=PROFILE.survey) as (base_url, survey):
        link = f"{base_url}/r/{survey.tokens['rater_1']}"
        page, state = httpx.get(link).text, httpx.get(f"{link}/state").json()
        assert '<body class="pairwise"' in page and "two at a time, side by side" in page
        assert [question["text"] for question in state["questions"]][0] == "Which picture is better?"
        assert state["questions"][1]["labels"] == ["left", "no difference", "right"]
        assert not any(arm in page + str(state) for arm in ("ft_tags", "arm"))
        assert state["training"] == [] and "Pair {number} of {total}" in page
        item = state["items"][0]["item_id"]
        httpx.post(f"{link}/consent", json={})
        answers = [
            httpx.put(f"{link}/answers/{item}", json={"question": "quality", "rating": rating, "version": rating})
            for rating in (3, 4)
        ]
        assert [answer.status_code for answer in answers] == [200, 422]
        table = httpx.get(f"{base_url}/researcher/{RESEARCHER}/pairs.csv").text.splitlines()
        assert table[0] == "concept,rater,left_arm,right_arm,question,answer" and table[1].endswith("quality,right")


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_asks_about_pairs(language):
    settings = asked(PROFILE.survey.model_copy(update={"texts": language}))
    assert settings.scale_points == 3 == len(set(settings.quality.labels))
    assert instructions_of(language, "pairwise").read_text() != instructions_of(language).read_text()
    assert instructions_of(language, "pairwise").stem == f"instructions_pairs.{language}"
    assert asked(load_profile("smoke").survey) == load_profile("smoke").survey


def test_the_researcher_sees_agreement_on_pairs_while_raters_answer(built):
    answer_all(built)
    n_shared = pd.read_parquet(built / "orders.parquet")["item_id"].value_counts().gt(1).sum()
    for row in so_far(built, asked(PROFILE.survey))["agreement"]:
        assert row["n"] == n_shared and -1 <= row["alpha"] <= 1
    with served(built.parent, settings=PROFILE.survey) as (base_url, _):
        assert f"{n_shared} pairs rated by two or more" in httpx.get(f"{base_url}/researcher/{RESEARCHER}").text


def test_breaks_and_the_time_limit_are_there_with_pairs(built):
    settings = load_profile("smoke", OVERRIDES | {"survey.break_every": 3, "survey.time_limit_minutes": 20}).survey
    with served(built.parent, settings=settings) as (base_url, survey):
        link = f"{base_url}/r/{survey.tokens['rater_1']}"
        assert "You have 20 minutes" in httpx.get(link).text
        httpx.post(f"{link}/consent", json={})
        state = httpx.get(f"{link}/state").json()
        assert state["break_every"] == 3 and 0 < state["seconds_left"] <= 20 * 60


def test_answers_become_strengths_of_arms(built):
    answer_all(built)
    collect_ratings(built, PROFILE.survey, 0, answers=gather_answers(built))
    tables = analyse_pairs(built, built.parent / "07_analysis", PROFILE.survey, PROFILE.analysis)
    assert {name: list(table) for name, table in tables.items()} == {name: list(part) for name, part in COLUMNS.items()}
    order = tables["strengths"].query("question == 'quality'").sort_values("strength", ascending=False)["arm"]
    assert order.tolist() == ["ft", "base", "ft_tags"]
    pd.testing.assert_frame_equal(
        read_tables(built)["pairs"].sort_values(list(COLUMNS["answers"]), ignore_index=True),
        tables["answers"].sort_values(list(COLUMNS["answers"]), ignore_index=True),
    )
    with pytest.raises(C2IError, match="survey compare"):
        analysis.images_only(pd.read_parquet(built / "ratings" / "ratings.parquet"), ARMS)


def test_a_survey_with_answers_stays_and_other_pictures_are_refused(built):
    freeze_plan(built, PROFILE.survey, PROFILE.analysis)
    assert "12 pairs of images of 4 concepts" in "\n".join(describe_plan(built, PROFILE.survey, PROFILE.analysis))
    before = pd.read_parquet(built / "pairs.parquet")
    answer_all(built)
    images = make_images(n_samples=1)
    build_surveys(built.parent / "05_images" / "images.parquet", built, PROFILE.survey, 0)
    pd.testing.assert_frame_equal(before, pd.read_parquet(built / "pairs.parquet"))
    assert list(before) == list(PAIRS_COLUMNS)
    with pytest.raises(C2IError, match="12 pictures"):
        build_surveys(write_images(built.parent / "05_images", images, 20), built, PROFILE.survey, 0)


def test_commands_compare_the_arms_and_export_the_pairs_in_a_form_that_is_read_back(built, capsys):
    answer_all(built)
    store_settings(Run(built.parent, PROFILE))
    run, out = ("--run-dir", str(built.parent)), built.parent / "answers.csv"
    main(["survey", "compare", *run])
    assert "preferred" in capsys.readouterr().out
    main(["survey", "export", *run, "--out", str(out)])
    pairs = pd.read_csv(out.with_name("answers_pairs.csv"))
    assert set(pairs["answer"]) == {"left", "tie", "right"}
    items, given = (pd.read_parquet(built / "items.parquet"), read_tables(built)["answers"])
    again = formats.read_answers(out, items, asked(PROFILE.survey))
    assert again["rating"].tolist() == given["rating"].tolist()


@pytest.mark.parametrize("tool", ["label_studio", "google_forms", "qualtrics"])
def test_other_tools_ask_about_pairs_too(built, tool):
    store_settings(Run(built.parent, PROFILE))
    out = built.parent / tool
    given = ("--format", tool, "--out", str(out), "--pictures-url", "https://example.org/pictures")
    main(["survey", "export", "--run-dir", str(built.parent), *given])
    written = [path.read_text(encoding="utf-8") for path in out.rglob("*") if path.suffix not in (".png", "")]
    assert any("Which picture is better?" in text and "no difference" in text for text in written)
    assert not any("How good is the picture" in text or "ft_tags" in text for text in written)


def test_what_pairs_do_not_have_is_refused_with_what_to_set():
    with pytest.raises(ProfileError) as error:
        load_profile("smoke", {"survey.mode": "pairwise", "analysis.margin.quality": 0.3})
    parts = ("simulate_raters=false", "repeated_images=0", "attention_checks=0", "training.anchors=0")
    for part in (*parts, "margin.quality=null"):
        assert part in str(error.value)
    item = {"picture": "a.png", "concept": "a cat", "feedback": "Both answers belong at the upper end."}
    with pytest.raises(ProfileError, match=r"set survey\.training\.items=\[\], or"):
        load_profile("smoke", OVERRIDES | {"survey.training.items": [item]})
