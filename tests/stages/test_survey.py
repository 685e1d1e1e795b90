"""Surveys: balance, blindness, orders, repeats and checks; ratings: simulated, or collected from answers of people."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.survey import formats
from c2i_lib.stages.survey.build import (
    add_repeats,
    assign,
    build_surveys,
    make_checks,
    name_raters,
    order_items,
    order_of,
)
from c2i_lib.stages.survey.ratings import (
    RATINGS_COLUMNS,
    collect_ratings,
    gather_answers,
    import_answers,
    responses_folder,
    simulate_answers,
)
from c2i_lib.stages.survey.web.store import Responses
from c2i_lib.statistics.agreement import weighted_kappa

ARMS = ("base", "ft", "ft_tags")
OVERRIDES = {
    "concepts.n_concepts": 2,
    "prompts.n_per_concept": 2,
    "survey.arms": list(ARMS),
    "survey.repeated_images": 2,
    "survey.attention_checks": 1,
    "survey.simulate_raters": False,
}


def make_images(arms=ARMS, n_concepts=2, n_samples=2):
    keys = [(arm, concept, n) for arm in arms for concept in range(n_concepts) for n in range(n_samples)]
    table = pd.DataFrame(keys, columns=["arm", "concept", "sample"])
    table["concept"] = "concept " + table["concept"].astype(str)
    table["image_id"] = table["prompt_id"] = [f"{arm}-{concept}-{n}" for arm, concept, n in keys]
    table = table.assign(path=table["image_id"] + ".png", sha256="content of " + table["image_id"], flagged="")
    return table.assign(replicate=1)


@pytest.fixture
def profile():
    return load_profile("smoke", OVERRIDES)


def write_images(folder, images, version=1):
    """A finished image stage with pictures that carry metadata, as those of the study do."""
    info = PngInfo()
    info.add_text("c2i", "the prompt and the arm")
    with Stage(folder, {"version": version}):
        for number, path in enumerate(images["path"]):
            Image.new("RGB", (8, 8), (9 * number, 0, 255)).save(folder / path, pnginfo=info)
        write_table(folder / "images.parquet", images)
    return folder / "images.parquet"


@pytest.fixture
def images_file(tmp_path):
    return write_images(tmp_path / "05_images", make_images(("concept_only", *ARMS)))


@pytest.fixture
def built(tmp_path, images_file, profile):
    """The folder of built surveys."""
    build_surveys(images_file, tmp_path / "06_survey", profile.survey, profile.seed)
    return tmp_path / "06_survey"


def sizes(items, *columns):
    """Number of items per survey for each value of ``columns``."""
    return items.groupby([*columns, "survey"]).size().unstack(fill_value=0)


@pytest.mark.parametrize(
    ("n_arms", "n_concepts", "n_samples", "n_surveys"),
    [(3, 10, 5, 2), (4, 3, 2, 2), (4, 10, 5, 2), (3, 10, 5, 3), (3, 4, 5, 4), (3, 2, 2, 4)],
)
def test_arms_concepts_and_samples_are_spread_evenly_over_equal_surveys(n_arms, n_concepts, n_samples, n_surveys):
    arms = ("base", "concept_only", "ft", "ft_tags")[:n_arms]
    items = assign(make_images(arms, n_concepts, n_samples), n_surveys, seed=0)
    assert items["survey"].value_counts().nunique() == 1
    for columns in (["arm"], ["concept"], ["arm", "concept"]):
        counts = sizes(items, *columns)
        assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1, columns
    samples = sizes(items, "sample")
    assert (samples.max(axis=1) - samples.min(axis=1)).max() <= n_arms


def test_the_papers_150_images_become_two_surveys_of_75():
    profile = load_profile("paper")
    items = assign(make_images(profile.survey.arms, 10, 5), profile.survey.n_surveys, profile.seed)
    assert items["survey"].value_counts().tolist() == [75, 75]
    taken = name_raters(profile.survey)
    assert [len(surveys) for surveys in taken.values()] == [2, 2, 1, 1, 1, 1]  # "Two participants took both surveys"
    for survey in ("survey_1", "survey_2"):
        assert sum(survey in surveys for surveys in taken.values()) == 4


def test_every_image_is_shown_once():
    images = make_images()
    assert sorted(assign(images, 2, seed=0)["image_id"]) == sorted(images["image_id"])


def test_item_ids_are_opaque_and_depend_on_the_seed():
    items = assign(make_images(), 2, seed=0)
    assert items["item_id"].is_unique
    assert items["item_id"].str.fullmatch("i[0-9a-f]{12}").all()
    assert not set(items["item_id"]) & set(assign(make_images(), 2, seed=1)["item_id"])


def test_item_ids_and_simulated_ratings_do_not_depend_on_the_files_of_pictures(simulated):
    """A PNG holds versions of packages: under another torch build the same picture is another file."""
    images = make_images(n_concepts=10, n_samples=5)
    other = images.assign(sha256="written by another version of " + images["image_id"])
    pd.testing.assert_frame_equal(assign(images, 2, seed=0), assign(other, 2, seed=0))
    items, orders, scores, settings, answers = simulated
    keys = ["rater", "item_id", "question"]
    turned = simulate_answers(items, orders.iloc[::-1], scores, settings, seed=0).sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(turned, answers.sort_values(keys, ignore_index=True))


def test_more_raters_get_other_names_and_nobody_a_new_one(wide):
    items, settings = wide
    fewer = order_items(items, settings, seed=0)
    more = order_items(items, settings.model_copy(update={"raters_per_survey": 12}), seed=0)
    assert more["rater"].nunique() > 10
    kept = more[more["rater"].isin(fewer["rater"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, fewer)


def test_surveys_do_not_depend_on_the_order_of_the_images():
    images = make_images(n_concepts=10)
    pd.testing.assert_frame_equal(assign(images, 2, seed=0), assign(images.iloc[::-1], 2, seed=0))


@pytest.fixture
def wide():
    """Items and settings of a survey that is large enough for orders to differ."""
    settings = load_profile("cpu").survey
    items = add_repeats(assign(make_images(n_concepts=10, n_samples=4), 2, seed=0), settings.repeated_images, seed=0)
    return items, settings


def test_every_rater_has_an_order_of_their_own_that_the_seed_repeats(wide):
    items, settings = wide
    orders = order_items(items, settings, seed=0)
    pd.testing.assert_frame_equal(orders, order_items(items, settings, seed=0))
    shown = orders.groupby("rater")["item_id"].agg(tuple)
    of_first = [order for rater, order in shown.items() if set(order) == set(shown.iloc[0])]
    assert len(of_first) == settings.raters_per_survey == len(set(of_first))
    for _, rows in orders.groupby("rater"):
        assert rows["position"].tolist() == list(range(1, len(rows) + 1))
        expected = items[items["survey"].isin(rows["survey"])]["item_id"]
        assert sorted(rows["item_id"]) == sorted(expected)


def test_a_repeat_comes_long_after_its_image(wide):
    items, settings = wide
    orders = order_items(items, settings, seed=0).merge(items, on=["survey", "item_id"])
    for (_, survey), rows in orders.groupby(["rater", "survey"]):
        place = rows.set_index(["kind", "image_id"])["position"]
        repeats = place.loc["repeat"]
        assert len(repeats) == settings.repeated_images
        assert (repeats - place.loc["image"].loc[repeats.index]).min() > len(rows) // 8, survey


def clashes(items, orders):
    """How often a rater sees one concept twice in a row."""
    shown = orders.merge(items, on=["survey", "item_id"]).sort_values(["rater", "position"])
    assert len(shown) == len(orders)
    return int(((shown["concept"] == shown["concept"].shift()) & (shown["rater"] == shown["rater"].shift())).sum())


def test_no_concept_comes_twice_in_a_row(wide):
    """Also across two surveys of one rater, and for repeats and attention checks: raters would compare neighbours."""
    items, settings = wide
    settings = settings.model_copy(update={"raters_in_all_surveys": 2, "attention_checks": 4})
    items = pd.concat([items, make_checks(settings, seed=0)], ignore_index=True)
    assert clashes(items, order_items(items, settings, seed=0)) == 0


@pytest.mark.parametrize(("n_concepts", "unavoidable"), [(2, 0), (3, 0), (1, 11)])
def test_few_concepts_are_spread_as_far_as_they_can_be(n_concepts, unavoidable):
    """Two concepts must alternate; one alone clashes with itself, and the order is there nevertheless."""
    items = assign(make_images(n_concepts=n_concepts, n_samples=8 // n_concepts), 2, seed=0).assign(kind="image")
    for rater in range(20):
        order = order_of(items, f"rater_{rater}", ["survey_1"], seed=0)
        assert clashes(items, order) == unavoidable


def test_no_repeat_can_be_worked_out_from_its_images_id():
    """A rater has all ids and may have this program; what they lack is the seed."""
    items = assign(make_images(), 2, seed=0)
    repeats = [add_repeats(items, 6, seed).query("kind == 'repeat'")["item_id"] for seed in (0, 1)]
    assert len(repeats[0]) == 12 and not set(repeats[0]) & set(repeats[1])


def test_arms_do_not_come_in_blocks(wide):
    items, settings = wide
    orders = order_items(items, settings, seed=0).merge(items, on=["survey", "item_id"])
    for _, rows in orders.groupby(["rater", "survey"]):
        changes = (rows["arm"] != rows["arm"].shift()).sum()
        assert changes > len(rows) / 3


def test_what_raters_get_tells_neither_arm_nor_prompt(built, images_file):
    items = pd.read_parquet(built / "items.parquet")
    assert {path.name for path in (built / "pictures").iterdir()} == set(items["item_id"] + ".png")
    for item in items.itertuples():
        picture = Image.open(built / "pictures" / f"{item.item_id}.png")
        assert picture.info == {} and picture.text == {}
        if item.kind != "check":
            original = Image.open(images_file.parent / f"{item.image_id}.png")
            np.testing.assert_array_equal(np.asarray(picture), np.asarray(original))


def test_repeats_and_checks_are_in_every_survey(built, profile):
    items = pd.read_parquet(built / "items.parquet")
    kinds = items.groupby(["survey", "kind"]).size().unstack()
    assert kinds["repeat"].tolist() == [2, 2] and kinds["check"].tolist() == [1, 1]
    assert items["item_id"].is_unique
    checks = items[items["kind"] == "check"]
    assert checks[["expected_quality", "expected_faithfulness"]].isin(range(1, 5)).all(axis=None)
    assert items.loc[items["kind"] != "check", "expected_quality"].isna().all()
    picture = np.asarray(Image.open(built / "pictures" / f"{checks['item_id'].iloc[0]}.png"))
    assert picture.min() < 50 and (picture > 250).mean() > 0.7  # dark letters on white


def test_flagged_images_are_not_shown_and_counted_rightly(tmp_path, profile, capsys):
    images = make_images(("concept_only", *ARMS))
    flagged = ["ft-0-0", "concept_only-0-0"]  # the second is in no survey anyway
    images.loc[images["image_id"].isin(flagged), "flagged"] = "blank"
    items = build_surveys(
        write_images(tmp_path / "05_images", images), tmp_path / "06_survey", profile.survey, profile.seed
    )
    assert (items["kind"] == "image").sum() == 11 and not set(flagged) & set(items["image_id"])
    assert "1 flagged" in capsys.readouterr().out


@pytest.mark.parametrize("n_left", [0, 3])
def test_too_few_images_that_are_not_flagged_are_an_error_that_says_why(n_left, tmp_path, profile):
    images = make_images()
    images.loc[n_left:, "flagged"] = "nan"
    with pytest.raises(C2IError, match=f"found {n_left} of {len(images)} that are not flagged.*fp32"):
        build_surveys(
            write_images(tmp_path / "05_images", images), tmp_path / "06_survey", profile.survey, profile.seed
        )


def test_of_an_arm_with_several_models_only_the_first_is_shown(tmp_path, profile, capsys):
    """More models would make a survey longer, and unlike that of a profile with one."""
    first = make_images(("concept_only", *ARMS))
    second = first[first["arm"] == "ft"].assign(replicate=2, flagged="blank")
    for name in ("image_id", "prompt_id", "path"):
        second[name] = second[name].str.replace("ft-", "ft_2-")
    images = pd.concat([first, second], ignore_index=True)
    items = build_surveys(
        write_images(tmp_path / "05_images", images), tmp_path / "06_survey", profile.survey, profile.seed
    )
    shown = set(items.loc[items["kind"] != "check", "image_id"])
    assert shown == set(first.loc[first["arm"] != "concept_only", "image_id"])
    assert "flagged" not in capsys.readouterr().out, "what is in no survey anyway is not counted"


def test_collecting_ratings_does_not_build_the_survey_again(built, images_file, profile):
    record = (built / "stage.json").read_bytes()
    collect_ratings(built, profile.survey, profile.seed)
    build_surveys(images_file, built, profile.survey, profile.seed)
    assert (built / "stage.json").read_bytes() == record


@pytest.fixture(scope="module")
def simulated():
    images = make_images(n_concepts=10, n_samples=5)
    random = np.random.default_rng(0)
    scores = images.assign(quality=random.normal(size=len(images)), faithfulness=random.normal(size=len(images)))
    settings = load_profile("cpu").survey
    items = add_repeats(assign(images, 2, seed=0), settings.repeated_images, seed=0)
    items["expected_quality"] = items["expected_faithfulness"] = np.nan
    orders = order_items(items, settings, seed=0)
    return items, orders, scores, settings, simulate_answers(items, orders, scores, settings, seed=0)


def test_simulated_raters_answer_everything_on_the_scale(simulated):
    _, orders, _, _, answers = simulated
    assert set(answers["rating"]) == {1, 2, 3, 4}
    assert len(answers) == 2 * len(orders)


@pytest.mark.parametrize("question", ["quality", "faithfulness"])
def test_a_higher_score_gives_a_higher_simulated_rating(question, simulated):
    items, _, scores, _, answers = simulated
    rated = answers[answers["question"] == question].merge(items, on="item_id")
    mean = rated.groupby("image_id")["rating"].mean()
    order = scores.sort_values(question)["image_id"]
    thirds = [mean.loc[order.iloc[start : start + 50]].mean() for start in (0, 50, 100)]
    assert thirds[0] + 0.4 < thirds[1] < thirds[2] - 0.4


@pytest.mark.parametrize(("question", "kappa"), [("quality", 0.386), ("faithfulness", 0.546)])
def test_simulated_raters_agree_as_the_papers_did(question, kappa, simulated):
    items, orders, scores, settings, _ = simulated
    kappas = []
    for seed in range(20):
        answers = simulate_answers(items, orders, scores, settings, seed).merge(items, on="item_id")
        rows = answers[(answers["question"] == question) & (answers["kind"] == "image")]
        matrix = rows.pivot(index="image_id", columns="rater", values="rating").to_numpy()
        kappas.append(weighted_kappa(matrix, range(1, 5), "quadratic"))
    assert np.mean(kappas) == pytest.approx(kappa, abs=0.04)


def test_simulated_ratings_are_the_same_for_the_same_seed(simulated):
    items, orders, scores, settings, answers = simulated
    pd.testing.assert_frame_equal(answers, simulate_answers(items, orders, scores, settings, seed=0))
    assert not answers.equals(simulate_answers(items, orders, scores, settings, seed=1))


def write_scores(tmp_path):
    images = make_images(("concept_only", *ARMS))
    scores = images.assign(quality=np.linspace(0, 1, len(images)), faithfulness=np.linspace(1, 0, len(images)))
    with Stage(tmp_path / "08_judges" / "scores", {}):
        write_table(tmp_path / "08_judges" / "scores" / "scores.parquet", scores)
    return tmp_path / "08_judges" / "scores" / "scores.parquet"


def test_simulated_ratings_say_so_and_pass_the_checks(built, tmp_path, profile):
    simulating = load_profile("smoke", {**OVERRIDES, "survey.simulate_raters": True})
    ratings = collect_ratings(built, simulating.survey, simulating.seed, write_scores(tmp_path))
    assert list(ratings.columns) == list(RATINGS_COLUMNS) and ratings["simulated"].all()
    items = pd.read_parquet(built / "items.parquet").set_index("item_id")
    checks = ratings[ratings["kind"] == "check"]
    for row in checks.itertuples():
        assert row.rating == items.loc[row.item_id, f"expected_{row.question}"]


def answered(built):
    """One answer of a person to a built survey."""
    responses = Responses(responses_folder(built) / "responses.sqlite")
    responses.add_raters(["rater_1"])
    responses.answer("rater_1", of_survey(built, 1)["item_id"].iloc[0], "quality", 2)
    responses.close()
    return {path.name: path.read_bytes() for path in built.glob("*.parquet")}


def test_what_pages_say_around_the_pictures_may_change_while_people_answer(built, images_file, profile):
    """A survey that would be built again, or refused, because a panel's code came later could not be run at all."""
    record = (built / "stage.json").read_bytes()
    names = {"place_minutes": 5, "completion_code": "C1", "exclusions.failed_checks_above": 1}
    names |= {"break_every": 40, "time_limit_minutes": 90}
    names |= {"completion_url": "https://panel.example/done", "screen_out_url": "https://panel.example/out"}
    later = load_profile("smoke", OVERRIDES | {f"survey.{name}": value for name, value in names.items()})
    for _ in range(2):  # without answers, and with one
        build_surveys(images_file, built, later.survey, profile.seed)
        assert (built / "stage.json").read_bytes() == record
        answered(built)


