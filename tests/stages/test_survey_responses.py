"""Answers of people reach the analysis: what lies in ``06_responses/`` is an input of notebook 06 like any other."""

import sqlite3

import httpx
import pandas as pd
import pytest
from survey_run import served

from c2i_lib.cli import main
from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.records.files import read_record, write_json, write_table
from c2i_lib.run.pipeline import _key, is_done, notebook_path
from c2i_lib.run.places import open_run
from c2i_lib.stages.survey.formats import COLUMNS, read_answers, write_answers_csv
from c2i_lib.stages.survey.responses import (
    TABLES,
    answers_fingerprint,
    gather_answers,
    read_tables,
    responses_folder,
    tables_csv,
)
from c2i_lib.stages.survey.web.store import Responses

PEOPLE = {"survey.simulate_raters": False}
ONE = pd.DataFrame([("anna", "i1", "quality", 3.0, "", "")], columns=COLUMNS)


@pytest.fixture
def people_run(run_copy):
    """A copy of the smoke run that waits for people. Its first five notebooks count as done with that setting, which
    they do not use, so that a test need not execute them."""
    run = open_run("smoke", run_copy, overrides=PEOPLE)
    for number in range(1, 6):
        record = (run.directory / "notebooks" / notebook_path(number).name).with_suffix(".json")
        write_json(record, read_record(record) | _key(run, number))
    return run


def answer_all(base_url, survey, rater, points):
    """Answer every question of a rater, as their browser would."""
    with httpx.Client(base_url=f"{base_url}/r/{survey.tokens[rater]}") as client:
        items = client.post("/consent", json={}).json()["items"]
        for number, item in enumerate(items):
            for question in ("quality", "faithfulness"):
                rating = points[(number + len(question)) % len(points)]
                body = {"question": question, "rating": rating, "version": 1}
                assert client.put(f"/answers/{item['item_id']}", json=body).status_code == 200
    return 2 * len(items)


def executed(printed: str) -> list[int]:
    """The numbers of the notebooks that a command has executed, by what it printed."""
    return [int(line[1]) for line in printed.splitlines() if "done in" in line]


@pytest.mark.notebooks
def test_answers_that_people_give_between_two_runs_are_analysed(people_run, tmp_path, capsys):
    """The commands of the README, and ``survey import``. The server runs on: its answers are in a write-ahead log."""
    folder = str(people_run.directory)
    run = ["run", "--profile", "smoke", "--run-dir", folder, "-p", "survey.simulate_raters=false", "--to"]
    ratings = people_run.folder(6) / "ratings" / "ratings.parquet"
    raters = people_run.folder(7) / "raters.parquet"
    assert main([*run, "6"]) == 0
    assert executed(capsys.readouterr().out) == [6] and len(pd.read_parquet(ratings)) == 0
    with served(people_run.directory) as (base_url, survey):
        names = sorted(survey.tokens)
        n_answers = sum(answer_all(base_url, survey, rater, (1, 2, 3, 4)) for rater in names[:2])
        assert main([*run, "7"]) == 0
        assert executed(capsys.readouterr().out) == [6, 7] and len(pd.read_parquet(ratings)) == n_answers
        assert set(pd.read_parquet(raters)["rater"]) == set(names[:2])

        n_answers += answer_all(base_url, survey, names[2], (2, 3, 3, 4))
        assert main([*run, "7"]) == 0
        assert executed(capsys.readouterr().out) == [6, 7] and len(pd.read_parquet(ratings)) == n_answers
        assert set(pd.read_parquet(raters)["rater"]) == set(names[:3])
    assert main([*run, "7"]) == 0
    printed = capsys.readouterr().out
    assert executed(printed) == [] and "06_run_survey: already done" in printed

    items = pd.read_parquet(people_run.folder(6) / "items.parquet")["item_id"]
    table = pd.DataFrame([("lab", item, "quality", 2.0, "", "") for item in items], columns=COLUMNS)
    write_answers_csv(tmp_path / "lab.csv", table)
    assert main(["survey", "import", str(tmp_path / "lab.csv"), "--run-dir", folder]) == 0
    assert [number for number in range(1, 8) if not is_done(people_run, number)] == [6]


@pytest.mark.notebooks
def test_a_run_that_simulates_its_raters_does_not_wait_for_people(run_copy):
    """A survey may be served as a demonstration; its answers are not used."""
    run = open_run("smoke", run_copy)
    write_table(responses_folder(run.folder(6)) / "shown.parquet", ONE)
    assert is_done(run, 6)


@pytest.fixture
def survey_dir(tmp_path):
    return tmp_path / "06_survey"


@pytest.fixture
def responses(survey_dir):
    responses = Responses(responses_folder(survey_dir) / "responses.sqlite")
    responses.add_raters(["rater_1"])
    yield responses
    responses.close()


