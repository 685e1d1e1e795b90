import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from c2i_lib.agreement import agreement_table
from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.files import write_table
from c2i_lib.stage import Stage
from c2i_lib.survey.build import assign
from c2i_lib.survey.ratings import COLUMNS, collect_ratings, import_sheets, read_sheets, sheets_folder, simulate_ratings

ARMS = ("base", "ft", "ft_tags")
OVERRIDES = {
    "concepts.n_concepts": 2,
    "prompts.n_per_concept": 2,
    "survey.arms": list(ARMS),
    "survey.images_per_survey": 6,
    "survey.simulate_raters": False,
}


def make_images(arms=ARMS, n_concepts=2, n_samples=2):
    keys = [(arm, concept, n) for arm in arms for concept in range(n_concepts) for n in range(n_samples)]
    table = pd.DataFrame(keys, columns=["arm", "concept", "sample"])
    table["concept"] = "concept " + table["concept"].astype(str)
    table["image_id"] = [f"{arm}-{concept}-{n}" for arm, concept, n in keys]
    return table.assign(path=table["image_id"] + ".png", sha256="content of " + table["image_id"], flagged="")


@pytest.fixture
def profile():
    return load_profile("smoke", OVERRIDES)


def write_images(folder, images):
    """A finished image stage with pictures that carry metadata, as those of the study do."""
    info = PngInfo()
    info.add_text("c2i", "the prompt and the arm")
    with Stage(folder, {}):
        for number, path in enumerate(images["path"]):
            Image.new("RGB", (8, 8), (number, 0, 255)).save(folder / path, pnginfo=info)
        write_table(folder / "images.parquet", images)
    return folder / "images.parquet"


@pytest.fixture
def images_file(tmp_path):
    return write_images(tmp_path / "05_images", make_images(("concept_only", *ARMS)))


def sizes(items, *columns):
    """Number of items per survey for each value of ``columns``."""
    return items.groupby([*columns, "survey"]).size().unstack(fill_value=0)


@pytest.mark.parametrize(
    ("n_arms", "n_concepts", "n_samples", "n_surveys"),
    [(3, 10, 5, 2), (4, 3, 2, 2), (4, 10, 5, 2), (3, 10, 5, 3), (3, 4, 5, 4), (3, 2, 2, 4)],
)
def test_arms_and_concepts_are_spread_evenly_over_equal_surveys(n_arms, n_concepts, n_samples, n_surveys):
    arms = ("base", "concept_only", "ft", "ft_tags")[:n_arms]
    items = assign(make_images(arms, n_concepts, n_samples), n_surveys, seed=0)
    assert items["survey"].value_counts().nunique() == 1
    for columns in (["arm"], ["concept"], ["arm", "concept"]):
        counts = sizes(items, *columns)
        assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1, columns


def test_every_image_is_shown_once_and_positions_count_from_one():
    images = make_images()
    items = assign(images, 2, seed=0)
    assert sorted(items["image_id"]) == sorted(images["image_id"])
    for _, survey in items.groupby("survey"):
        assert survey["position"].tolist() == list(range(1, len(survey) + 1))


def test_item_ids_are_opaque_and_unique():
    items = assign(make_images(), 2, seed=0)
    assert items["item_id"].is_unique
    assert items["item_id"].str.fullmatch("i[0-9a-f]{12}").all()
    assert not set(items["item_id"]) & set(assign(make_images(), 2, seed=1)["item_id"])


def test_the_order_is_shuffled_by_the_seed_alone():
    images = make_images(n_concepts=10)
    items = assign(images, 2, seed=0)
    pd.testing.assert_frame_equal(items, assign(images.iloc[::-1], 2, seed=0))
    assert items["image_id"].tolist() != assign(images, 2, seed=1)["image_id"].tolist()
    assert not items.loc[items["survey"] == "survey_1", "arm"].is_monotonic_increasing