def test_a_survey_with_answers_outlives_an_upgrade_and_a_change_of_raters(
    built, images_file, profile, monkeypatch, capsys
):
    before = answered(built)
    monkeypatch.setattr("c2i_lib.stages.survey.build._item_id", lambda *parts: "i" + "0" * 12)  # as another version has
    monkeypatch.setattr("c2i_lib.records.stage.code_hash", lambda *modules: "another version")
    more = load_profile("smoke", OVERRIDES | {"survey.raters_per_survey": 9})
    for settings in (profile.survey, more.survey):
        build_surveys(images_file, built, settings, profile.seed)
        assert {path.name: path.read_bytes() for path in built.glob("*.parquet")} == before
    assert "survey raters add" in capsys.readouterr().out


def test_a_survey_with_answers_is_not_built_again_with_other_pictures(built, images_file, profile):
    """Answers would count for pictures that nobody has seen."""
    before = answered(built)
    images = pd.read_parquet(images_file)
    few = OVERRIDES | {"survey.repeated_images": 1}
    with pytest.raises(C2IError, match="settings repeated_images have changed"):
        build_surveys(images_file, built, load_profile("smoke", few).survey, profile.seed)
    untrained = OVERRIDES | {"survey.training.anchors": 0}
    with pytest.raises(C2IError, match="settings training have changed"):  # raters would not be trained alike
        build_surveys(images_file, built, load_profile("smoke", untrained).survey, profile.seed)
    write_images(images_file.parent, images.iloc[::-1], version=2)  # each image now has another colour
    with pytest.raises(C2IError, match=r"12 pictures \(base-0-0, .* have changed: put them back"):
        build_surveys(images_file, built, profile.survey, profile.seed)
    write_images(images_file.parent, images[images["image_id"] != "ft-1-1"], version=3)
    with pytest.raises(C2IError, match=r"pictures .*ft-1-1"):
        build_surveys(images_file, built, profile.survey, profile.seed)
    assert {path.name: path.read_bytes() for path in built.glob("*.parquet")} == before