def test_every_change_of_an_answer_changes_the_fingerprint(survey_dir, responses):
    prints = [answers_fingerprint(survey_dir)]
    assert prints == [{}], "a web app without answers is as none"
    for change in (
        lambda: responses.answer("rater_1", "i1", "quality", 2),
        lambda: responses.answer("rater_1", "i1", "quality", 3),
        lambda: responses.answer("rater_1", "i1", "quality", None),
        lambda: responses.answer("rater_1", "i2", "quality", 3),
        lambda: write_table(responses_folder(survey_dir) / "lab.parquet", ONE),
        lambda: write_table(responses_folder(survey_dir) / "lab.parquet", ONE.assign(rating=2.0)),
    ):
        change()
        prints.append(answers_fingerprint(survey_dir))
        assert prints[-1] == answers_fingerprint(survey_dir)
    assert all(one != other for number, one in enumerate(prints) for other in prints[:number])


def test_gathering_answers_or_stopping_the_server_changes_no_fingerprint(survey_dir, responses):
    responses.answer("rater_1", "i1", "quality", 2)
    before = answers_fingerprint(survey_dir)
    assert [path.name for path in gather_answers(survey_dir)] == ["app.parquet"]
    assert answers_fingerprint(survey_dir) == before
    responses.close()
    assert answers_fingerprint(survey_dir) == before


def test_a_fingerprint_leaves_the_folder_as_it_was(survey_dir, responses):
    """Also beside a database that no server has open, where SQLite would make a log to read it."""
    responses.answer("rater_1", "i1", "quality", 2)

    def content():
        return {path.name: path.read_bytes() for path in responses_folder(survey_dir).iterdir()}

    for _ in range(2):
        before = content()
        assert answers_fingerprint(survey_dir)
        assert {**content(), "responses.sqlite-shm": b""} == {**before, "responses.sqlite-shm": b""}  # locks, no data
        responses.close()
    assert set(content()) == {"responses.sqlite"}


def test_tables_hold_all_that_people_gave_and_are_read_back(survey_dir, responses, tmp_path):
    """Also "cannot judge", comments on items without an answer, formulas, and a NUL that somebody pasted."""
    items = pd.DataFrame({"item_id": ["i1", "i2", "i3"]})
    responses.consent("rater_1", "I agree")
    responses.answer("rater_1", "i1", "quality", None, seen_ms=900, viewport=(360, 740))
    responses.answer("rater_1", "i1", "faithfulness", 4)
    responses.answer("rater_1", "i2", "quality", None)
    responses.comment("rater_1", "i1", "=1+1\0")
    responses.comment("rater_1", "i3", "not rated, but seen")
    write_table(responses_folder(survey_dir) / "lab.parquet", ONE.assign(item_id="i1", comment="from the lab"))
    tables = read_tables(survey_dir)
    assert {name: list(table.columns) for name, table in tables.items()} == TABLES
    assert sorted(tables["comments"]["comment"]) == ["=1+1", "from the lab", "not rated, but seen"]
    assert tables["consents"][["rater", "text"]].to_numpy().tolist() == [["rater_1", "I agree"]]
    assert tables["history"]["seen_ms"].tolist()[0] == 900 and len(tables["history"]) == 5
    assert tables["history"][["viewport_width", "viewport_height"]].to_numpy()[0].tolist() == [360, 740]
    texts = tables_csv(survey_dir)
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
        assert len(pd.read_csv(tmp_path / f"{name}.csv")) == len(tables[name]) and "\0" not in text
    again = read_answers(tmp_path / "answers.csv", items, load_profile("smoke").survey)
    pd.testing.assert_frame_equal(again, tables["answers"])
    assert again["rating"].isna().sum() == 2 and again.attrs["notes"] == []
    damaged = (tmp_path / "answers.csv").read_bytes().replace(b"from the lab", b"from\0 the lab")
    (tmp_path / "answers.csv").write_bytes(damaged)
    assert read_answers(tmp_path / "answers.csv", items, load_profile("smoke").survey).equals(again)


def test_the_history_of_an_earlier_version_is_exported_too(survey_dir, responses):
    """A study that was served before an update, and exported after it."""
    responses.answer("rater_1", "i1", "quality", 2, seen_ms=900)
    for column in ("viewport_width", "viewport_height"):
        responses._connection.execute(f"ALTER TABLE history DROP COLUMN {column}")
    responses._connection.execute("PRAGMA user_version = 3")
    history = read_tables(survey_dir)["history"]
    assert history["seen_ms"].tolist() == [900] and history["viewport_width"].isna().all()
    assert list(history.columns) == TABLES["history"]


def test_a_database_that_cannot_be_read_now_is_an_error_that_says_so(survey_dir, responses, monkeypatch):
    def locked(path):
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("c2i_lib.stages.survey.responses.read_answers", locked)
    for use in (answers_fingerprint, gather_answers):
        with pytest.raises(C2IError, match=r"responses.sqlite cannot be read now \(database is locked\)"):
            use(survey_dir)


def test_a_run_without_answers_has_an_empty_fingerprint(survey_dir):
    assert answers_fingerprint(survey_dir) == {} and gather_answers(survey_dir) == []
    assert not responses_folder(survey_dir).exists()
