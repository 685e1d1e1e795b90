"""Tables of ratings as people have them: which column is what, and what is refused with which words."""

import numpy as np
import pandas as pd
import pytest

from c2i_lib.errors import C2IError
from c2i_lib.real_ratings.reading import parse_scale, read_rated_table
from c2i_lib.stages.survey.formats.columns import parse_map

MAP = {"item": "prompt", "concept": "prompt", "arm": "model", "rater": "worker", "rating": "answer"}


def make_table(n_concepts=6, arms=("sd", "dalle"), raters=("a", "b", "c")):
    random = np.random.default_rng(0)
    keys = [(arm, f"prompt {n}", rater) for arm in arms for n in range(n_concepts) for rater in raters]
    table = pd.DataFrame(keys, columns=["model", "prompt", "worker"])
    return table.assign(answer=random.integers(1, 6, len(table)))


def read(tmp_path, table, mapping=MAP, scale="1-5", sep=","):
    table.to_csv(tmp_path / "ratings.csv", index=False, sep=sep)
    return read_rated_table(tmp_path / "ratings.csv", mapping, scale)


def test_a_prompt_that_every_arm_has_a_picture_of_is_a_picture_of_each(tmp_path):
    found = read(tmp_path, make_table())
    assert found.points == range(1, 6) and found.notes == ()
    assert found.ratings["image_id"].nunique() == 12 and found.ratings["concept"].nunique() == 6
    assert found.ratings["arm"].unique().tolist() == ["sd", "dalle"], "in the order of the file"
    assert found.ratings["rating"].tolist() == make_table()["answer"].tolist()
    assert set(found.ratings["question"]) == {"answer"} and found.scores.empty


@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_columns_of_their_own_names_need_no_map_and_questions_have_names(tmp_path, sep):
    table = make_table().rename(columns={"model": "arm", "prompt": "item", "worker": "rater", "answer": "looks"})
    table = table.assign(concept=table["item"], fits=table["looks"])
    found = read(tmp_path, table, {"rating:quality": "looks", "rating:fit": "fits"}, sep=sep)
    assert found.ratings.groupby("question", sort=False).size().to_dict() == {"quality": 36, "fit": 36}


def test_a_column_may_say_what_was_asked(tmp_path):
    table = pd.concat([make_table().assign(asked="quality"), make_table().assign(asked="fit")])
    found = read(tmp_path, table, {**MAP, "question": "asked"})
    assert found.ratings.groupby("question", sort=False).size().to_dict() == {"quality": 36, "fit": 36}


def test_parquet_gives_the_same_as_csv(tmp_path):
    table = make_table().astype({"answer": "float64"})
    table.loc[3, "answer"] = np.nan
    table.to_parquet(tmp_path / "ratings.parquet")
    of_csv, of_parquet = read(tmp_path, table), read_rated_table(tmp_path / "ratings.parquet", MAP, "1-5")
    pd.testing.assert_frame_equal(of_csv.ratings, of_parquet.ratings)
    assert of_csv.notes == of_parquet.notes == ("1 of 36 ratings are empty and left out",)


def test_a_scale_that_is_not_given_is_that_of_the_ratings_and_this_is_told(tmp_path):
    found = read(tmp_path, make_table().assign(answer=[0, 2, 3] * 12), scale="")
    assert found.points == range(0, 4)
    assert found.notes[0].startswith("the scale is taken to be 0 to 3, the lowest and highest rating; --scale")


def test_a_judge_has_one_score_a_picture_and_is_held_against_every_question(tmp_path):
    table = make_table().assign(clip=lambda rows: rows["prompt"].str[-1].astype(int) / 10, second=lambda r: r["answer"])
    found = read(tmp_path, table, {**MAP, "judge:CLIP": "clip"})
    assert found.scores["judge"].unique().tolist() == ["CLIP"] and len(found.scores) == 12
    assert found.scores["score"].max() == 0.5
    with pytest.raises(C2IError, match=r"judge 'second' gives item 'sd / prompt 0' the scores 5, 4.*: expected one a"):
        read(tmp_path, table, {**MAP, "judge:second": "second"})
    with pytest.raises(C2IError, match="all pictures the same score"):
        read(tmp_path, table.assign(clip=1), {**MAP, "judge:CLIP": "clip"})