def test_a_profile_for_people_takes_no_simulated_raters(built, tmp_path, profile):
    with pytest.raises(C2IError, match="takes no simulated raters"):
        collect_ratings(built, profile.survey, profile.seed, write_scores(tmp_path))


def fill(items, path, rater="anna", quality=3, faithfulness=4):
    """c2i's own CSV with all answers of one rater to ``items``."""
    points = {"quality": quality, "faithfulness": faithfulness}
    rows = [
        (rater, item_id, question, float(point), "", "")
        for item_id in items["item_id"]
        for question, point in points.items()
    ]
    formats.write_answers_csv(path, pd.DataFrame(rows, columns=formats.COLUMNS))
    return path


def of_survey(folder, number):
    items = pd.read_parquet(folder / "items.parquet")
    return items[items["survey"] == f"survey_{number}"]


def test_imported_answers_become_ratings(built, tmp_path, profile):
    assert collect_ratings(built, profile.survey, profile.seed).empty
    files = [fill(of_survey(built, 1), tmp_path / "a.csv"), fill(of_survey(built, 2), tmp_path / "b.csv", "ben", 1, 2)]
    answers = import_answers(files, built, profile.survey)
    assert any("ben" in note for note in answers.attrs["notes"])  # not a rater that the survey expects: told
    for path in files:
        path.unlink()  # they are kept with the run
    for _ in range(2):
        ratings = collect_ratings(built, profile.survey, profile.seed, answers=gather_answers(built))
        assert len(ratings) == 2 * len(pd.read_parquet(built / "items.parquet")) and not ratings["simulated"].any()
    means = ratings.pivot_table(index="rater", columns="question", values="rating")
    assert means.loc["anna"].tolist() == [4, 3] and means.loc["ben"].tolist() == [2, 1]
    arm_of = make_images().set_index("image_id")["arm"]
    images = ratings[ratings["kind"] == "image"]
    assert (images["arm"] == images["image_id"].map(arm_of)).all()


