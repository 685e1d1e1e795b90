"""Answers from a panel's Qualtrics, Loop & Merge, Potato, jsPsych and any long CSV: one person is one rater, and
nothing is read as another answer than was given."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey import formats
from c2i_lib.stages.survey.formats import read_answers
from c2i_lib.stages.survey.formats.columns import parse_map

SETTINGS = load_profile("cpu").survey  # bad poor good excellent; not at all a little mostly fully
A, B = "i00000000000a", "i00000000000b"
ITEMS = pd.DataFrame({"survey": "survey_1", "item_id": [A, B], "kind": "image", "concept": ["cat", "bridge"]})


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def write_lines(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def ratings_of(answers):
    """Ratings as ``{(rater, item, question): rating}``; -1 stands for "cannot judge"."""
    return {(a.rater, a.item_id, a.question): -1 if np.isnan(a.rating) else a.rating for a in answers.itertuples()}


def notes_of(answers):
    return "\n".join(answers.attrs["notes"])


# --- Qualtrics


def qualtrics(path, columns, *responses):
    """An export with the usual columns, then ``columns`` (name → text)."""
    usual = ["StartDate", "Status", "Finished", "ResponseId"]
    names, texts = [*usual, *columns], [*usual, *columns.values()]
    return write(path, [names, texts, [json.dumps({"ImportId": f"QID{n}"}) for n in range(len(names))], *responses])


PANEL = {f"{A}_quality": "Rate", f"{B}_quality": "Rate", "PROLIFIC_PID": "PROLIFIC_PID"}


def test_a_participant_who_comes_twice_is_one_rater_and_their_first_answers_count(tmp_path):
    """An abandoned response is recorded after the finished one, and was given before it."""
    path = qualtrics(
        tmp_path / "export.csv",
        PANEL,
        ["2026-05-20 14:30:00", "IP Address", "True", "R_2", "good", "poor", "5f1a"],
        ["2026-05-20 14:00:00", "IP Address", "False", "R_1", "bad", "", "5f1a"],
        ["2026-05-20 15:00:00", "IP Address", "True", "R_3", "4", "-99", "77bb"],
    )
    answers = read_answers(path, ITEMS, SETTINGS)
    assert ratings_of(answers) == {
        ("5f1a", A, "quality"): 1,
        ("5f1a", B, "quality"): 2,
        ("77bb", A, "quality"): 4,  # and -99 is a question that was seen and not answered
    }
    assert "1 people came more than once and are one rater each; 1 answers" in notes_of(answers)
    assert "'PROLIFIC_PID' names the raters" in notes_of(answers)


@pytest.mark.parametrize("nobody", ["", "{{%PROLIFIC_PID%}}", "${e://Field/PROLIFIC_PID}"])
def test_responses_without_a_participants_id_are_not_one_person(tmp_path, nobody):
    path = qualtrics(
        tmp_path / "export.csv",
        PANEL,
        ["2026-05-20 14:00:00", "IP Address", "True", "R_1", "1", "2", nobody],
        ["2026-05-20 14:30:00", "IP Address", "True", "R_2", "3", "4", nobody],
        ["2026-05-20 15:00:00", "IP Address", "True", "R_3", "4", "4", "77bb"],
    )
    answers = read_answers(path, ITEMS, SETTINGS)
    assert list(dict.fromkeys(answers["rater"])) == ["R_1", "R_2", "77bb"]
    assert "2 responses without one are raters of their own (lines 4, 5)" in notes_of(answers)


LOOPED = {"1_Q1": "${lm://Field/1} How good is this picture?", "2_Q1": "${lm://Field/1} How good is this picture?"}
LOOPED |= {"1_Q2": "How well does it show the concept?", "2_Q2": "How well does it show the concept?"}
LOOPED |= {"1_Q3": "Comment", "10_Q1": "How good is this picture?", "1_Q4_Page Submit": "Timing - Page Submit"}


def test_loops_are_read_with_a_table_of_their_items(tmp_path):
    response = ["2026-05-20 14:00:00", "0", "1", "R_1", "1", "2", "3", "4", "nice", "2", "7.5"]
    path = qualtrics(tmp_path / "export.csv", LOOPED, response)
    with pytest.raises(C2IError, match="--loops FILE with the columns loop and item_id"):
        read_answers(path, ITEMS, SETTINGS)
    loops = formats.read_loops(write(tmp_path / "loops.csv", [["loop", "item_id"], ["2", B], ["1", A]]))
    answers = read_answers(path, ITEMS, SETTINGS, loops=loops)
    assert ratings_of(answers) == {
        ("R_1", A, "quality"): 1,
        ("R_1", B, "quality"): 2,
        ("R_1", A, "faithfulness"): 3,
        ("R_1", B, "faithfulness"): 4,
    }
    assert set(answers.loc[answers["item_id"] == A, "comment"]) == {"nice"}
    assert "10_Q1" in notes_of(answers)  # of a loop that the table does not have


def test_loops_whose_texts_name_the_item_need_no_table(tmp_path):
    texts = {f"{n}_Q1": f"https://x.org/{item}.png - How good is this picture?" for n, item in ((1, A), (2, B))}
    path = qualtrics(tmp_path / "export.csv", texts, ["2026-05-20 14:00:00", "0", "1", "R_1", "1", "2"])
    assert ratings_of(read_answers(path, ITEMS, SETTINGS)) == {("R_1", A, "quality"): 1, ("R_1", B, "quality"): 2}


@pytest.mark.parametrize("rows", [[["loop"], ["1"]], [["loop", "item_id"], ["1", A], ["1", B]]])
def test_a_table_of_loops_that_is_none_is_refused(tmp_path, rows):
    with pytest.raises(C2IError, match="line 1: no column item_id|line 3: expected another number"):
        formats.read_loops(write(tmp_path / "loops.csv", rows))


# --- Potato


def potato(item, **labels):
    return {
        "id": item,
        "displayed_text": f"<img src='{item}.png'>",
        "label_annotations": labels,
        "span_annotations": [],
    }


def test_potatos_output_folder_is_read_annotator_by_annotator(tmp_path):
    out = tmp_path / "annotation_output"
    consent = {"id": "consent", "label_annotations": {"consent": {"I agree": "true"}}}
    anna = potato(A, image_quality={"scale_3": "3"}, faithfulness={"mostly": "x"}, comment={"text_box": "so blue"})
    write_lines(out / "anna" / "annotated_instances.jsonl", consent, anna, potato(B, image_quality={"poor": True}))
    write_lines(out / "ben" / "annotated_instances.jsonl", potato(A, image_quality={"cannot judge": "5", "bad": None}))
    (out / "anna" / "annotation_order.txt").write_text("consent")
    answers = read_answers(out, ITEMS, SETTINGS)
    assert ratings_of(answers) == {
        ("anna", A, "quality"): 3,
        ("anna", A, "faithfulness"): 3,
        ("anna", B, "quality"): 2,
        ("ben", A, "quality"): -1,
    }
    assert answers["comment"].tolist() == ["so blue", "so blue", "", ""]
    assert "1 instances ask none of our questions" in notes_of(answers)
    alone = read_answers(out / "ben" / "annotated_instances.jsonl", ITEMS, SETTINGS)
    assert set(alone["rater"]) == {"ben"}


@pytest.mark.parametrize(
    ("user", "mark"),
    [("user", ":::"), ("user_id", ".")],  # before version 2, and since
)
def test_potatos_csv_and_its_json_lines_say_the_same(tmp_path, user, mark):
    header = ["instance_id", user, f"quality{mark}1", f"quality{mark}2", f"quality{mark}cannot judge"]
    path = write(tmp_path / "a.csv", [header, [A, "anna", "", "2", ""], [f"img/{B}.png", "ben", "", "", "true"]])
    expected = {("anna", A, "quality"): 2, ("ben", B, "quality"): -1}
    assert ratings_of(read_answers(path, ITEMS, SETTINGS)) == expected
    lines = [{"instance_id": A, "user_id": "anna", "labels": {"quality": {"2": "2"}}, "spans": {}}]
    lines += [{"instance_id": B, "user_id": "ben", "labels": {"quality": {"cannot judge": "true"}}, "spans": {}}]
    assert ratings_of(read_answers(write_lines(tmp_path / "a.jsonl", *lines), ITEMS, SETTINGS)) == expected


def test_two_labels_of_one_potato_scheme_and_foreign_labels_are_refused(tmp_path):
    records = potato(A, quality={"good": "1", "bad": "1"}), potato(B, quality={"lovely": "1"})
    with pytest.raises(C2IError) as error:
        read_answers(write_lines(tmp_path / "anna" / "annotated_instances.jsonl", *records), ITEMS, SETTINGS)
    assert "line 1, scheme 'quality': expected one label, found good, bad" in str(error.value)
    assert "line 2, column 'quality': expected 1 (bad)" in str(error.value) and "'lovely'" in str(error.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(C2IError, match="expected the output folder of a Potato project"):
        read_answers(tmp_path / "empty", ITEMS, SETTINGS)


# --- jsPsych


def trial(kind, **properties):
    return {"trial_type": kind, "trial_index": 0, "time_elapsed": 9, "rt": 812, "PROLIFIC_PID": "5f1a", **properties}


TRIALS = [
    trial("instructions", view_history="[]"),
    trial("image-button-response", stimulus=f"img/{A}.png", question="quality", response=2),
    trial("survey-likert", item_id=B, response={"quality": 4, "faithfulness": 0, "comment": "dim"}),
    trial("image-slider-response", stimulus=f"img/{A}.png", question="faithfulness", response=2),
    trial("survey-text", response={"Q0": "thanks"}),
]
OF_TRIALS = {
    ("5f1a", A, "quality"): 3,  # the third button
    ("5f1a", B, "quality"): -1,  # the choice after the last point
    ("5f1a", B, "faithfulness"): 1,
    ("5f1a", A, "faithfulness"): 2,  # a slider gives its own value
}


@pytest.mark.parametrize("layout", ["trials", "people", "lines", "csv"])
def test_jspsych_data_are_read_in_every_layout(tmp_path, layout):
    path = tmp_path / ("data.csv" if layout == "csv" else "data.txt" if layout == "lines" else "data.json")
    if layout == "csv":
        names = list(dict.fromkeys(name for one in TRIALS for name in one))
        cells = [[one.get(name, "") for name in names] for one in TRIALS]
        write(path, [names, *([json.dumps(c) if isinstance(c, dict) else c for c in row] for row in cells)])
    elif layout == "lines":
        write_lines(path, TRIALS[:2], TRIALS[2:])
    else:
        path.write_text(json.dumps(TRIALS if layout == "trials" else [TRIALS[:3], TRIALS[3:]]), encoding="utf-8")
    answers = read_answers(path, ITEMS, SETTINGS)
    assert ratings_of(answers) == OF_TRIALS
    assert set(answers.loc[answers["item_id"] == B, "comment"]) == {"dim"}
    assert "2 trials ask none of our questions" in notes_of(answers)


def test_a_jspsych_participant_is_never_guessed(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps([one | {"PROLIFIC_PID": None, "code": "x1"} for one in TRIALS]), encoding="utf-8")
    with pytest.raises(C2IError, match="trial 2: no property names the participant: expected PROLIFIC_PID"):
        read_answers(path, ITEMS, SETTINGS)
    assert set(read_answers(path, ITEMS, SETTINGS, rater_column="code")["rater"]) == {"x1"}


# --- any long CSV


def test_a_long_csv_is_read_by_a_map(tmp_path):
    rows = [["worker", "image", "asked", "answer", "at", "age"]]
    rows += [["w1", f"pics/{A}.png", "How good is this picture?", "good", "2026-05-20T13:43:01Z", "31"]]
    rows += [["w1", A, "faithfulness", "cannot judge", "", "31"], ["w2", B, "quality", "2", "", ""]]
    path = write(tmp_path / "long.csv", rows)
    columns = parse_map(["rater=worker,item=image", "question=asked,rating=answer,answered_at=at"])
    answers = read_answers(path, ITEMS, SETTINGS, columns=columns)
    assert ratings_of(answers) == {
        ("w1", A, "quality"): 3,
        ("w1", A, "faithfulness"): -1,
        ("w2", B, "quality"): 2,
    }
    assert answers["answered_at"].tolist() == ["2026-05-20T13:43:01Z", "", ""]
    assert "columns that are not read: age" in notes_of(answers)


def test_a_csv_with_a_column_per_question_is_read_by_a_map(tmp_path):
    path = write(tmp_path / "wide.csv", [["id", "pic", "q", "f", "note"], ["w1", A, "3", "1", "dark"]])
    columns = parse_map(["rater=id", "item=pic", "rating:quality=q", "rating:faithfulness=f", "comment=note"])
    answers = read_answers(path, ITEMS, SETTINGS, columns=columns)
    assert ratings_of(answers) == {("w1", A, "quality"): 3, ("w1", A, "faithfulness"): 1}
    assert answers["comment"].tolist() == ["dark", "dark"]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["rater=w"], "no role item; neither rating and question nor rating:quality or rating:faithfulness"),
        (["rater=w", "item=i", "rating=r"], "neither rating and question"),
        (["rater=w", "item=i", "rating:quality=r", "question=q"], "keep one of the two ways"),
        (["rater=w", "item=i", "rating:beauty=r"], "unknown role 'rating:beauty'"),
        (["rater=w", "item=i", "rating:quality=x"], r"no column 'x' \(rating:quality\); the file has w, i, q, r"),
        (["rater=w", "item=i", "question=q", "rating=r"], "unknown item 'nothing'(?s:.)*found 'beauty'"),
    ],
)
def test_a_map_that_does_not_fit_says_what_would(tmp_path, pairs, message):
    path = write(
        tmp_path / "a.csv", [["w", "i", "q", "r"], ["w1", "nothing", "quality", "1"], ["w1", A, "beauty", "1"]]
    )
    with pytest.raises(C2IError, match=message):
        read_answers(path, ITEMS, SETTINGS, columns=parse_map(pairs))


def test_help_for_another_format_is_refused_and_not_ignored(tmp_path):
    own = write(tmp_path / "own.csv", [["rater", "item_id", "question", "rating"], ["anna", A, "quality", "1"]])
    with pytest.raises(C2IError, match="format c2i, which names items and raters itself: leave out --loops"):
        read_answers(own, ITEMS, SETTINGS, loops={"1": A})
    with pytest.raises(C2IError, match="leave out --map"):
        read_answers(own, ITEMS, SETTINGS, kind="c2i", columns={"rater": "rater"})
