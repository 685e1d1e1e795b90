import numpy as np
import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError, DamagedStageError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages import analysis
from c2i_lib.stages.analysis import analyse_ratings, columns, describe_ratings, fit_mixed_model
from c2i_lib.stages.evaluation.means import analyse_others, analyse_scores
from c2i_lib.statistics import mixed_model
from c2i_lib.statistics.agreement import agreement_table
from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.effects import in_order, table1

PROFILE = load_profile("smoke")
RESAMPLING = Resampling(100, PROFILE.analysis.confidence, PROFILE.seed)
ARMS = list(PROFILE.survey.arms)
EXPECTED = ["expected_quality", "expected_faithfulness"]


def make_ratings():
    rows = []
    for question, shift in (("quality", 0), ("faithfulness", 1)):
        for place, arm in enumerate(reversed(ARMS)):  # not the profile's order
            for item in range(6):
                for rater in range(2):
                    rating = 1.0 + (item + place + shift + rater * (item == 0)) % 4
                    rows.append((f"{arm}-{item}", arm, f"concept {item % 3}", f"rater {rater}", question, rating))
    columns = ["image_id", "arm", "concept", "rater", "question", "rating"]
    table = pd.DataFrame(rows, columns=columns).assign(simulated=True, kind="image")
    return table.assign(item_id="i" + table["image_id"], prompt_id=table["image_id"])


ITEMS = pd.DataFrame([("icheck", "check", 2.0, 3.0)], columns=["item_id", "kind", *EXPECTED])


def checked(ratings, quality=2.0):
    """``ratings`` with an attention check that every rater answered."""
    check = {
        "image_id": "check-1",
        "arm": None,
        "concept": "?",
        "kind": "check",
        "item_id": "icheck",
        "prompt_id": None,
    }
    answers = {"quality": quality, "faithfulness": 3.0}
    rows = [
        {**check, "rater": rater, "question": question, "rating": point, "simulated": ratings["simulated"].iloc[0]}
        for rater in sorted(ratings["rater"].unique())
        for question, point in answers.items()
    ]
    return pd.concat([ratings, pd.DataFrame(rows)], ignore_index=True)


def analyse(tmp_path, ratings, profile=PROFILE, scores=None, others=None):
    """All tables of ``ratings``, whose files are written as the stages write them."""
    items = write_stage(tmp_path / "06_survey", "items.parquet", ITEMS)
    file = write_stage(tmp_path / "06_survey" / "ratings", "ratings.parquet", ratings)
    scores_file = None
    if scores is not None:
        scores_file = write_stage(tmp_path / "08_judges" / "scores", "scores.parquet", scores)
    others_file = None
    if others is not None:
        others_file = write_stage(tmp_path / "08_judges" / "others", "others.parquet", others)
    return analyse_all(file, items, tmp_path, profile, scores_file, others_file)


def analyse_all(file, items, tmp_path, profile, *judged):
    resampling = Resampling(100, profile.analysis.confidence, profile.seed)
    settings = (profile.survey, profile.prompts.n_per_concept, resampling, profile.analysis)
    return analyse_ratings(file, items, tmp_path / "07_analysis", *settings, profile.judges, *judged)


def write_stage(folder, name, table):
    with Stage(folder, {"n": len(table)}):
        write_table(folder / name, table)
    return folder / name


def test_rows_come_in_the_profiles_order_of_arms():
    table = pd.DataFrame({"arm": ["ft", "base", "ft", "concept_only"], "n": range(4)})
    ordered = in_order(table, ("concept_only", "base", "ft"))
    assert ordered["arm"].tolist() == ["concept_only", "base", "ft", "ft"]
    assert ordered["n"].tolist() == [3, 1, 0, 2]


def test_ratings_become_tables_of_the_profiles_settings(tmp_path):
    ratings = make_ratings()
    tables = analyse(tmp_path, ratings)
    assert set(tables) == {"table1", "comparison", "differences", "agreement", "raters", "variance", "power"}
    assert tables["table1"]["arm"].tolist() == ARMS * 2
    expected = table1(in_order(ratings, tuple(ARMS)), RESAMPLING, PROFILE.analysis.raters).assign(simulated=True)
    pd.testing.assert_frame_equal(tables["table1"], expected, check_dtype=False)
    n_pairs = len(ARMS) * (len(ARMS) - 1) // 2
    assert len(tables["comparison"]) == 2 * n_pairs and len(tables["differences"]) == 2 * n_pairs * 3
    points = range(1, PROFILE.survey.scale_points + 1)
    expected = agreement_table(in_order(ratings, tuple(ARMS)), points, RESAMPLING)
    pd.testing.assert_frame_equal(tables["agreement"], expected.assign(simulated=True), check_dtype=False)
    assert all(table["simulated"].all() for table in tables.values())


