"""Qualtrics: a survey file (QSF), whose answers come back without editing.

In: items in the order in which they are shown, and the address where their pictures are on the web. Out: a ``.qsf`` for
"Import survey". Each item is a page: its picture and concept, the two questions, a comment; the columns of the export
are called ``i0123456789ab_quality`` and so on, by which ``wide`` reads it, as labels or as numbers. ``PROLIFIC_PID``
and ``rater`` are taken from the survey's address. Raters see the pages in random order. Ignored: all about the look.

Qualtrics documents no QSF. This one has the elements that surveys published as QSF have (such as those that
https://github.com/fflewddur/sp tests with), and was not imported into Qualtrics itself.
"""

from __future__ import annotations

import html
import json
from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path, hash_of
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE
from c2i_lib.stages.survey.formats.mapping import COMMENT, own_name
from c2i_lib.study import QUESTIONS

CANNOT_JUDGE_CODE = "-1"  # its number in an export of numbers; see ``wide``
FIELDS = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID", "rater")  # of the survey's address


def _element(
    survey_id: str, kind: str, first: str, second: str | None, payload: object, third: str | None = None
) -> dict:
    names = {"SurveyID": survey_id, "Element": kind, "PrimaryAttribute": first, "SecondaryAttribute": second}
    return names | {"TertiaryAttribute": third, "Payload": payload}


def _question(number: int, tag: str, text: str, about: dict, required: bool = False) -> dict:
    force = {"ForceResponse": "ON" if required else "OFF", "ForceResponseType": "ON", "Type": "None"}
    return {
        "QuestionText": text,
        "DataExportTag": tag,
        **about,
        "Configuration": {"QuestionDescriptionOption": "SpecifyLabel"},
        "QuestionDescription": tag,
        "Validation": {"Settings": force},
        "Language": [],
        "QuestionID": f"QID{number}",
    }


def _choices(labels: tuple[str, ...]) -> dict:
    """A single answer of ``labels`` or "cannot judge", and the number of each in an export of numbers."""
    shown = [*(f"{point} - {label}" for point, label in enumerate(labels, start=1)), CANNOT_JUDGE]
    numbers = [*map(str, range(1, len(labels) + 1)), CANNOT_JUDGE_CODE]
    places = [str(place) for place in range(1, len(shown) + 1)]
    return {
        "QuestionType": "MC",
        "Selector": "SAVR",
        "SubSelector": "TX",
        "Choices": {place: {"Display": html.escape(text)} for place, text in zip(places, shown, strict=True)},
        "ChoiceOrder": places,
        "RecodeValues": dict(zip(places, numbers, strict=True)),
        "NextChoiceId": len(shown) + 1,
        "NextAnswerId": 1,
    }


def _blocks_and_questions(
    items: pd.DataFrame, settings: Survey, pictures_url: str, instructions: str
) -> tuple[list[dict], list[dict]]:
    """A block for the instructions and one per item, and the questions in their order."""
    text_only, long_text = {"QuestionType": "DB", "Selector": "TB"}, {"QuestionType": "TE", "Selector": "ML"}
    shown = "<br>".join(html.escape(line) for line in instructions.strip().splitlines())
    questions, pages = [_question(1, "instructions", shown, text_only)], [("instructions", [1])]
    for item in items.itertuples():
        concept = "" if pd.isna(item.concept) else html.escape(str(item.concept))
        picture = html.escape(f"{pictures_url.rstrip('/')}/{item.item_id}.png")
        start = len(questions) + 1
        text = f'<p><b>{concept}</b></p><img src="{picture}" alt="" style="max-width:100%">'
        questions.append(_question(start, f"{item.item_id}_picture", text, text_only))
        for question in QUESTIONS:
            asked = getattr(settings, question)
            tag, about = own_name(item.item_id, question), _choices(asked.labels)
            questions.append(_question(len(questions) + 1, tag, html.escape(asked.text), about, required=True))
        tag = own_name(item.item_id, COMMENT)
        questions.append(_question(len(questions) + 1, tag, "Comment, if you like", long_text))
        pages.append((item.item_id, list(range(start, len(questions) + 1))))
    options = {"BlockLocking": "false", "RandomizeQuestions": "false", "BlockVisibility": "Collapsed"}
    blocks = []
    for number, (name, asked) in enumerate(pages):
        inside = [{"Type": "Question", "QuestionID": f"QID{question}"} for question in asked]
        kind = {"Type": "Default" if number == 0 else "Standard", "SubType": "", "Description": name}
        blocks.append({**kind, "ID": f"BL_{hash_of(name)[:15]}", "BlockElements": inside, "Options": options})
    blocks.append({"Type": "Trash", "Description": "Trash / Unused Questions", "ID": f"BL_{hash_of('trash')[:15]}"})
    return blocks, questions