def test_answers_given_in_the_app_and_imported_ones_are_read_together(built, tmp_path, profile):
    responses = Responses(responses_folder(built) / "responses.sqlite")
    responses.add_raters(["rater_1"])
    responses.consent("rater_1")
    first = of_survey(built, 1)["item_id"].iloc[0]
    responses.answer("rater_1", first, "quality", 2)
    responses.answer("rater_1", first, "faithfulness", None)
    responses.close()
    import_answers([fill(of_survey(built, 2), tmp_path / "lab.csv")], built, profile.survey)
    ratings = collect_ratings(built, profile.survey, profile.seed, answers=gather_answers(built))
    assert sorted(ratings["rater"].unique()) == ["anna", "rater_1"]
    of_app = ratings[ratings["rater"] == "rater_1"].set_index("question")["rating"]
    assert of_app["quality"] == 2 and np.isnan(of_app["faithfulness"])  # could not judge


def test_the_same_answers_from_two_sources_are_refused_and_nothing_is_kept(built, tmp_path, profile):
    import_answers([fill(of_survey(built, 1), tmp_path / "one.csv")], built, profile.survey)
    with pytest.raises(C2IError, match="'anna' answered .* in two sources"):
        import_answers([fill(of_survey(built, 1), tmp_path / "two.csv")], built, profile.survey)
    assert [path.name for path in gather_answers(built)] == ["one.parquet"]


def test_an_import_replaces_an_earlier_one_of_the_same_name(built, tmp_path, profile):
    path = fill(of_survey(built, 1), tmp_path / "one.csv", quality=1)
    import_answers([path], built, profile.survey)
    import_answers([fill(of_survey(built, 1), path, quality=2)], built, profile.survey)
    ratings = collect_ratings(built, profile.survey, profile.seed, answers=gather_answers(built))
    assert set(ratings.loc[ratings["question"] == "quality", "rating"]) == {2}


def test_a_run_that_simulates_takes_no_answers_of_people(built, tmp_path):
    simulating = load_profile("smoke", {**OVERRIDES, "survey.simulate_raters": True})
    with pytest.raises(C2IError, match="simulates its raters"):
        import_answers([fill(of_survey(built, 1), tmp_path / "one.csv")], built, simulating.survey)


def test_answers_to_other_pictures_are_refused(built, profile):
    strange = pd.DataFrame([("anna", "i000000000000", "quality", 3.0, "", "")], columns=formats.COLUMNS)
    write_table(responses_folder(built) / "strange.parquet", strange)
    with pytest.raises(C2IError, match="in no survey of this run: i000000000000"):
        collect_ratings(built, profile.survey, profile.seed, answers=gather_answers(built))
