"""Import and export of answers: files as Google Forms, Qualtrics and Label Studio write them, quirks included."""

import csv
import io
import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey import formats
from c2i_lib.stages.survey.formats import CANNOT_JUDGE, COLUMNS, check_answers, read_answers

SETTINGS = load_profile(
    "cpu"
).survey  # quality: bad poor good excellent; faithfulness: not at all a little mostly fully
A, B, C = "i00000000000a", "i00000000000b", "i00000000000c"
ITEMS = pd.DataFrame(
    {
        "survey": "survey_1",
        "item_id": [C, A, B],
        "kind": ["check", "image", "repeat"],
        "image_id": ["", "secret-image-7", "secret-image-9"],
        "arm": ["", "ft_tags", "base"],
        "concept": [None, 'a "cat" & <dog>', "bridge"],
        "sample": [0, 3, 4],
        "expected_quality": [4.0, np.nan, np.nan],
        "expected_faithfulness": [1.0, np.nan, np.nan],
    }
)
ANSWERS = pd.DataFrame(
    [
        ("anna", A, "quality", 3.0, "2026-05-20T13:43:01Z", 'lovely, "really"\r\nsecond line; third'),
        ("anna", A, "faithfulness", np.nan, "2026-05-20T13:43:02Z", ""),
        ("=cmd|' /C calc'!A0", B, "quality", 1.0, "", "+1 for the sky"),
        ("'quoted'", B, "quality", 4.0, "", "'=1+1"),
        ("-ben", B, "quality", 4.0, "", "  @home"),
        ("ünal 猫", B, "quality", 2.0, "2026-05-20T13:43:01+02:00", "\tindented"),
    ],
    columns=COLUMNS,
)


def write(path, rows, encoding="utf-8", delimiter=","):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def ratings_of(answers):
    """Ratings as ``{(rater, item, question): rating}``; -1 stands for "cannot judge"."""
    return {(a.rater, a.item_id, a.question): -1 if np.isnan(a.rating) else a.rating for a in answers.itertuples()}


# --- c2i's own CSV


def test_own_csv_comes_back_exactly(tmp_path):
    formats.write_answers_csv(tmp_path / "answers.csv", ANSWERS)
    assert_frame_equal(read_answers(tmp_path / "answers.csv", ITEMS, SETTINGS), ANSWERS)


def test_no_cell_of_an_export_is_a_formula(tmp_path):
    formats.write_answers_csv(tmp_path / "answers.csv", ANSWERS)
    formats.write_mapping(tmp_path / "mapping.csv", pd.DataFrame({"column": ["=1+1"], "title": ["@SUM(A1)"]}))
    for name in ("answers.csv", "mapping.csv"):
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert [cell for cell in cells if cell and (cell[0] in "\t\r\n" or cell.strip()[:1] in tuple("=+-@"))] == []
        assert sum(cell.startswith("'") for cell in cells) >= 2


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_saved_again_by_a_spreadsheet_are_read(tmp_path, encoding, delimiter):
    rows = [["rater", "item_id", "question", "rating"], ["Jürgen, Köln", A, "quality", "3"], ["", "", "", ""]]
    path = write(tmp_path / "answers.csv", rows, encoding, delimiter)
    assert ratings_of(read_answers(path, ITEMS, SETTINGS)) == {("Jürgen, Köln", A, "quality"): 3}


def test_an_empty_cell_is_no_answer_and_cannot_judge_is_one(tmp_path):
    rows = [
        COLUMNS,
        ["anna", A, "quality", "", "", "unsure"],
        ["anna", B, "quality", "Cannot Judge", "", "dark"],
        ["anna", B, "faithfulness", "", "", "dark"],
    ]
    answers = read_answers(write(tmp_path / "answers.csv", rows), ITEMS, SETTINGS)
    assert ratings_of(answers) == {("anna", B, "quality"): -1}
    assert answers.attrs["notes"][0] == "2 answers are missing (empty cells)"
    assert "1 comments are left out" in answers.attrs["notes"][1]