def _flow(blocks: list[dict]) -> dict:
    """What comes in which order: the fields of the address, the instructions, and all items in random order."""
    field = {"Type": "Recipient", "VariableType": "String", "DataVisibility": [], "AnalyzeText": False}
    fields = [{"Description": name, "Field": name, **field} for name in FIELDS]
    first, *items = blocks[:-1]
    shown = [
        {"Type": "Standard", "ID": block["ID"], "FlowID": f"FL_{number}", "Autofill": []}
        for number, block in enumerate(items, start=10)
    ]
    steps = [
        {"Type": "EmbeddedData", "FlowID": "FL_2", "EmbeddedData": fields},
        {"Type": "Block", "ID": first["ID"], "FlowID": "FL_3", "Autofill": []},
        {"Type": "BlockRandomizer", "FlowID": "FL_4", "SubSet": len(shown), "EvenPresentation": False, "Flow": shown},
    ]
    return {"Type": "Root", "FlowID": "FL_1", "Flow": steps, "Properties": {"Count": len(shown) + 4}}


def write_qualtrics_form(
    path: Path, items: pd.DataFrame, settings: Survey, pictures_url: str, instructions: str
) -> None:
    """Write the survey of ``items`` as a QSF. ``pictures_url``: the address of a folder on the web with the pictures of
    the built survey, under their names there; ``instructions``: what raters read first.

    Raises ``C2IError`` where that is no address.
    """
    if not pictures_url.startswith(("https://", "http://")):
        raise C2IError(
            f"--pictures-url: expected the address of a folder on the web, such as https://example.org/pictures, found "
            f"{pictures_url!r}: put 06_survey/pictures there first, because a QSF holds no pictures"
        )
    blocks, questions = _blocks_and_questions(items, settings, pictures_url, instructions)
    survey_id = f"SV_{hash_of([question['DataExportTag'] for question in questions])[:15]}"
    options = {"BackButton": "true", "SaveAndContinue": "true", "SurveyProtection": "PublicSurvey"}
    options |= {"BallotBoxStuffingPrevention": "false", "NoIndex": "Yes", "SurveyExpiration": "None"}
    options |= {"SurveyTermination": "DefaultMessage", "ProgressBarDisplay": "Text", "PartialData": "+1 week"}
    entry = {"SurveyID": survey_id, "SurveyName": "Rating pictures", "SurveyDescription": None}
    entry |= {"SurveyLanguage": "EN", "SurveyStatus": "Inactive", "Deleted": None}
    project = {"ProjectCategory": "CORE", "SchemaVersion": "1.1.0"}
    elements = [
        _element(survey_id, "BL", "Survey Blocks", None, blocks),
        _element(survey_id, "FL", "Survey Flow", None, _flow(blocks)),
        _element(survey_id, "SO", "Survey Options", None, options),
        _element(survey_id, "PROJ", "CORE", None, project, "1.1.0"),
        _element(survey_id, "QC", "Survey Question Count", str(len(questions)), None),
        _element(survey_id, "RS", "RS_1", "Default Response Set", None),
        *(_element(survey_id, "SQ", one["QuestionID"], one["QuestionDescription"], one) for one in questions),
    ]
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(
            json.dumps({"SurveyEntry": entry, "SurveyElements": elements}, indent=1, ensure_ascii=False), "utf-8"
        )
