"""The way to Google Forms and Qualtrics and back: what their exports bring home is what was answered there."""

import csv
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey import formats
from c2i_lib.stages.survey.formats import CANNOT_JUDGE, read_answers
from c2i_lib.study import QUESTIONS

PROFILE = load_profile("cpu").survey
# Questions that name each other, and labels that HTML and spreadsheets make something of.
ODD = PROFILE.quality.model_copy(
    update={"text": "Quality, not <faithfulness>?", "labels": ("<1", 'a "b"', "c&d", "=4")}
)
SETTINGS = PROFILE.model_copy(update={"quality": ODD})
ITEMS = pd.DataFrame(
    {
        "survey": "survey_1",
        "item_id": ["i00000000000c", "i00000000000a", "i00000000000b"],
        "kind": ["check", "image", "repeat"],
        "image_id": ["", "secret-7", "secret-9"],
        "arm": ["", "ft_tags", "base"],
        "concept": [None, 'a "cat" & <dog>', "Brücke"],
        "sample": [0, 3, 4],
    }
)
RATERS = ("anna", "ben")
INSTRUCTIONS = "# Rating\n\nYou agree by answering. äöü </script> ${e://Field/x} %s"


def points(rater, item, question):
    """What a rater chose: 0 to 3 are points, 4 is "cannot judge"; all of them occur."""
    return (RATERS.index(rater) * 2 + list(ITEMS["item_id"]).index(item) + QUESTIONS.index(question) * 2) % 5


def expected():
    keys = [(r, i, q) for r in RATERS for i in ITEMS["item_id"] for q in QUESTIONS]
    return {key: -1 if points(*key) == 4 else points(*key) + 1 for key in keys}


def ratings_of(answers):
    return {(a.rater, a.item_id, a.question): -1 if np.isnan(a.rating) else a.rating for a in answers.itertuples()}


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def assert_blind(text):
    for secret in ("secret", "ft_tags", "base", "image_id", "repeat", "check"):
        assert secret not in text.replace("base64", ""), secret


# --- Google Forms


