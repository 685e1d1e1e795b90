"""Answers on the disk: kept through restarts and kills, and never mixed up with other files."""

import http.client
import json
import multiprocessing
import random
import sqlite3
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from survey_run import make_run

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.web import database
from c2i_lib.stages.survey.web.database import WAIT
from c2i_lib.stages.survey.web.server import serve
from c2i_lib.stages.survey.web.store import COLUMNS, Responses, read_answers


@pytest.fixture
def responses(tmp_path):
    responses = Responses(tmp_path / "06_responses" / "responses.sqlite")
    responses.add_raters(["rater_1", "rater_2"])
    yield responses
    responses.close()


def test_the_last_answer_to_a_question_counts(responses):
    responses.answer("rater_1", "i1", "quality", 2)
    responses.answer("rater_1", "i1", "faithfulness", 4)
    responses.answer("rater_2", "i1", "quality", 1)
    responses.answer("rater_1", "i1", "quality", None)
    assert responses.answers_of("rater_1") == {"i1": {"quality": None, "faithfulness": 4}}
    table = read_answers(responses.path)
    assert list(table.columns) == COLUMNS and table["rating"].dtype == float and len(table) == 3
    assert list(table["rating"].fillna(0)) == [4, 0, 1]
    times = pd.to_datetime(table["answered_at"], utc=True)
    assert table["answered_at"].str.endswith("+00:00").all() and (pd.Timestamp.now("UTC") - times).max().seconds < 60


def test_a_comment_stands_on_each_answer_of_its_item(responses):
    for item in ("i1", "i2"):
        responses.answer("rater_1", item, "quality", 2)
        responses.answer("rater_1", item, "faithfulness", 3)
    responses.comment("rater_1", "i1", "first")
    responses.comment("rater_1", "i1", "better")
    assert list(read_answers(responses.path)["comment"]) == ["better", "better", "", ""]
    responses.comment("rater_1", "i1", "")
    assert responses.comments_of("rater_1") == {}


def test_only_a_later_version_changes_an_answer(responses):
    assert responses.answer("rater_1", "i1", "quality", 4, version=7) == (True, 4, 7)
    assert responses.answer("rater_1", "i1", "quality", 1, version=6) == (False, 4, 7), "held up on its way"
    assert responses.answer("rater_1", "i1", "quality", 4, version=7) == (True, 4, 7), "sent twice"
    assert responses.answer("rater_1", "i1", "quality", 2, version=7) == (False, 4, 7), "of two windows the first"
    assert responses.answer("rater_1", "i1", "quality", None, version=8) == (True, None, 8)
    assert responses.comment("rater_1", "i1", "a\0b", version=2) == (True, "ab", 2)
    assert responses.comment("rater_1", "i1", "", version=3) == (True, "", 3)
    assert responses.comment("rater_1", "i1", "again", version=2) == (False, "", 3), "a removed comment stays removed"
    assert responses.versions_of("rater_1") == {"i1": {"quality": 8, "comment": 3}}


def test_history_keeps_every_change_and_can_only_grow(responses):
    responses.answer("rater_1", "i1", "quality", 4, version=7, seen_ms=1200)
    responses.answer("rater_1", "i1", "quality", 4, version=7, seen_ms=1200)
    responses.answer("rater_1", "i1", "quality", 1, version=6)
    responses.answer("rater_1", "i1", "quality", None, version=8)
    responses.comment("rater_1", "i1", "well")
    with sqlite3.connect(responses.path) as connection:
        rows = connection.execute("SELECT field, old, new, version, seen_ms FROM history ORDER BY number").fetchall()
        for change in ("DELETE FROM history", "UPDATE history SET new = '2'"):
            with pytest.raises(sqlite3.IntegrityError, match="history only grows"):
                connection.execute(change)
    connection.close()
    first = ("quality", None, "4", 7, 1200)
    assert rows == [first, ("quality", "4", "cannot judge", 8, None), ("comment", None, "well", 1, None)]