@pytest.mark.parametrize(
    ("times", "simulated", "line"),
    [
        # Of the two the first is later, although its text sorts before the other's.
        (["2026-05-20T13:43:01Z", "2026-05-20T15:10:00+02:00"], False, ", the last of 2026-05-20 13:43 UTC"),
        (["2026-05-20T13:43:01Z", ""], False, ", the last of 2026-05-20 13:43 UTC"),
        (["", ""], False, ""),
        (["", ""], True, ""),
    ],
    ids=["two zones", "one without a time", "none with a time", "simulated"],
)
def test_how_many_answers_are_analysed_and_up_to_when_is_said(times, simulated, line):
    ratings = pd.DataFrame({"rater": ["anna", "ben"], "answered_at": times, "simulated": simulated})
    assert describe_ratings(ratings) == f"2 answers of 2 {'simulated ' * simulated}raters{line}"


def test_repeats_checks_and_what_could_not_be_judged_count_for_no_arm(tmp_path):
    ratings = make_ratings()
    repeats = ratings[ratings["image_id"] == "ft-1"].assign(kind="repeat", item_id="again")
    unsure = ratings.index[(ratings["image_id"] == "ft-2") & (ratings["rater"] == "rater 0")]
    with_all = checked(pd.concat([ratings, repeats], ignore_index=True))
    with_all.loc[unsure, "rating"] = np.nan
    tables = analyse(tmp_path, with_all)
    n_of = tables["table1"].set_index(["question", "arm"])["n"]
    assert n_of[("quality", "ft")] == 11 and n_of[("quality", "base")] == 12
    raters = tables["raters"].set_index(["rater", "question"])
    assert raters.loc["rater 0", "cannot_judge"].tolist() == [1, 1]
    assert raters["checks_passed"].tolist() == [1] * 4
    assert raters["same"].tolist() == [1] * 4  # the repeats were rated as before


def test_a_failed_check_shows_and_its_rater_can_be_left_out(tmp_path):
    ratings = checked(make_ratings(), quality=4.0)
    ratings.loc[(ratings["kind"] == "check") & (ratings["rater"] == "rater 1"), "rating"] = [2.0, 3.0]
    raters = analyse(tmp_path, ratings)["raters"]
    assert raters.groupby("rater")["checks_passed"].first().tolist() == [0.5, 1]
    profile = load_profile("smoke", {"analysis.left_out_raters": ["rater 0"]})
    assert set(analyse(tmp_path, ratings, profile)["raters"]["rater"]) == {"rater 1"}
    profile = load_profile("smoke", {"analysis.left_out_raters": ["nobody"]})
    with pytest.raises(C2IError, match=r"names \['nobody'\], but the raters are \['rater 0', 'rater 1'\]"):
        analyse(tmp_path, ratings, profile)


@pytest.mark.parametrize("raters", ["population", "these"])
def test_a_plan_reaches_the_comparison_and_a_changed_one_makes_it_anew(tmp_path, raters):
    baseline, arm = ARMS[:2]
    plan = {"analysis.primary": [{"arm": arm, "baseline": baseline, "question": "quality"}], "analysis.raters": raters}
    tables = {}
    for margin in (None, 0.01, 2.9):
        profile = load_profile("smoke", plan | {"analysis.margin.quality": margin})
        tables[margin] = analyse(tmp_path, make_ratings(), profile)["comparison"].set_index("question")
        assert tables[margin].dtypes.astype(str).to_dict() == {
            name: dtype for name, dtype in columns(4)["comparison"].items() if name != "question"
        }
    of_family = tables[None][tables[None]["primary"]]
    assert of_family[["arm", "baseline"]].to_numpy().tolist() == [[arm, baseline]]
    assert of_family["p_holm"].tolist() == of_family["p"].tolist(), "a family of one"
    assert set(tables[None]["verdict"]) == {""} and set(tables[2.9].loc["faithfulness", "verdict"]) == {""}
    verdicts = [set(tables[margin].loc["quality", "verdict"]) for margin in (0.01, 2.9)]
    assert "undecided" in verdicts[0]
    assert "equivalent within ±2.9" in verdicts[1] if raters == "population" else verdicts[1] == {"undecided"}, (
        "of three concepts, sign flips show nothing"
    )