def test_numbers_are_ratings_also_where_labels_are_numbers(tmp_path):
    """With labels 0 to 3, "1" is the second label in a form, and the first point in c2i's own CSV."""
    zero_to_three = SETTINGS.quality.model_copy(update={"labels": ("0", "1", "2", "3")})
    settings = SETTINGS.model_copy(update={"quality": zero_to_three})
    own = write(tmp_path / "own.csv", [COLUMNS, ["anna", A, "quality", "1", "", ""]])
    form = write(tmp_path / "form.csv", [["Timestamp", f"quality {A}"], ["", "1"]])
    assert read_answers(own, ITEMS, settings)["rating"].tolist() == [1]
    assert read_answers(form, ITEMS, settings)["rating"].tolist() == [2]


def test_all_problems_of_a_file_are_in_one_error_with_line_and_column(tmp_path):
    rows = [
        COLUMNS,
        ["anna", A, "quality", "3", "", "two\nlines"],  # lines 2 and 3
        ["anna", "i999999999999", "quality", "3", "", ""],  # 4
        ["anna", A, "quality", "2", "", ""],
        ["anna", B, "beauty", "2", "", ""],
        ["anna", B, "quality", "5", "", ""],
        ["anna", B, "faithfulness", "2.5", "", ""],
        ["anna", C, "quality", "nice", "yesterday", ""],
        [" ", C, "quality", "2", "", ""],
        ["anna", C, "faithfulness", "nan", "", ""],
    ]
    with pytest.raises(C2IError) as error:
        read_answers(write(tmp_path / "answers.csv", rows), ITEMS, SETTINGS)
    message = str(error.value)
    assert f"{tmp_path / 'answers.csv'}: 9 problems" in message
    for expected in (
        "line 4, column 'item_id': unknown item 'i999999999999'",
        f"line 5, column 'item_id': rater 'anna' has answered quality of {A} already, in line 2",
        "line 6, column 'question': expected quality or faithfulness, found 'beauty'",
        "line 7, column 'rating': expected 1 (bad), 2 (poor), 3 (good), 4 (excellent) or 'cannot judge', found 5",
        "line 8, column 'rating': expected 1 (not at all)",
        "found 2.5",
        "line 9, column 'answered_at': expected a time",
        "line 9, column 'rating': expected 1 (bad), 2 (poor), 3 (good), 4 (excellent) or 'cannot judge', found 'nice'",
        "line 10, column 'rater'",
        "line 11, column 'rating'",
    ):
        assert expected in message


def test_an_error_shows_ten_problems_and_counts_the_rest(tmp_path):
    rows = [COLUMNS, *(["anna", A, "quality", "9", "", ""] for _ in range(13))]
    rows = [[f"rater {n}" if n else "rater", *row[1:]] for n, row in enumerate(rows)]
    with pytest.raises(C2IError, match="… and 3 more") as error:
        read_answers(write(tmp_path / "answers.csv", rows), ITEMS, SETTINGS)
    assert str(error.value).count("found 9") == 10


