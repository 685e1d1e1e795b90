"""jsPsych: the data of an experiment whose trials name an item.

In: the data as JSON (a list of trials, a list of such lists, or one of either in each line, as JATOS gives it) or as
CSV. A trial's item is its property ``item_id`` (``item``, ``image``), or stands in its ``stimulus`` or in the name of a
response (``i0123456789ab_quality``); its question is its property ``question`` or the name of the response. Who
answered is a property of all trials (``jsPsych.data.addProperties``). Out: an answers table. Left out, with a note:
trials that name no item, such as instructions. Ignored: response times; jsPsych records no date.

A response of ``survey-likert`` and of a button is the number of the choice from 0, so that 0 is the first point, and
the choice after the last point is "cannot judge"; of all other plugins it is the point or its name itself. As in
https://www.jspsych.org/latest/overview/data/ and the plugins' pages, of versions 6 to 8; not tried with a running
experiment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE, GivenAnswer, build_answers
from c2i_lib.stages.survey.formats.csv_files import read_rows, read_text, unique_names
from c2i_lib.stages.survey.formats.mapping import COMMENT, find_item, find_question

_PEOPLE = (
    "rater, prolific_pid, participant_id, participantid, participant, subject_id, subjectid, subject, sona_id, "
    "workerid, worker_id, jatosstudyresultid"
).split(", ")
_ITEMS = ("item_id", "item", "image")
_COUNTED = ("survey-likert", "button-response")  # plugins whose response is the number of a choice, from 0


def is_jspsych(trial: object) -> bool:
    """Whether an entry of a JSON file is a trial of jsPsych, or a list of them."""
    trial = trial[0] if isinstance(trial, list) and trial else trial
    return isinstance(trial, dict) and {"trial_type", "trial_index"} <= set(trial)


def _flat(data: object) -> Iterator[dict]:
    if isinstance(data, dict):
        yield data
    elif isinstance(data, list):
        for part in data:
            yield from _flat(part)


def _trials(path: Path) -> list[tuple[str, dict]]:
    """Every trial and where it stands."""
    text = read_text(path).strip()
    if text[0] not in "[{":
        header, *rows = read_rows(path)
        names = unique_names(header.cells)
        return [(f"line {row.line}", dict(zip(names, row.cells, strict=True))) for row in rows]
    try:
        parts = [json.loads(text)]
    except ValueError:
        parts = [_line(path, number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    return [(f"trial {number}", trial) for number, trial in enumerate(_flat(parts), start=1)]


def _line(path: Path, number: int, line: str) -> object:
    try:
        return json.loads(line)
    except ValueError as error:
        raise C2IError(
            f"{path}, line {number}: expected jsPsych's data as JSON, or JSON in each line ({error}); save it again"
        ) from None


def _property(trial: dict, names: tuple[str, ...] | list[str]) -> str:
    """The first property of these names, in any case, that is there and not empty."""
    lower = {key.lower(): value for key, value in trial.items()}
    return next((str(lower[name]).strip() for name in names if lower.get(name) not in (None, "")), "")


def _responses(trial: dict) -> dict[str, object]:
    """A trial's responses by name; one that has no name has an empty one. Version 6 called them otherwise."""
    response = next(
        (trial[key] for key in ("response", "responses", "button_pressed") if trial.get(key) not in (None, "")), None
    )
    if isinstance(response, str) and response.strip().startswith("{"):
        try:
            response = json.loads(response)
        except ValueError:
            return {"": response}
    if isinstance(response, dict):
        return response
    return {} if response is None else {"": response}


def _as_text(trial: dict, response: object, settings: Survey) -> str:
    """A response as text that ``parse_rating`` reads."""
    text = "" if response is None else str(response).strip()
    if not any(kind in str(trial.get("trial_type")) for kind in _COUNTED) or not text.isdecimal():
        return text
    point = int(text) + 1
    return CANNOT_JUDGE if point == settings.scale_points + 1 else str(point)


def _key(trial: dict, name: str, known: set[str], settings: Survey) -> tuple[str, str]:
    """The item and the question of a response, each empty where nothing names it."""
    item_id = _property(trial, _ITEMS) or find_item(name, known) or find_item(str(trial.get("stimulus", "")), known)
    asked = name.replace("_", " ") if name else _property(trial, ["question"])
    question = find_question(asked, settings) or find_question(_property(trial, ["question"]), settings)
    return find_item(item_id, known) or item_id, question


def read_jspsych(path: Path, items: pd.DataFrame, settings: Survey, rater_column: str | None = None) -> pd.DataFrame:
    """Answers from jsPsych's data. ``rater_column``: the property that names the participant; by default a usual one.

    Raises ``C2IError`` with the trial of everything that is wrong, also where no property names the participant.
    """
    given, problems, n_without, known = [], [], 0, set(items["item_id"])
    for where, trial in _trials(path):
        keys = {name: _key(trial, name, known, settings) for name in _responses(trial)}
        rated = {name: key for name, key in keys.items() if all(key) and key[1] != COMMENT}
        if not rated:
            n_without += 1
            continue
        rater = _property(trial, [rater_column.lower()] if rater_column else _PEOPLE)
        if not rater:
            expected = rater_column or "PROLIFIC_PID, participant_id or subject_id"
            problems.append(
                f"{where}: no property names the participant: expected {expected}, which jsPsych.data.addProperties "
                "adds to all trials; add it, or name another with --rater-column"
            )
            continue
        comments = [str(text) for name, text in _responses(trial).items() if keys[name][1] == COMMENT and text]
        for name, (item_id, question) in rated.items():
            text = _as_text(trial, _responses(trial)[name], settings)
            given.append(
                GivenAnswer(where, rater, item_id, question, text, "", "\n".join(comments), name or "response")
            )
    notes = [f"{n_without} trials ask none of our questions about an item and are left out"] if n_without else []
    return build_answers(given, items, settings, path, problems, notes)
