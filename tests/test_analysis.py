import pandas as pd
import pytest

from c2i_lib.agreement import agreement_table
from c2i_lib.analysis import analyse_ratings, analyse_scores, in_order
from c2i_lib.config import load_profile
from c2i_lib.effects import table1
from c2i_lib.errors import C2IError, DamagedStageError
from c2i_lib.files import write_table
from c2i_lib.stage import Stage

PROFILE = load_profile("smoke", {"analysis.n_bootstrap": 100})
ARMS = list(PROFILE.survey.arms)


def make_ratings():
    rows = []
    for question, shift in (("quality", 0), ("faithfulness", 1)):
        for place, arm in enumerate(reversed(ARMS)):  # not the profile's order
            for item in range(6):
                for rater in range(2):
                    rating = 1 + (item + place + shift + rater * (item == 0)) % 4
                    rows.append((f"{arm}-{item}", arm, f"concept {item % 3}", f"rater {rater}", question, rating))
    columns = ["image_id", "arm", "concept", "rater", "question", "rating"]
    return pd.DataFrame(rows, columns=columns).assign(simulated=True)


def write_stage(folder, name, table):
    with Stage(folder, {"n": len(table)}):
        write_table(folder / name, table)
    return folder / name


def test_rows_come_in_the_profiles_order_of_arms():
    table = pd.DataFrame({"arm": ["ft", "base", "ft", "concept_only"], "n": range(4)})
    ordered = in_order(table, ("concept_only", "base", "ft"))
    assert ordered["arm"].tolist() == ["concept_only", "base", "ft", "ft"]
    assert ordered["n"].tolist() == [3, 1, 0, 2]


def test_ratings_become_three_tables_of_the_profiles_settings(tmp_path):
    ratings = make_ratings()
    file = write_stage(tmp_path / "06_survey", "ratings.parquet", ratings)
    tables = analyse_ratings(file, tmp_path / "07_analysis", PROFILE)
    assert list(tables) == ["table1", "comparison", "agreement"]
    assert tables["table1"]["arm"].tolist() == ARMS * 2
    expected = table1(in_order(ratings, tuple(ARMS)), 100, PROFILE.analysis.confidence, PROFILE.seed)
    expected["simulated"] = True
    pd.testing.assert_frame_equal(tables["table1"], expected, check_dtype=False)
    assert len(tables["comparison"]) == 2 * 6
    expected = agreement_table(ratings, PROFILE.survey.scale_points).assign(simulated=True)
    pd.testing.assert_frame_equal(tables["agreement"], expected, check_dtype=False)


def test_the_analysis_runs_again_only_when_ratings_change(tmp_path):
    ratings, folder = make_ratings(), tmp_path / "07_analysis"
    file = write_stage(tmp_path / "06_survey", "ratings.parquet", ratings)
    analyse_ratings(file, folder, PROFILE)
    record = (folder / "stage.json").read_bytes()
    analyse_ratings(file, folder, PROFILE)
    assert (folder / "stage.json").read_bytes() == record
    more = pd.concat([ratings, ratings.assign(rater=ratings["rater"] + " again")])
    write_stage(tmp_path / "06_survey", "ratings.parquet", more)
    assert analyse_ratings(file, folder, PROFILE)["table1"]["n"].tolist() == [24] * 8


def test_no_ratings_yet_is_told_with_the_command(tmp_path):
    file = write_stage(tmp_path / "06_survey", "ratings.parquet", make_ratings().head(0))
    with pytest.raises(C2IError, match="holds no ratings.*survey import --run-dir"):
        analyse_ratings(file, tmp_path / "07_analysis", PROFILE)


def test_changed_ratings_are_refused(tmp_path):
    file = write_stage(tmp_path / "06_survey", "ratings.parquet", make_ratings())
    make_ratings().assign(rating=4).to_parquet(file)
    with pytest.raises(DamagedStageError, match="--from 6"):
        analyse_ratings(file, tmp_path / "07_analysis", PROFILE)


def test_scores_become_means_and_comparisons_of_both_questions(tmp_path):
    rows = [
        (f"{arm}-{concept}-{sample}", arm, f"concept {concept}", sample, place + concept, place - concept)
        for place, arm in enumerate(ARMS)
        for concept in range(3)
        for sample in range(2)
    ]
    scores = pd.DataFrame(rows, columns=["image_id", "arm", "concept", "sample", "quality", "faithfulness"])
    scores = scores.astype({"quality": float, "faithfulness": float})
    file = write_stage(tmp_path / "08_judges" / "scores", "scores.parquet", scores.iloc[::-1])
    tables = analyse_scores(file, tmp_path / "08_judges" / "analysis", PROFILE)
    assert tables["means"]["arm"].tolist() == ARMS * 2
    assert tables["means"]["question"].tolist() == ["quality"] * 4 + ["faithfulness"] * 4
    assert tables["means"]["mean"].tolist() == pytest.approx([1, 2, 3, 4, -1, 0, 1, 2])
    # Arms differ by the same amount in every concept, so that nothing is left to chance.
    expected = [ARMS.index(row.arm) - ARMS.index(row.baseline) for row in tables["comparison"].itertuples()]
    for column in ("difference", "low", "high"):
        assert tables["comparison"][column].tolist() == pytest.approx(expected)