# --- files that are not what they should be


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\xef\xbb\xbf \n", "is empty"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0", "is a binary file"),
        ("a.xlsx", b"PK\x03\x04\x14\0", "zip archive or an Excel workbook"),
        ("a.csv", "rater,item_id\nJürgen,1".encode("cp1252"), "line 2: expected UTF-8"),
        ("a.csv", b'rater,item_id\n"anna,i1\n', "line 2: expected CSV"),
        ("a.csv", b"rater,item_id\nanna,i1,3\n", "line 2: expected 2 cells, as in the header, found 3"),
        ("a.csv", b"name,age\nanna,30\n", r"line 1: the columns \(name, age, …\) are of no known format"),
        ("a.csv", b"rater,item_id,question,rating\n", "has no answers"),
        ("a.csv", b"rater,rater,item_id,question,rating\n", "column rater is there twice"),
        ("a.json", b"rater,item_id", "is not JSON"),
        ("a.json", b'[{"data": 1]', "is not JSON"),
        ("a.json", b"[1, 2]", "expected a list of tasks"),
        ("a.json", b"[]", "has no answers"),
    ],
)
def test_unreadable_files_get_an_error_that_says_what_they_are(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(C2IError, match=message):
        read_answers(tmp_path / name, ITEMS, SETTINGS)


def test_missing_files_unknown_formats_and_needless_mappings_are_refused(tmp_path):
    with pytest.raises(C2IError, match="does not exist"):
        read_answers(tmp_path / "none.csv", ITEMS, SETTINGS)
    own = write(tmp_path / "own.csv", [COLUMNS, ["anna", A, "quality", "1", "", ""]])
    with pytest.raises(C2IError, match="unknown format 'excel': expected auto, c2i"):
        read_answers(own, ITEMS, SETTINGS, kind="excel")
    with pytest.raises(C2IError, match="names items and raters itself"):
        read_answers(own, ITEMS, SETTINGS, rater_column="rater")
    with pytest.raises(C2IError, match="line 3: expected a row of"):
        read_answers(own, ITEMS, SETTINGS, kind="qualtrics")
    with pytest.raises(C2IError, match="line 1: no column rater, item_id"):
        read_answers(write(tmp_path / "other.csv", [["question", "rating"], ["1", "2"]]), ITEMS, SETTINGS, kind="c2i")


# --- Google Forms

GOOGLE = [
    [
        "Timestamp",
        "Username",
        f"How good is this picture? [{A}]",
        f"How good is this picture? [{B}]",
        f"{A}: How well does it show the concept?",
        f"faithfulness of {B}",
        f"Any comment on {A}?",
        "Do you agree to take part?",
    ],
    ["2026/05/20 1:43:01 PM GMT+1", "anna@lab.org", "good", "3 - Good", "4", "cannot judge", "so\nnice, this", "Yes"],
    ["2026/05/20 12:05:59 AM GMT-3:30", "ben@lab.org", "2", "", "1 (not at all)", "2", "", "Yes"],
]


def test_google_forms_grids_scales_and_labels(tmp_path):
    answers = read_answers(write(tmp_path / "form.csv", GOOGLE), ITEMS, SETTINGS)
    anna, ben = "anna@lab.org", "ben@lab.org"
    assert ratings_of(answers) == {
        (anna, A, "quality"): 3,
        (anna, B, "quality"): 3,
        (anna, A, "faithfulness"): 4,
        (anna, B, "faithfulness"): -1,
        (ben, A, "quality"): 2,
        (ben, A, "faithfulness"): 1,
        (ben, B, "faithfulness"): 2,
    }
    assert list(answers.columns) == COLUMNS
    first = answers[answers["rater"] == anna]
    assert set(first["answered_at"]) == {"2026-05-20T12:43:01Z"}
    assert set(answers[answers["rater"] == ben]["answered_at"]) == {"2026-05-20T03:35:59Z"}
    assert dict(zip(first["item_id"], first["comment"], strict=True)) == {A: "so\nnice, this", B: ""}
    notes = "\n".join(answers.attrs["notes"])
    for note in (
        "'Username' names the raters",
        "not read: Timestamp, Do you agree",
        "1 of 3 items have no column",
        "1 answers are missing",
    ):
        assert note in notes


@pytest.mark.parametrize("first", ["Timestamp", "Zeitstempel"])  # a form has its owner's language
def test_times_without_a_zone_are_left_out_and_told(tmp_path, first):
    rows = [[first, f"quality {A}"], ["5/4/2026 14:11:53", "2"]]
    answers = read_answers(write(tmp_path / "sheet.csv", rows), ITEMS, SETTINGS)
    assert answers["answered_at"].tolist() == [""]
    assert any("no time zone" in note for note in answers.attrs["notes"])


def test_raters_are_found_named_or_numbered(tmp_path):
    rows = [["Timestamp", "Code", "Email Address", f"quality {A}"], ["", "x1", "a@b", "2"], ["", "x2", "", "3"]]
    path = write(tmp_path / "form.csv", rows)
    # The e-mail column has a gap, so it cannot tell all raters apart.
    answers = read_answers(path, ITEMS, SETTINGS)
    assert answers["rater"].tolist() == ["response_1", "response_2"]
    assert any("no column names the raters" in note for note in answers.attrs["notes"])
    assert read_answers(path, ITEMS, SETTINGS, rater_column="Code")["rater"].tolist() == ["x1", "x2"]
    with pytest.raises(C2IError, match="line 3, column 'quality i00000000000a': expected a name"):
        read_answers(path, ITEMS, SETTINGS, rater_column="Email Address")
    with pytest.raises(C2IError, match="no column 'Name' for the raters; the file has Timestamp, Code"):
        read_answers(path, ITEMS, SETTINGS, rater_column="Name")


def test_problems_of_a_form_name_its_line_and_column(tmp_path):
    rows = [GOOGLE[0], GOOGLE[1], [*GOOGLE[2][:2], "7", "4 - good", *GOOGLE[2][4:]], GOOGLE[1]]
    with pytest.raises(C2IError) as error:
        read_answers(write(tmp_path / "form.csv", rows), ITEMS, SETTINGS)
    message = str(error.value)
    assert f"line 4, column 'How good is this picture? [{A}]'" in message and "found 7" in message
    assert f"line 4, column 'How good is this picture? [{B}]'" in message
    assert "found '4 - good', whose number and label are different points" in message
    assert "line 5" in message and "has answered quality of i00000000000a already, in line 2" in message


# --- the mapping


def test_a_mapping_is_written_edited_and_used(tmp_path):
    """Three questions of the same title: only their order tells which item each is about."""
    rows = [["Timestamp", "Rate it", "Rate it", "Rate it"], ["", "1", "2", "3"]]
    path, file = write(tmp_path / "form.csv", rows), tmp_path / "form.mapping.csv"
    with pytest.raises(C2IError) as error:
        read_answers(path, ITEMS, SETTINGS)
    for part in ("no column answers a question", "'Rate it (2)'", "survey map FILE", "read_mapping(path)"):
        assert part in str(error.value)

    proposed = formats.propose_mapping(formats.read_columns(path), ITEMS, SETTINGS)
    assert proposed["column"].tolist() == ["Timestamp", "Rate it", "Rate it (2)", "Rate it (3)"]
    assert proposed["item_id"].tolist() == [""] * 4
    formats.write_mapping(file, proposed)
    edited = file.read_text(encoding="utf-8").replace("Rate it,,", f"Rate it,{A},quality")
    edited = edited.replace("Rate it (2),,", f"Rate it (2),{A} ,faithfulness")
    file.write_text(edited, encoding="utf-8")

    answers = read_answers(path, ITEMS, SETTINGS, mapping=formats.read_mapping(file))
    assert ratings_of(answers) == {("response_1", A, "quality"): 1, ("response_1", A, "faithfulness"): 2}
    assert any("not read: Timestamp, Rate it (3)" in note for note in answers.attrs["notes"])


def test_a_proposal_reads_ids_and_questions_and_guesses_nothing():
    columns = [
        f"{A}_quality",
        f"Quality and faithfulness of {A}",
        f"Quality of {A} or {B}?",
        "Quality",
        f"x{A} quality",
        f"{A}1 quality",
        f"HOW  good is\nthis Picture? [{B.upper()}] (not its faithfulness)",
    ]
    proposed = formats.propose_mapping(columns, ITEMS, SETTINGS)
    found = list(zip(proposed["item_id"], proposed["question"], strict=True))
    assert found == [(A, "quality"), (A, ""), *[("", "")] * 4, (B, "quality")]
    assert list(proposed.columns)[:3] == ["column", "item_id", "question"]


def test_a_mapping_that_does_not_fit_names_its_columns(tmp_path):
    path = write(tmp_path / "form.csv", [["Timestamp", "P", "Q", "R", "S"], ["", "1", "2", "3", "4"]])
    mapping = pd.DataFrame(
        [
            ("P", A, "quality"),
            ("Q", A, "quality"),
            ("R", "i123", "quality"),
            ("S", B, ""),
            ("T", B, "quality"),
            ("Timestamp", B, "beauty"),
        ],
        columns=["column", "item_id", "question"],
    )
    with pytest.raises(C2IError) as error:
        read_answers(path, ITEMS, SETTINGS, mapping=mapping)
    for part in (
        "5 problems",
        f"column 'Q': answers quality of {A}, as column 'P' does",
        "column 'R': unknown item 'i123'",
        f"column 'S': has the item_id '{B}' and no question",
        "column 'T': the file has no such column",
        "column 'Timestamp': expected the question quality, faithfulness or comment, found 'beauty'",
        "read_mapping(path)",
    ):
        assert part in str(error.value)
    with pytest.raises(C2IError, match="line 1: no column item_id, question"):
        formats.read_mapping(write(tmp_path / "m.csv", [["column"], ["P"]]))


def test_a_form_of_another_run_is_refused(tmp_path):
    path = write(tmp_path / "form.csv", [["Timestamp", "quality [i0123456789ab]"], ["", "2"]])
    with pytest.raises(C2IError, match="unknown item 'i0123456789ab': expected one of this run's items.parquet"):
        read_answers(path, ITEMS, SETTINGS)


# --- Qualtrics


def qualtrics(path, *responses, answers_as="label", zone="America/Denver", drop=()):
    """A CSV export. A response: Status, Finished, ExternalReference and four answers."""
    names = "StartDate EndDate Status IPAddress Progress,Duration (in seconds),Finished RecordedDate ResponseId"
    names = [part for group in names.split(",") for part in ([group] if "(" in group else group.split())]
    names += "RecipientLastName RecipientFirstName RecipientEmail ExternalReference DistributionChannel".split()
    names += ["Q1_1", "Q1_2", "1_Q2", "1_Q2_4_TEXT", f"{B}_faithfulness", "Q9_Page Submit", "FL_3_DO_Q1"]
    texts = [*names[:14], f"Rate it - {A} - How good is this picture?", f"Rate it - {B} - quality"]
    texts += [f"How well does it\nshow the concept? https://x.org/{A}.png - Selected Choice", f"{A} quality - Text"]
    texts += ["How well?", f"Timing - Page Submit {A}", f"Block - Display Order {A}"]
    ids = [json.dumps({"ImportId": f"QID{number}"}) for number in range(len(names))]
    ids[7] = json.dumps({"ImportId": "recordedDate", "timeZone": zone})
    rows = [names, texts, ids]
    for number, (status, finished, reference, *answers) in enumerate(responses, start=1):
        meta = ["2026-01-04 14:00:00", "2026-01-04 14:11:53", status, "10.0.0.1", "100", "713", finished]
        meta += ["2026-01-04 14:11:54", f"R_{number}", "", "", "", reference, "anonymous"]
        rows.append([*meta, *answers[:3], "", answers[3], "12.3", "1|2"])
    keep = [position for position, name in enumerate(names) if name not in drop]
    return write(path, [[row[position] for position in keep] for row in rows], "utf-8-sig")


def test_qualtrics_labels_previews_and_unfinished_responses(tmp_path):
    path = qualtrics(
        tmp_path / "export.csv",
        ("Survey Preview", "True", "me", "bad", "bad", "fully", "fully"),
        ("IP Address", "True", "p1", "Excellent", "poor", "a little", "Cannot judge"),
        ("Survey Test", "True", "test", "bad", "bad", "fully", "fully"),
        ("IP Address", "False", "p2", "good", "", "", ""),
    )
    answers = read_answers(path, ITEMS, SETTINGS)
    assert ratings_of(answers) == {
        ("p1", A, "quality"): 4,
        ("p1", B, "quality"): 2,
        ("p1", A, "faithfulness"): 2,
        ("p1", B, "faithfulness"): -1,
        ("p2", A, "quality"): 3,
    }
    assert set(answers["answered_at"]) == {"2026-01-04T21:11:54Z"}  # Denver is seven hours behind in winter
    notes = "\n".join(answers.attrs["notes"])
    # The header ends at line 4, because one text has a line break.
    assert "2 previews or tests are left out (lines 5, 7)" in notes
    assert "1 unfinished responses are kept (line 8)" in notes
    assert "3 answers are missing" in notes and "'ExternalReference' names the raters" in notes


def test_qualtrics_numbers(tmp_path):
    path = qualtrics(tmp_path / "export.csv", ("1", "1", "", "1", "1", "1", "1"), ("0", "0", "", "4", "3", "2", "1"))
    answers = read_answers(path, ITEMS, SETTINGS)
    assert answers["rating"].tolist() == [4, 3, 2, 1]
    assert set(answers["rater"]) == {"R_2"}  # without a reference and an e-mail address, the response's id
    assert any("1 unfinished" in note for note in answers.attrs["notes"])


@pytest.mark.parametrize("zone", ["Z", "", "Nowhere/Atall"])
def test_qualtrics_times_of_no_known_zone_are_left_out(tmp_path, zone):
    path = qualtrics(tmp_path / "export.csv", ("0", "1", "p", "4", "3", "2", "1"), zone=zone)
    expected = "2026-01-04T14:11:54Z" if zone == "Z" else ""
    assert set(read_answers(path, ITEMS, SETTINGS)["answered_at"]) == {expected}


def test_qualtrics_problems_and_recoded_values(tmp_path):
    path = qualtrics(
        tmp_path / "export.csv",
        ("0", "1", "p1", "4", "3", "2", "1"),
        ("0", "1", "p2", "24", "3", "2", "1"),
        drop=("RecordedDate", "EndDate", "Status", "Finished"),
    )
    with pytest.raises(
        C2IError, match=r"1 problem; nothing was imported(?s:.)*line 6, column 'Q1_1': expected 1 \(bad"
    ):
        read_answers(path, ITEMS, SETTINGS)


# --- Label Studio


def annotation(by, *, cancelled=False, updated="2026-03-09T22:16:08.728378Z", **values):
    result = []
    for name, (kind, value) in values.items():
        result.append({"from_name": name, "to_name": "image", "id": "x", "type": kind, "value": value})
    return {
        "id": 7,
        "completed_by": by,
        "was_cancelled": cancelled,
        "ground_truth": False,
        "created_at": "2026-03-09T22:00:00.000000Z",
        "updated_at": updated,
        "lead_time": 4.2,
        "result": result,
    }


def choice(text):
    return "choices", {"choices": [text]}


def export(path, *tasks):
    tasks = [
        {"id": n, "data": {"item_id": item, "image": "x"}, "annotations": annotations, "predictions": [{"result": []}]}
        for n, (item, annotations) in enumerate(tasks, start=100)
    ]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_label_studio_with_several_annotators_and_every_control(tmp_path):
    path = export(
        tmp_path / "project.json",
        (
            A,
            [
                annotation(
                    {"id": 1, "email": "anna@lab.org"},
                    quality=choice("3 - good"),
                    faithfulness=choice("cannot judge"),
                    comment=("textarea", {"text": ["nice", "blue"]}),
                ),
                annotation(2, cancelled=True, quality=choice("1 - bad")),
                annotation(2, quality=("rating", {"rating": 4}), faithfulness=("number", {"number": 2.0})),
            ],
        ),
        (B, [annotation({"id": 3}, quality=choice("poor"))]),
        (C, []),
    )
    answers = read_answers(path, ITEMS, SETTINGS)
    assert ratings_of(answers) == {
        ("anna@lab.org", A, "quality"): 3,
        ("anna@lab.org", A, "faithfulness"): -1,
        ("annotator_2", A, "quality"): 4,
        ("annotator_2", A, "faithfulness"): 2,
        ("annotator_3", B, "quality"): 2,
    }
    assert set(answers["answered_at"]) == {"2026-03-09T22:16:08Z"}
    assert answers["comment"].tolist() == ["nice\nblue", "nice\nblue", "", "", ""]
    assert answers.attrs["notes"] == [
        "1 annotations were cancelled and are left out",
        "1 answers are missing (empty cells)",
    ]


def test_label_studio_json_min(tmp_path):
    record = {"id": 1, "item_id": A, "image": "x", "annotator": 2, "updated_at": "2026-03-09T22:16:08+02:00"}
    records = [
        {**record, "quality": "4 - excellent", "faithfulness": [{"rating": 1}], "comment": "fine"},
        {**record, "annotator": 3, "quality": [{"number": 2}], "faithfulness": "mostly"},
    ]
    (tmp_path / "min.json").write_text(json.dumps(records), encoding="utf-8-sig")
    answers = read_answers(tmp_path / "min.json", ITEMS, SETTINGS)
    assert list(ratings_of(answers).values()) == [4, 1, 2, 3]
    assert answers["comment"].tolist() == ["fine", "fine", "", ""]
    assert set(answers["answered_at"]) == {"2026-03-09T20:16:08Z"}


def test_label_studio_problems_name_task_and_annotation(tmp_path):
    twice = annotation(1, quality=choice("3 - good"), faithfulness=choice("fully"))
    several = annotation(1, quality=("choices", {"choices": ["bad", "good"]}), faithfulness=("rating", {"rating": 5}))
    nobody = annotation(None, quality=choice("bad"))
    foreign = annotation(1, quality=choice("bad"))
    path = export(
        tmp_path / "project.json",
        (A, [twice, twice]),
        (B, [several]),
        (C, [nobody]),
        ("i111111111111", [foreign]),
        (None, []),
    )
    with pytest.raises(C2IError) as error:
        read_answers(path, ITEMS, SETTINGS)
    for part in (
        f"task 1, annotation 2, column 'quality': rater 'annotator_1' has answered quality of {A} already, in task 1, ",
        "task 2, annotation 1, column 'quality': expected 1 (bad), 2 (poor), 3 (good), 4 (excellent)",
        r"found 'bad\ngood'",
        "task 2, annotation 1, column 'faithfulness': expected 1 (not at all)",
        "task 3, annotation 1, column 'quality': expected a name or code that tells raters apart",
        "task 4, annotation 1, column 'quality': unknown item 'i111111111111'",
        "task 5: no data.item_id",
    ):
        assert part in str(error.value)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    for item in ITEMS["item_id"]:
        (folder / f"{item}.png").write_bytes(f"picture of {item}".encode())
    return folder


def test_label_studio_tasks_are_blind_and_whole(tmp_path, pictures):
    formats.write_label_studio(tmp_path / "lab", ITEMS, SETTINGS, pictures)
    tasks = json.loads((tmp_path / "lab" / "tasks.json").read_text(encoding="utf-8"))
    # In the order of their ids, which are hashes; the table's order could tell the arms.
    assert [task["data"]["item_id"] for task in tasks] == [A, B, C]
    assert tasks[0]["data"]["concept"] == 'a "cat" & <dog>' and tasks[2]["data"]["concept"] == ""
    assert {frozenset(task) for task in tasks} == {frozenset({"data"})}
    assert {frozenset(task["data"]) for task in tasks} == {frozenset({"item_id", "concept", "image"})}
    for task in tasks:
        prefix, name = task["data"]["image"].split("?d=")
        assert prefix == "/data/local-files/"
        assert (tmp_path / "lab" / name).read_bytes() == f"picture of {task['data']['item_id']}".encode()
    for path in (tmp_path / "lab").iterdir():
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            for secret in ("secret", "arm", "ft_tags", "image_id", "seed", "kind", "repeat", "expected"):
                assert secret not in text, (path.name, secret)


def test_label_studio_config_asks_what_the_profile_asks(tmp_path, pictures):
    odd = SETTINGS.quality.model_copy(update={"text": 'Is "it" <good> & sharp?', "labels": ("<1", 'a "b"', "c&d", "é")})
    settings = SETTINGS.model_copy(update={"quality": odd})
    formats.write_label_studio(tmp_path / "lab", ITEMS, settings, pictures)
    view = ElementTree.fromstring((tmp_path / "lab" / "config.xml").read_text(encoding="utf-8"))
    assert view.tag == "View" and view.find("Image").get("value") == "$image"
    assert 'Is "it" <good> & sharp?' in [header.get("value") for header in view.findall("Header")]
    choices = {c.get("name"): [choice.get("value") for choice in c] for c in view.findall("Choices")}
    assert choices["quality"] == ["1 - <1", '2 - a "b"', "3 - c&d", "4 - é", CANNOT_JUDGE]
    assert choices["faithfulness"][:4] == ["1 - not at all", "2 - a little", "3 - mostly", "4 - fully"]
    assert {c.get("toName") for c in (*view.findall("Choices"), view.find("TextArea"))} == {
        view.find("Image").get("name")
    }
    # What a rater can choose is what the reader reads.
    chosen = [annotation(n, quality=choice(text)) for n, text in enumerate(choices["quality"])]
    answers = read_answers(export(tmp_path / "back.json", (A, chosen)), ITEMS, settings)
    assert list(ratings_of(answers).values()) == [1, 2, 3, 4, -1]


def test_a_missing_picture_is_named(tmp_path, pictures):
    (pictures / f"{B}.png").unlink()
    with pytest.raises(C2IError, match=f"{B}.png is missing"):
        formats.write_label_studio(tmp_path / "lab", ITEMS, SETTINGS, pictures)


# --- raters


def test_raters_are_compared_with_the_orders():
    orders = pd.DataFrame([(r, "survey_1", p, i) for r in ("anna", "ben") for p, i in enumerate([A, B], start=1)])
    orders.columns = ["rater", "survey", "position", "item_id"]
    given = [("anna", i, q) for i in (A, B) for q in ("quality", "faithfulness")]

    def warnings(*keys):
        answers = pd.DataFrame([(*key, 2.0, "", "") for key in keys], columns=COLUMNS)
        return check_answers(answers, ITEMS, orders, SETTINGS, "answers.csv")

    assert warnings(*given) == ["expected rater 'ben' has given no answer"]
    assert warnings(*given, ("ben", A, "quality")) == ["rater 'ben' has given 1 of 4 answers"]
    assert warnings(*given, ("ben", C, "quality"), ("eve", A, "quality")) == [
        "rater 'ben' has rated 1 items that are not in their survey",
        "rater 'eve' is not one of the run's raters: counted as another person",
    ]


def test_check_answers_names_rows_and_columns():
    answers = pd.DataFrame([("anna", A, "quality", 2.0, "", ""), ("anna", A, "quality", 7.0, "", "")], columns=COLUMNS)
    with pytest.raises(C2IError, match="web app: 1 problem(?s:.)*row 2, column 'rating'"):
        check_answers(answers, ITEMS, None, SETTINGS, "web app")
    with pytest.raises(C2IError, match="answer 12, column 'rating'"):
        check_answers(answers, ITEMS, None, SETTINGS, "web app", ["answer 11", "answer 12"])
    with pytest.raises(C2IError, match="no column 'rating'"):
        check_answers(answers.drop(columns="rating"), ITEMS, None, SETTINGS, "web app")
    assert check_answers(answers.head(1), ITEMS, None, SETTINGS, "web app") == []