def test_what_raters_get_tells_neither_arm_nor_prompt(tmp_path, images_file, profile):
    folder = tmp_path / "06_survey"
    collect_ratings(images_file, folder, profile)
    items = pd.read_parquet(folder / "items.parquet")
    assert set(items["arm"]) == set(ARMS)
    for survey, group in items.groupby("survey"):
        assert {path.name for path in (folder / survey).iterdir()} == {"sheet.csv", *(group["item_id"] + ".png")}
        sheet = pd.read_csv(folder / survey / "sheet.csv")
        assert list(sheet.columns) == ["position", "item_id", "concept", "quality", "faithfulness"]
        assert sheet["item_id"].tolist() == group["item_id"].tolist()
        for item in group.itertuples():
            picture = Image.open(folder / survey / f"{item.item_id}.png")
            assert picture.info == {} and picture.text == {}
            original = Image.open(images_file.parent / f"{item.image_id}.png")
            np.testing.assert_array_equal(np.asarray(picture), np.asarray(original))


def test_flagged_images_are_not_shown_and_counted_rightly(tmp_path, profile, capsys):
    images = make_images(("concept_only", *ARMS))
    flagged = ["ft-0-0", "concept_only-0-0"]  # the second is in no survey anyway
    images.loc[images["image_id"].isin(flagged), "flagged"] = "blank"
    collect_ratings(write_images(tmp_path / "05_images", images), tmp_path / "06_survey", profile)
    items = pd.read_parquet(tmp_path / "06_survey" / "items.parquet")
    assert len(items) == 11 and not set(flagged) & set(items["image_id"])
    assert "1 flagged" in capsys.readouterr().out


@pytest.fixture(scope="module")
def simulated():
    images = make_images(n_concepts=10, n_samples=4)
    random = np.random.default_rng(0)
    scores = images.assign(quality=random.normal(size=len(images)), faithfulness=random.normal(size=len(images)))
    settings = load_profile("smoke").survey
    return scores, settings, simulate_ratings(assign(images, 2, seed=0), scores, settings, seed=0)


def test_simulated_ratings_are_on_the_scale_and_say_that_they_are_simulated(simulated):
    scores, settings, ratings = simulated
    assert list(ratings.columns) == COLUMNS
    assert set(ratings["rating"]) == {1, 2, 3, 4}
    assert ratings["simulated"].all() and ratings["rater"].str.startswith("simulated-").all()
    assert len(ratings) == len(scores) * settings.raters_per_survey * 2
    assert (ratings.groupby("survey")["rater"].nunique() == settings.raters_per_survey).all()


@pytest.mark.parametrize("question", ["quality", "faithfulness"])
def test_a_higher_score_gives_a_higher_simulated_rating(simulated, question):
    scores, _, ratings = simulated
    mean = ratings[ratings["question"] == question].groupby("image_id")["rating"].mean()
    order = scores.sort_values(question)["image_id"]
    thirds = [mean.loc[order.iloc[start : start + 40]].mean() for start in (0, 40, 80)]
    assert thirds[0] + 0.5 < thirds[1] < thirds[2] - 0.5


def test_simulated_ratings_are_the_same_for_the_same_seed(simulated):
    scores, settings, ratings = simulated
    items = assign(make_images(n_concepts=10, n_samples=4), 2, seed=0)
    pd.testing.assert_frame_equal(ratings, simulate_ratings(items, scores, settings, seed=0))
    assert not ratings.equals(simulate_ratings(items, scores, settings, seed=1))