def test_concepts_that_lack_an_arm_are_left_out_and_named(tmp_path):
    table = make_table()
    found = read(tmp_path, table[~((table["model"] == "dalle") & (table["prompt"] == "prompt 2"))])
    assert found.ratings["concept"].nunique() == 5
    assert found.notes == ("answer: 1 of 6 concepts lack an arm and are left out: prompt 2",)
    with pytest.raises(C2IError, match=r"no concept has ratings of answer in every arm \(sd, dalle\)"):
        read(tmp_path, table[(table["model"] == "sd") == (table["prompt"] < "prompt 3")])


def test_a_rater_of_one_arm_only_is_told(tmp_path):
    table = make_table()
    table.loc[table["model"] == "dalle", "worker"] += " of dalle"
    (note,) = read(tmp_path, table).notes
    assert note.startswith("6 of 6 raters rated in one arm only (a, b, c, …)")


def change(column, value, row=4):
    def changed(table):
        table = table.astype({column: object})
        table.loc[row, column] = value
        return table

    return changed


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda table: table.drop(columns="worker"),
            r"no rater \(column 'worker': who rated\).*has the columns model, ",
        ),
        (lambda table: table.drop(columns=["worker", "answer"]), "no rater .*; no rating .*--map item=COLUMN"),
        (change("answer", 6), "line 6: rating 6 of rater 'b' is no point of the scale 1 to 5 .1 of 36 are not"),
        (change("answer", 2.5), "line 6: rating 2.5 of rater 'b' is no point"),
        (change("answer", 0), "line 6: rating 0 of rater 'b'"),
        (change("answer", "good"), "line 6: expected a number in column 'answer', found 'good'"),
        (change("answer", "inf"), "line 6: expected a number in column 'answer', found 'inf'"),
        (change("worker", ""), "line 6: column 'worker' .rater. is empty"),
        (
            lambda table: pd.concat([table, table.iloc[[4]]]),
            "lines 6, 38: rater 'b' rated item 'prompt 1' of arm 'sd' 2",
        ),
        (lambda table: table.assign(answer=""), "column answer holds no rating"),
        (lambda table: table.head(0), "has a header and no row"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(spoil, message, tmp_path):
    with pytest.raises(C2IError, match=message):
        read(tmp_path, spoil(make_table()))


def test_a_picture_has_one_concept(tmp_path):
    table = make_table().assign(noun="cat")
    table.loc[4, "noun"] = "dog"
    with pytest.raises(C2IError, match="item 'sd / prompt 1' has the concepts 'cat', 'dog': expected one"):
        read(tmp_path, table, {**MAP, "concept": "noun"})


def test_files_that_are_no_table_are_told(tmp_path):
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(C2IError, match="does not exist"):
            read_rated_table(tmp_path / name, MAP)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(C2IError, match="is no Parquet file"):
        read_rated_table(tmp_path / "broken.parquet", MAP)


@pytest.mark.parametrize(
    ("text", "points"), [("1-5", range(1, 6)), ("0..10", range(0, 11)), ("-2-2", range(-2, 3)), ("", None)]
)
def test_a_scale_is_its_lowest_and_highest_point(text, points):
    assert parse_scale(text) == points


@pytest.mark.parametrize("text", ["5", "5-1", "1-1", "0-100", "one to five"])
def test_what_is_no_scale_is_refused(text):
    with pytest.raises(C2IError, match="--scale: expected"):
        parse_scale(text)


def test_the_map_of_the_command_line():
    assert parse_map(["item=a", "rating:x=b"]) == {"item": "a", "rating:x": "b"}
    assert parse_map(["rating=b", "rating=c=d"]) == {"rating:b": "b", "rating:c=d": "c=d"}
    for pairs, message in (
        (["item"], "expected ROLE=COLUMN"),
        (["item=a", "item=b"], "names item twice, 'a' and 'b'"),
    ):
        with pytest.raises(C2IError, match=message):
            parse_map(pairs)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"itme": "prompt"}, "unknown role 'itme': expected one of item, arm, concept, rater"),
        ({**MAP, "rating:two": "answer", "question": "model"}, "with a column of questions there is one column"),
    ],
)
def test_a_map_that_cannot_be_right_is_refused(mapping, message, tmp_path):
    with pytest.raises(C2IError, match=message):
        read(tmp_path, make_table(), mapping)
