"""Backups of answers: whole while a server writes, put back without losing what was there, and no empty start."""

import multiprocessing
import sqlite3
import threading
import time

import httpx
import pytest
from survey_run import make_run, served

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.web import backups
from c2i_lib.stages.survey.web.backups import back_up, count_answers, list_backups, refuse_lost_answers, restore
from c2i_lib.stages.survey.web.server import serve
from c2i_lib.stages.survey.web.store import Responses, read_answers


@pytest.fixture
def responses(tmp_path):
    responses = Responses(tmp_path / "06_responses" / "responses.sqlite")
    tokens = responses.add_raters(["rater_1"])
    (tmp_path / "06_responses" / "links.csv").write_text(
        f"rater,surveys,link\nrater_1,survey_1,http://127.0.0.1/r/{tokens['rater_1']}\n"
    )
    yield responses
    responses.close()


def answer(responses, n, first=0):
    for number in range(first, first + n):
        responses.answer("rater_1", f"i{number}", "quality", 1 + number % 4)


def test_a_backup_of_a_database_in_use_is_whole(responses):
    answer(responses, 20)
    writing = threading.Thread(target=answer, args=(responses, 50, 20))
    writing.start()
    path = back_up(responses.path)
    writing.join()
    assert 20 <= count_answers(path) <= 70 and [file.name for file in path.parent.iterdir()] == [path.name]
    assert set(read_answers(path)["item_id"]) >= {f"i{number}" for number in range(20)}
    assert path.parent.stat().st_mode & 0o077 == 0


def test_only_the_newest_backups_are_kept(responses, monkeypatch):
    monkeypatch.setattr(backups, "KEPT", 3)
    other = back_up(responses.path, "before-restore")
    made = [back_up(responses.path) for _ in range(5)]
    (other.parent / ".responses-1234.sqlite").touch()  # of a kill
    assert list_backups(responses.path.parent) == made[:1:-1] and other.is_file()


def test_a_served_survey_is_backed_up_every_few_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(backups, "EVERY", 3)
    with served(make_run(tmp_path / "run")) as (base_url, survey):
        with httpx.Client(base_url=f"{base_url}/r/{survey.tokens['rater_1']}") as client:
            client.post("/consent", json={})
            for item in survey.items["rater_1"]:
                body = {"question": "quality", "rating": 2, "version": 5}
                assert client.put(f"/answers/{item}", json=body).status_code == 200
                assert client.put(f"/answers/{item}", json=body | {"version": 4, "rating": 1}).status_code == 409
        survey.backups.make()
    counts = [count_answers(path) for path in list_backups(survey.folder)]
    assert counts in ([4, 3], [4]), "the fourth answer may have come before the backup after the third"


def test_a_backup_that_fails_stops_nobody(responses, monkeypatch, capsys):
    def full(*arguments):
        raise sqlite3.OperationalError("database or disk is full")

    made = backups.Backups(responses.path)
    made.make()
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(backups, "back_up", full)
    made.count()
    made.make()
    assert "no backup of" in capsys.readouterr().out


def test_a_restored_backup_takes_the_place_of_a_database_in_use(responses):
    answer(responses, 10)
    first = back_up(responses.path)
    answer(responses, 5, first=10)
    used, former = restore(responses.path.parent)
    assert used == first and count_answers(responses.path) == 10 and count_answers(former) == 15
    answer(responses, 3, first=10)  # the server goes on with what was put in
    assert len(responses.answers_of("rater_1")) == count_answers(responses.path) == 13
    assert restore(responses.path.parent, former)[0] == former and count_answers(responses.path) == 15


@pytest.mark.parametrize("fate", ["missing", "empty", "damaged", "copied without its log"])
def test_a_lost_database_is_not_begun_anew_but_restored(responses, fate):
    """Before, a new database with new links was made."""
    folder, path = responses.path.parent, responses.path
    answer(responses, 10)
    back_up(path)
    copy = path.read_bytes()
    responses.close()
    path.unlink()
    if fate == "copied without its log":
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    elif fate != "missing":
        path.write_bytes(b"" if fate == "empty" else copy[:4096] + b"x" * 20_000)
    with pytest.raises(C2IError, match="survey restore"):
        refuse_lost_answers(folder)
        Responses(path).close()
    _, former = restore(folder)
    assert count_answers(path) == 10 and bool(former) == (fate != "missing")
    refuse_lost_answers(folder)


def test_serving_refuses_to_start_a_known_study_empty(tmp_path, monkeypatch):
    run, settings = make_run(tmp_path / "run"), load_profile("smoke").survey
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    serve(run / "06_survey", settings, port=0)
    database = run / "06_responses" / "responses.sqlite"
    links = (run / "06_responses" / "links.csv").read_bytes()
    database.unlink()
    with pytest.raises(C2IError, match="is missing or empty.*survey restore"):
        serve(run / "06_survey", settings, port=0)
    assert not database.exists() and (run / "06_responses" / "links.csv").read_bytes() == links
    other = Responses(database)  # a database of another study
    other.add_raters(["rater_1", "rater_2"])
    other.close()
    with pytest.raises(C2IError, match="does not know 2 of its links"):
        serve(run / "06_survey", settings, port=0)


def test_a_server_that_is_told_to_stop_makes_a_backup(tmp_path):
    """Ctrl+C and SIGTERM alike; before, SIGTERM ended it at once."""
    run, settings = make_run(tmp_path / "run"), load_profile("smoke").survey
    links = run / "06_responses" / "links.csv"
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(run / "06_survey", settings), kwargs={"port": 0}, daemon=True
    )
    server.start()
    while not links.is_file():
        assert server.is_alive()
        time.sleep(0.05)
    link = links.read_text().splitlines()[1].split(",")[-1]
    with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:
        item = client.post(f"{link}/consent", json={}).json()["items"][0]["item_id"]
        body = {"question": "quality", "rating": 2, "version": 1}
        assert client.put(f"{link}/answers/{item}", json=body).status_code == 200
    server.terminate()
    server.join(30)
    assert server.exitcode == 0 and list(map(count_answers, list_backups(run / "06_responses"))) == [1]


def test_what_is_no_backup_is_refused(responses, tmp_path):
    with pytest.raises(C2IError, match="holds no backup"):
        restore(responses.path.parent)
    (tmp_path / "text").write_text("rater,item_id\n" * 99)
    for wrong in ("nowhere", "text"):
        with pytest.raises(C2IError, match=wrong):
            restore(responses.path.parent, tmp_path / wrong)