def fill(items, path, quality=3, faithfulness=4):
    """A filled sheet for ``items`` at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = items[["position", "item_id", "concept"]].assign(quality=quality, faithfulness=faithfulness)
    sheet.to_csv(path, index=False)
    return path


@pytest.fixture
def items():
    return assign(make_images(), 2, seed=0)


def test_filled_sheets_become_ratings(items, tmp_path):
    groups = dict(list(items.groupby("survey")))
    sheets = [fill(groups["survey_1"], tmp_path / "anna.csv"), fill(groups["survey_2"], tmp_path / "ben.csv", 1, 2)]
    ratings = read_sheets(sheets, items, scale_points=4)
    assert list(ratings.columns) == COLUMNS and not ratings["simulated"].any()
    assert len(ratings) == 2 * len(items)
    found = ratings.pivot(index="image_id", columns=["question"], values="rating")
    for row in items.itertuples():
        expected = [3, 4] if row.survey == "survey_1" else [1, 2]
        assert found.loc[row.image_id, ["quality", "faithfulness"]].tolist() == expected
    assert ratings.groupby("rater")["survey"].unique().map(list).to_dict() == {
        "anna": ["survey_1"],
        "ben": ["survey_2"],
    }
    arm_of = items.set_index("image_id")["arm"]
    assert (ratings["arm"] == ratings["image_id"].map(arm_of)).all()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("item_id", "deadbeef0000", "line 2: item_id 'deadbeef0000' is in no survey"),
        ("quality", 5, "line 2: quality should be 1 to 4, found"),
        ("quality", 0, "line 2: quality should be 1 to 4, found"),
        ("faithfulness", 2.5, "line 2: faithfulness should be 1 to 4, found"),
        ("faithfulness", None, "line 2: faithfulness should be 1 to 4, found"),
        ("faithfulness", "good", "line 2: faithfulness should be 1 to 4, found"),
    ],
)
def test_a_wrong_cell_names_file_and_line(items, tmp_path, column, value, message):
    path = fill(items, tmp_path / "anna.csv")
    sheet = pd.read_csv(path).astype(object)
    sheet.loc[0, column] = value
    sheet.to_csv(path, index=False)
    with pytest.raises(C2IError, match=f"anna.csv, {message}"):
        read_sheets([path], items, scale_points=4)


def test_a_missing_column_or_sheet_is_named(items, tmp_path):
    path = fill(items, tmp_path / "anna.csv")
    pd.read_csv(path).drop(columns="quality").to_csv(path, index=False)
    with pytest.raises(C2IError, match=r"anna.csv has no column \['quality'\]"):
        read_sheets([path], items, scale_points=4)
    with pytest.raises(C2IError, match="none.csv does not exist"):
        read_sheets([tmp_path / "none.csv"], items, scale_points=4)


def test_an_id_that_looks_like_a_number_is_read_as_text(items, tmp_path):
    one = items.head(1).assign(item_id="000000123456")
    assert len(read_sheets([fill(one, tmp_path / "anna.csv")], one, scale_points=4)) == 2


def test_two_sheets_of_one_name_for_the_same_items_are_refused(items, tmp_path):
    # They would count as one rater with two answers, and agreement could not be computed.
    sheets = [fill(items, tmp_path / folder / "sheet.csv") for folder in ("anna", "ben")]
    with pytest.raises(C2IError, match="sheet"):
        agreement_table(read_sheets(sheets, items, scale_points=4), scale_points=4)


def test_a_missing_sheet_is_an_error_that_a_user_can_mend(tmp_path, images_file, profile):
    with pytest.raises(C2IError, match="none.csv"):
        collect_ratings(images_file, tmp_path / "06_survey", profile, sheets=[tmp_path / "none.csv"])


def test_imported_sheets_are_kept_and_read_when_the_survey_notebook_runs_again(tmp_path, images_file, profile):
    folder = tmp_path / "06_survey"
    assert collect_ratings(images_file, folder, profile).empty
    sheet = fill(pd.read_parquet(folder / "items.parquet"), tmp_path / "inbox" / "anna.csv")
    assert len(import_sheets([sheet], folder, profile)) == 24
    sheet.unlink()
    for _ in range(2):
        kept = sorted(sheets_folder(folder).glob("*.csv"))
        assert len(collect_ratings(images_file, folder, profile, sheets=kept)) == 24


def test_a_sheet_filled_in_the_surveys_own_folder_is_imported_and_never_deleted(tmp_path, images_file, profile):
    folder = tmp_path / "06_survey"
    collect_ratings(images_file, folder, profile)
    items = pd.read_parquet(folder / "items.parquet")
    sheet = fill(items[items["survey"] == "survey_1"], folder / "survey_1" / "anna.csv")
    assert len(import_sheets([sheet], folder, profile)) == 12
    with pytest.raises(C2IError, match="anna.csv.*Move them"):
        collect_ratings(images_file, folder, profile, sheets=sorted(sheets_folder(folder).glob("*.csv")))
    assert sheet.is_file()


def test_a_rater_who_took_both_surveys_counts_as_one(tmp_path, images_file, profile):
    folder = tmp_path / "06_survey"
    collect_ratings(images_file, folder, profile)
    items = pd.read_parquet(folder / "items.parquet")
    sheets = [fill(group, tmp_path / f"anna.{survey}.csv") for survey, group in items.groupby("survey")]
    assert set(read_sheets(sheets, items, 4)["rater"]) == {"anna"}