def test_nobody_who_reads_waits_for_somebody_who_waits_to_write(responses, monkeypatch):
    """Another program holds SQLite's lock: writes wait, are refused in the end, and reads go on."""
    responses.answer("rater_1", "i1", "quality", 4)
    with sqlite3.connect(responses.path, isolation_level=None) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        refused = []

        def write():
            try:
                responses.answer("rater_2", "i1", "quality", 1)
            except sqlite3.OperationalError as error:
                refused.append(error)

        writes = [threading.Thread(target=write) for _ in range(4)]
        start = time.monotonic()
        for thread in writes:
            thread.start()
        time.sleep(0.1)
        assert responses.answers_of("rater_1") == {"i1": {"quality": 4}} and not responses.closed
        assert time.monotonic() - start < 2
        for thread in writes:
            thread.join()
        assert len(refused) == 4 and time.monotonic() - start < 2.5 * WAIT
        foreign.rollback()
    foreign.close()
    responses.answer("rater_2", "i1", "quality", 1)


def test_a_database_of_the_first_version_gets_what_it_lacks(tmp_path):
    path = tmp_path / "responses.sqlite"
    with sqlite3.connect(path) as connection:
        for statement in database._FIRST.strip().split("\n\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO raters VALUES ('rater_1', ?, NULL)", ("x" * 43,))
        connection.execute("INSERT INTO answers VALUES ('rater_1', 'i1', 'quality', 3, '2026-05-20T13:43:01+00:00')")
    connection.close()
    before = read_answers(path)
    responses = Responses(path)
    assert read_answers(path).equals(before) and responses.answers_of("rater_1") == {"i1": {"quality": 3}}
    assert responses.answer("rater_1", "i1", "quality", 4, version=10**12).stored
    responses.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(C2IError, match="newer version of c2i"):
        Responses(path)


def test_no_answers_are_an_empty_table_of_the_same_columns(responses):
    table = read_answers(responses.path)
    assert table.empty and list(table.columns) == COLUMNS and table["rating"].dtype == float


@pytest.mark.parametrize(
    "answer",
    [("nobody", "i1", "quality", 1), ("rater_1", "i1", "arm", 1), ("rater_1", "i1", "quality", 0)]
    + [("rater_1", "i1", "quality", "good"), ("rater_1", None, "quality", 1)],
)
def test_the_database_itself_refuses_what_cannot_be(responses, answer):
    with pytest.raises(sqlite3.IntegrityError):
        responses.answer(*answer)
    assert read_answers(responses.path).empty
    responses.answer("rater_1", "i1", "quality", 1)  # and goes on


def test_tokens_are_unguessable_and_outlive_a_restart(responses):
    tokens = responses.add_raters(["rater_1", "rater_2"])
    assert len(set(tokens.values())) == 2 and all(len(token) >= 43 for token in tokens.values())
    responses.consent("rater_1")
    responses.closed = True
    responses.close()
    again = Responses(responses.path)
    assert again.add_raters(["rater_1", "rater_2", "rater_3"]).items() > tokens.items()
    assert again.consented("rater_1") and not again.consented("rater_2") and again.closed
    again.close()


def test_the_first_consent_is_the_one_that_counts(responses):
    responses.consent("rater_1")
    first = responses.progress()["rater_1"]
    time.sleep(0.01)
    responses.consent("rater_1")
    assert responses.progress()["rater_1"] == first and responses.progress()["rater_2"] == (None, 0, None)


def test_a_commit_is_on_the_disk_before_it_is_acknowledged(responses):
    """The settings that make it so; a test cannot pull the plug."""
    run = responses._connection.execute
    assert run("PRAGMA journal_mode").fetchone()[0] == "wal" and run("PRAGMA synchronous").fetchone()[0] == 2


def test_threads_and_readers_do_not_get_into_each_others_way(responses):
    def write(rater):
        for number in range(100):
            responses.answer(rater, f"i{number}", "quality", 1)

    threads = [threading.Thread(target=write, args=(rater,)) for rater in ("rater_1", "rater_2")]
    for thread in threads:
        thread.start()
    sizes = [len(read_answers(responses.path)) for _ in range(20)]
    for thread in threads:
        thread.join()
    assert sizes == sorted(sizes) and len(read_answers(responses.path)) == 200