def test_who_broke_a_declared_rule_is_in_no_table_but_that_of_exclusions(tmp_path):
    """And the means stand there with and without them, so that a reader sees what the rule did."""
    ratings = checked(make_ratings(), quality=4.0).assign(answered_at="")
    ratings.loc[(ratings["kind"] == "check") & (ratings["rater"] == "rater 1"), "rating"] = [2.0, 3.0]
    profile = load_profile("smoke", {"survey.exclusions.failed_checks_above": 0})
    tables = analyse(tmp_path, ratings, profile)
    assert set(tables["raters"]["rater"]) == {"rater 1"}
    assert tables["exclusions"].set_index("rater")["broken"].to_dict() == {"rater 0": "1 failed checks", "rater 1": ""}
    means, table = tables["exclusion_means"], tables["table1"]
    every = table1(in_order(ratings[ratings["kind"] == "image"], ARMS), RESAMPLING, profile.analysis.raters)
    assert means["mean_all"].tolist() == pytest.approx(every["mean"].tolist())
    assert means["mean"].tolist() == pytest.approx(table["mean"].tolist())
    assert (means["n_all"] == 2 * means["n"]).all() and (means["mean"] != means["mean_all"]).any()
    for name in ("exclusions", "exclusion_means"):
        dtypes = {column: str(dtype) for column, dtype in tables[name].dtypes.items()}
        assert dtypes == analysis.columns(profile.survey.scale_points)[name]
    assert analysis.find_left_out(*files_of(tmp_path), profile.survey, profile.analysis) == ("rater 0",)
    assert analysis.find_left_out(*files_of(tmp_path), PROFILE.survey, PROFILE.analysis) == ()


def test_rules_that_leave_nobody_are_refused(tmp_path):
    ratings = checked(make_ratings(), quality=4.0).assign(answered_at="")
    profile = load_profile("smoke", {"survey.exclusions.failed_checks_above": 0})
    with pytest.raises(C2IError, match=r"leave none of 2 raters \(rater 0: 1 failed checks\)"):
        analyse(tmp_path, ratings, profile)


def files_of(tmp_path):
    """Ratings and items, as ``analyse`` has written them."""
    return tmp_path / "06_survey" / "ratings" / "ratings.parquet", tmp_path / "06_survey" / "items.parquet"


def test_judges_are_compared_with_people_and_not_with_simulated_raters(tmp_path):
    ratings = make_ratings()
    images = ratings.drop_duplicates("image_id")
    scores = images[["image_id"]].assign(quality=range(len(images)), faithfulness=range(len(images)))
    assert "validity" not in analyse(tmp_path / "simulated", ratings, scores=scores)
    people = load_profile("smoke", {"survey.simulate_raters": False})
    others = images[["image_id"]].assign(judge="a further one", score=range(len(images), 0, -1))
    validity = analyse(tmp_path / "people", ratings.assign(simulated=False), people, scores, others)["validity"]
    assert set(validity["measure"]) == {"Spearman", "pairwise accuracy"}
    assert not validity["simulated"].any()
    value = validity.set_index(["measure", "judge", "question"])["value"]["Spearman"]
    assert set(value.index) == {
        ("scene_quality", "quality"),
        ("scene_parts", "faithfulness"),
        ("a further one", "quality"),
        ("a further one", "faithfulness"),
    }
    assert value["a further one", "quality"] == pytest.approx(-value["scene_quality", "quality"]), "the opposite order"


def test_a_profile_for_people_refuses_simulated_raters_and_none_may_be_mixed(tmp_path):
    people = load_profile("smoke", {"survey.simulate_raters": False})
    with pytest.raises(C2IError, match="is of simulated raters, and this run takes people's only"):
        analyse(tmp_path, make_ratings(), people)
    mixed = pd.concat([make_ratings(), make_ratings().assign(simulated=False)])
    with pytest.raises(C2IError, match="mixes simulated and human"):
        analyse(tmp_path, mixed)