@pytest.fixture
def google_form(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for item in ITEMS["item_id"]:
        (pictures / f"{item}.png").write_bytes(b"picture of " + item.encode())
    formats.write_google_form(tmp_path / "form", ITEMS, SETTINGS, pictures, INSTRUCTIONS)
    return tmp_path / "form"


def survey_in(script):
    """What the script holds of the survey."""
    text = script.read_text(encoding="utf-8")
    return json.loads(re.search(r"const SURVEY = (.*?);\n\nfunction", text, re.DOTALL)[1])


def test_what_google_forms_exports_of_our_form_is_what_was_answered(google_form, tmp_path):
    survey = survey_in(google_form / "create_form.gs")
    assert survey["instructions"] == INSTRUCTIONS
    header, rows = ["Timestamp", survey["rater"]["title"]], [["2026/05/20 1:43:01 PM GMT+2", rater] for rater in RATERS]
    for item, page in zip(ITEMS["item_id"], survey["pages"], strict=True):  # in the order that was given
        for question, asked in zip(QUESTIONS, page["questions"], strict=True):
            header.append(asked["title"])
            for rater, row in zip(RATERS, rows, strict=True):
                row.append(asked["choices"][points(rater, item, question)])
        header.append(page["comment"])
        for row in rows:
            row.append(f"{row[1]} on {item}")
    answers = read_answers(write(tmp_path / "Rating pictures.csv", [header, *rows]), ITEMS, SETTINGS)
    assert ratings_of(answers) == expected()
    assert (answers["comment"] == answers["rater"] + " on " + answers["item_id"]).all()
    assert set(answers["answered_at"]) == {"2026-05-20T11:43:01Z"}
    assert "columns that are not read: Timestamp" in answers.attrs["notes"]


def test_the_script_tells_nothing_but_item_and_concept_and_brings_its_pictures(google_form):
    for path in google_form.iterdir():
        if path.is_file():
            assert_blind(path.read_text(encoding="utf-8"))
    (google_form / "create_form.gs").read_bytes().decode("ascii")
    item = ITEMS["item_id"][1]
    assert (google_form / "pictures" / f"{item}.png").read_bytes() == b"picture of " + item.encode()


_STAND_IN = """
const made = [];
const call = (name) => new Proxy(function () {}, {get: (_, key) => (...given) => {
  if (key === "addTextItem" || String(key).startsWith("add")) { made.push([key]); return call(key); }
  if (String(key).startsWith("set")) { if (made.length) made.at(-1).push([key, given[0]]); return call(name); }
  return "https://example.org/" + String(key);
}});
const FormApp = {create: (title) => call(title)};
const Logger = {log: () => {}};
const file = (name) => ({getBlob: () => "blob of " + name});
const DriveApp = {getFolderById: () => ({getFilesByName: (name) => {
  let left = 1; return {hasNext: () => left > 0, next: () => { left = 0; return file(name); }};
}})};
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, to execute the script against stand-ins")
def test_the_script_makes_every_page_with_its_picture_and_questions(google_form, tmp_path):
    script = (google_form / "create_form.gs").read_text(encoding="utf-8")
    script = script.replace('PICTURES_FOLDER = ""', 'PICTURES_FOLDER = "1AbC"', 1)
    (tmp_path / "run.js").write_text(_STAND_IN + script + "\ncreateForm();\nconsole.log(JSON.stringify(made));")
    done = subprocess.run(["node", str(tmp_path / "run.js")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    page = ["addPageBreakItem", "addImageItem", *["addMultipleChoiceItem"] * 2, "addParagraphTextItem"]
    assert [entry[0] for entry in made] == ["addTextItem", *page * len(ITEMS)]
    assert ["setImage", f"blob of {ITEMS['item_id'][0]}.png"] in made[2]
    assert ["setChoiceValues", ["1 - <1", '2 - a "b"', "3 - c&d", "4 - =4", CANNOT_JUDGE]] in made[3]


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(C2IError, match="i00000000000c.png is missing"):
        formats.write_google_form(tmp_path / "form", ITEMS, SETTINGS, tmp_path, INSTRUCTIONS)


# --- Qualtrics


@pytest.fixture
def qsf(tmp_path):
    formats.write_qualtrics_form(tmp_path / "survey.qsf", ITEMS, SETTINGS, "https://example.org/pics/", INSTRUCTIONS)
    return json.loads((tmp_path / "survey.qsf").read_text(encoding="utf-8"))


def elements(qsf, kind):
    return [element["Payload"] for element in qsf["SurveyElements"] if element["Element"] == kind]


def exported(qsf, path, answers_as, pid=lambda rater: ""):
    """The CSV that Qualtrics makes of a survey: a column for each question that asks something, by its export tag."""
    fields = [field["Field"] for field in elements(qsf, "FL")[0]["Flow"][0]["EmbeddedData"]]
    asked = [question for question in elements(qsf, "SQ") if question["QuestionType"] != "DB"]
    names = [
        "StartDate",
        "Status",
        "Finished",
        "ResponseId",
        *(question["DataExportTag"] for question in asked),
        *fields,
    ]
    texts = [*names[:4], *(re.sub("<[^>]*>", "", question["QuestionText"]) for question in asked), *fields]
    ids = [json.dumps({"ImportId": name}) for name in names]
    rows = []
    for number, rater in enumerate(RATERS):
        row = ["2026-05-20 14:00:00", "IP Address", "True", f"R_{number}"]
        for question in asked:
            item, _, name = question["DataExportTag"].partition("_")
            if name == "comment":
                row.append(f"{rater} on {item}")
                continue
            place = question["ChoiceOrder"][points(rater, item, name)]
            shown = question["Choices"][place]["Display"]
            for entity, letter in (("&lt;", "<"), ("&quot;", '"'), ("&amp;", "&")):
                shown = shown.replace(entity, letter)
            row.append(question["RecodeValues"][place] if answers_as == "numbers" else shown)
        rows.append([*row, *({"rater": rater, "PROLIFIC_PID": pid(rater)}.get(field, "") for field in fields)])
    return write(path, [names, texts, ids, *rows])


@pytest.mark.parametrize("answers_as", ["labels", "numbers"])
@pytest.mark.parametrize("panel", [False, True])
def test_what_qualtrics_exports_of_our_survey_is_what_was_answered(qsf, tmp_path, answers_as, panel):
    pid = (lambda rater: rater) if panel else (lambda rater: "")
    answers = read_answers(exported(qsf, tmp_path / "e.csv", answers_as, pid), ITEMS, SETTINGS)
    assert ratings_of(answers) == expected()
    assert (answers["comment"] == answers["rater"] + " on " + answers["item_id"]).all()


def test_a_survey_file_holds_together(qsf):
    """Blocks, flow and questions name each other by ids, and Qualtrics refuses a file where one is missing or twice."""
    blocks, flow = elements(qsf, "BL")[0], elements(qsf, "FL")[0]["Flow"]
    questions = {question["QuestionID"]: question for question in elements(qsf, "SQ")}
    inside = [element["QuestionID"] for block in blocks for element in block.get("BlockElements", [])]
    assert sorted(inside) == sorted(questions) and len(elements(qsf, "SQ")) == len(questions)
    shown = [step["ID"] for step in (*flow, *flow[2]["Flow"]) if "ID" in step]
    assert shown == [block["ID"] for block in blocks if block["Type"] != "Trash"]
    assert flow[2]["SubSet"] == len(ITEMS)
    assert {element["SurveyID"] for element in qsf["SurveyElements"]} == {qsf["SurveyEntry"]["SurveyID"]}
    picture = questions["QID6"]["QuestionText"]
    assert "a &quot;cat&quot; &amp; &lt;dog&gt;" in picture
    assert 'src="https://example.org/pics/i00000000000a.png"' in picture
    assert_blind(json.dumps(qsf))


def test_a_survey_file_needs_pictures_on_the_web(tmp_path):
    with pytest.raises(C2IError, match="--pictures-url: expected the address of a folder on the web"):
        formats.write_qualtrics_form(tmp_path / "survey.qsf", ITEMS, SETTINGS, "", INSTRUCTIONS)
    assert not (tmp_path / "survey.qsf").exists()