def test_damaged_and_foreign_files_are_named_and_left_alone(tmp_path, responses):
    for number in range(500):
        responses.answer("rater_1", f"i{number}", "quality", 1)
    responses.close()
    damaged = bytearray(responses.path.read_bytes())
    damaged[8192:] = np.random.default_rng(0).bytes(len(damaged) - 8192)
    with sqlite3.connect(tmp_path / "foreign") as connection:
        connection.execute("CREATE TABLE answers (rater)")
    connection.close()
    contents = {"damaged": bytes(damaged), "text": b"rater,item_id\n" * 99}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in ("damaged", "text", "foreign"):
        before = (tmp_path / name).read_bytes()
        for use in (Responses, read_answers):
            with pytest.raises(C2IError, match=f"{name} .*database.* move it away"):
                use(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before


def test_answers_before_there_are_any_are_a_clear_error(tmp_path):
    with pytest.raises(C2IError, match="before the survey has been served"):
        read_answers(tmp_path / "responses.sqlite")


def put_until_killed(port, token, items, acknowledged, flying, errors):
    """A rater who answers without a pause. ``flying``: the answer that was sent last, stored or not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        for number in range(10**6):
            key, rating = (items[number % len(items)], "quality"), 1 + (number // len(items)) % 4
            flying[key] = rating
            body = json.dumps({"question": key[1], "rating": rating, "version": time.time_ns() // 1000})
            connection.request("PUT", f"/r/{token}/answers/{key[0]}", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            acknowledged[key] = flying.pop(key)
    except (OSError, http.client.HTTPException):
        connection.close()  # the server was killed: what this test is about
    except ValueError as error:
        errors.append(error)


def test_a_killed_server_has_kept_every_acknowledged_answer(tmp_path):
    """``kill -9`` in the middle of writing, ten times on one database."""
    raters = [f"rater_{number}" for number in range(4)]
    run, settings = make_run(tmp_path / "run", 40, raters, size=8), load_profile("smoke").survey
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["c2i_lib.stages.survey.web.server"])
    links, n_acknowledged, tokens = run / "06_responses" / "links.csv", 0, set()
    items = sorted(pd.read_parquet(run / "06_survey" / "items.parquet")["item_id"])
    expected, errors = {}, []
    for _ in range(10):
        links.unlink(missing_ok=True)
        server = context.Process(target=serve, args=(run / "06_survey", settings), kwargs={"port": 0}, daemon=True)
        server.start()
        while not links.is_file():
            assert server.is_alive(), "the server ended before it served"
            time.sleep(0.01)
        table = pd.read_csv(links).query("rater != 'anyone'")
        link_of = {row.rater: urlsplit(row.link) for row in table.itertuples()}
        tokens.add(tuple(link.path for link in link_of.values()))
        threads, noted = [], {}
        for rater, link in link_of.items():
            connection = http.client.HTTPConnection("127.0.0.1", link.port, timeout=10)
            connection.request("POST", f"{link.path}/consent", "{}", {"Content-Type": "application/json"})
            assert connection.getresponse().status == 200
            connection.close()
            noted[rater] = ({}, {})
            arguments = (link.port, link.path.split("/")[2], items, *noted[rater], errors)
            threads.append(threading.Thread(target=put_until_killed, args=arguments))
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.1, 0.4))
        server.kill()
        server.join()
        for thread in threads:
            thread.join()
        answers = read_answers(run / "06_responses" / "responses.sqlite")
        found = answers.set_index(["rater", "item_id", "question"])["rating"].to_dict()
        for rater, (acknowledged, flying) in noted.items():
            n_acknowledged += len(acknowledged)
            expected |= {(rater, *key): {rating} for key, rating in acknowledged.items()}
            for key, rating in flying.items():  # stored or not: both are right
                before = expected.get((rater, *key), {None})
                expected[(rater, *key)] = before | {rating}
        assert {key: found.get(key) for key, ratings in expected.items() if found.get(key) not in ratings} == {}
    assert errors == [] and n_acknowledged > 100 and len(tokens) == 1, "links outlive a kill"