def test_the_analysis_runs_again_only_when_ratings_change(tmp_path):
    ratings, folder = make_ratings(), tmp_path / "07_analysis"
    analyse(tmp_path, ratings)
    record = (folder / "stage.json").read_bytes()
    analyse(tmp_path, ratings)
    assert (folder / "stage.json").read_bytes() == record
    more = pd.concat([ratings, ratings.assign(rater=ratings["rater"] + " again")])
    assert analyse(tmp_path, more)["table1"]["n"].tolist() == [24] * 2 * len(ARMS)


def test_no_ratings_yet_is_told_with_the_command(tmp_path):
    with pytest.raises(C2IError, match="holds no ratings.*survey serve --run-dir"):
        analyse(tmp_path, make_ratings().head(0))


def test_changed_ratings_are_refused(tmp_path):
    items = write_stage(tmp_path / "06_survey", "items.parquet", ITEMS)
    file = write_stage(tmp_path / "06_survey" / "ratings", "ratings.parquet", make_ratings())
    make_ratings().assign(rating=4.0).to_parquet(file)
    with pytest.raises(DamagedStageError, match="--from 6"):
        analyse_all(file, items, tmp_path, PROFILE)


def test_the_mixed_model_is_fitted_once_or_says_what_is_missing(tmp_path, monkeypatch):
    file = write_stage(tmp_path / "06_survey" / "ratings", "ratings.parquet", make_ratings())
    monkeypatch.setattr(mixed_model, "available", lambda: False)
    table, message = fit_mixed_model(file, tmp_path / "07_analysis", PROFILE.survey, 0.95)
    assert table.empty and "did not run" in message and "r-cran-ordinal" in message
    calls = []

    def fit(ratings, confidence):
        calls.append(ratings["arm"].iloc[0])
        row = ("quality", "ft", ratings["arm"].iloc[0], 0.1, 0.0, 0.2, 0.04)
        return pd.DataFrame([row], columns=list(mixed_model.EFFECTS_COLUMNS)), "R version of this test"

    monkeypatch.setattr(mixed_model, "available", lambda: True)
    monkeypatch.setattr(mixed_model, "fit", fit)
    for _ in range(2):
        table, message = fit_mixed_model(file, tmp_path / "07_analysis", PROFILE.survey, 0.95)
        assert message == "The mixed model ran in R version of this test."
        assert list(table) == list(mixed_model.EFFECTS_COLUMNS) and table["estimate"].tolist() == [0.1]
    assert calls == [ARMS[0]]  # once, with the baseline arm first


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
    tables = analyse_scores(file, tmp_path / "08_judges" / "analysis", ARMS, RESAMPLING)
    assert tables["means"]["arm"].tolist() == ARMS * 2
    assert tables["means"]["question"].tolist() == ["quality"] * len(ARMS) + ["faithfulness"] * len(ARMS)
    places = list(range(len(ARMS)))
    assert tables["means"]["mean"].tolist() == pytest.approx([n + 1 for n in places] + [n - 1 for n in places])
    # Arms differ by the same amount in every concept, so that nothing is left to chance.
    expected = [ARMS.index(row.arm) - ARMS.index(row.baseline) for row in tables["comparison"].itertuples()]
    for column in ("difference", "low", "high"):
        assert tables["comparison"][column].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("judges", [[], ["one", "another"]])
def test_further_judges_report_their_means_and_differences(judges, tmp_path):
    keys = [(arm, f"concept {number}") for arm in ("base", "ft") for number in range(4)]
    scores = pd.DataFrame(keys, columns=["arm", "concept"]).assign(image_id=range(8))
    scores_file = write_stage(tmp_path / "08_judges" / "scores", "scores.parquet", scores)
    parts = [pd.DataFrame({"image_id": pd.Series(dtype=int), "judge": pd.Series(dtype=str), "score": 0.0})]
    parts += [scores[["image_id"]].assign(judge=name, score=[0.0] * 4 + [1.0] * 4) for name in judges]
    others_file = write_stage(tmp_path / "08_judges" / "others", "others.parquet", pd.concat(parts))
    tables = analyse_others(others_file, scores_file, tmp_path / "08_judges" / "analysis_others", ARMS, RESAMPLING)
    assert tables["means"].set_index(["question", "arm"])["mean"].to_dict() == {
        (judge, arm): mean for judge in judges for arm, mean in (("base", 0), ("ft", 1))
    }
    assert tables["comparison"]["question"].tolist() == judges and (tables["comparison"]["difference"] == 1).all()
