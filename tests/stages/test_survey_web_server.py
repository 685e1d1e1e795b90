"""The survey's web app over real HTTP: what it shows, what it refuses, and what it never tells."""

import itertools
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pandas as pd
import pytest
import uvicorn
from PIL import Image
from survey_run import RESEARCHER, SECRETS, SEED, make_run, served

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey import formats
from c2i_lib.stages.survey.responses import read_tables
from c2i_lib.stages.survey.web.database import WAIT
from c2i_lib.stages.survey.web.instructions import Instructions
from c2i_lib.stages.survey.web.served import ServedSurvey
from c2i_lib.stages.survey.web.server import create_app, listen, serve
from c2i_lib.stages.survey.web.store import read_answers

LATER = itertools.count(2)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served(make_run(tmp_path_factory.mktemp("survey") / "run")) as (base_url, survey):
        yield base_url, survey


@pytest.fixture
def anna(site):
    """A client at the first rater's link, who has agreed."""
    base_url, survey = site
    with httpx.Client(base_url=f"{base_url}/r/{survey.tokens['rater_1']}") as client:
        assert client.post("/consent", json={}).status_code == 200
        yield client


@pytest.fixture
def researcher(site):
    with httpx.Client(base_url=f"{site[0]}/researcher/{RESEARCHER}") as client:
        yield client
        client.post("/closed", json={"closed": False})


def items_of(client) -> list[dict]:
    return client.get("/state").json()["items"]


def put(client, item, **body) -> httpx.Response:
    """A change as a page sends it: with a version that is later than all before."""
    return client.put(f"/answers/{item}", json=body | {"version": next(LATER)})


def page_of(client) -> httpx.Response:
    return httpx.get(str(client.base_url).rstrip("/"))


def content_of(survey) -> list[str]:
    with sqlite3.connect(survey.responses.path) as connection:
        return list(connection.iterdump())


def test_a_rater_gets_the_items_in_the_order_of_the_plan(site, anna):
    orders = pd.read_parquet(site[1].folder.parent / "06_survey" / "orders.parquet")
    own = orders[orders["rater"] == "rater_1"].sort_values("position")
    assert [item["item_id"] for item in items_of(anna)] == list(own["item_id"])
    other = httpx.get(f"{site[0]}/r/{site[1].tokens['rater_2']}/state").json()
    assert [item["item_id"] for item in other["items"]] != list(own["item_id"])


def test_an_answer_is_stored_at_once_and_can_be_changed(site, anna):
    item = items_of(anna)[0]["item_id"]
    for rating in (1, None, 4):
        answered = put(anna, item, question="quality", rating=rating)
        assert answered.status_code == 200
        assert answered.json()["answers"] == {"quality": rating} == items_of(anna)[0]["answers"]
        stored = read_answers(site[1].responses.path).set_index(["rater", "item_id", "question"])["rating"]
        assert stored["rater_1", item, "quality"] == rating or (rating is None and np.isnan(stored.iloc[0]))


def test_the_size_of_the_window_is_kept_with_an_answer(site, anna):
    put(anna, items_of(anna)[0]["item_id"], question="quality", rating=2, viewport=[360, 740])
    history = read_tables(site[1].survey_dir)["history"]
    assert history[["viewport_width", "viewport_height"]].iloc[-1].tolist() == [360, 740]


def test_nothing_tells_a_rater_the_arm_the_seed_or_the_file(site, anna):
    """Looked for in addresses, pages, headers and in what is inside the pictures."""
    pages = [page_of(anna), anna.get("/state"), anna.post("/consent", json={})]
    for item in items_of(anna):
        pages.append(anna.get(f"/pictures/{item['item_id']}.png"))
        pages.append(put(anna, item["item_id"], question="quality", rating=2))
    pages += [httpx.get(f"{site[0]}/static/{name}") for name in ("survey.js", "practice.js", "survey.css", "icon.svg")]
    assert {page.status_code for page in pages} == {200}
    texts = [f"{page.url} {page.headers}" for page in pages]
    texts += [page.text for page in pages if not str(page.url).endswith((".js", ".css", ".svg", ".png"))]
    for secret in SECRETS:
        told = re.compile(rf"(?<![a-z]){secret}(?![a-z-])", re.IGNORECASE)
        assert [text for text in texts if told.search(text)] == []
    pictures = b"".join(page.content for page in pages if page.headers["Content-Type"] == "image/png")
    assert [secret for secret in SECRETS if len(secret) > 2 and secret.encode() in pictures] == []
    headers = {name for page in pages for name in page.headers}
    assert not headers & {"etag", "last-modified", "content-disposition", "server"}
    source = next(site[1].pictures.glob("*.png")).read_bytes()
    assert str(SEED).encode() in source, "the pictures of this test must have something to tell"


def test_pictures_keep_their_pixels(site, anna):
    item = items_of(anna)[0]["item_id"]
    (site[1].folder / "got.png").write_bytes(anna.get(f"/pictures/{item}.png").content)
    with Image.open(site[1].folder / "got.png") as got, Image.open(site[1].picture_path(item)) as kept:
        assert np.array_equal(np.asarray(got), np.asarray(kept)) and kept.text and not got.text


GOOD = {"question": "quality", "rating": 3, "version": 1}
PRACTICE = {"quality": 1, "faithfulness": None}
REFUSED = {
    "an unknown token": (404, "PUT", "/r/{nobody}/answers/{item}", {"json": GOOD}),
    "an unknown token's state": (404, "GET", "/r/{nobody}/state", {}),
    "an unknown token's page": (404, "GET", "/r/{nobody}", {}),
    "consent by an unknown token": (404, "POST", "/r/{nobody}/consent", {"json": {}}),
    "a forged item": (404, "PUT", "/r/{token}/answers/i999999999999", {"json": GOOD}),
    "a forged picture": (404, "GET", "/r/{token}/pictures/i999999999999.png", {}),
    "a path out of the folder": (404, "GET", "/r/{token}/pictures/..%2f..%2fitems.png", {}),
    "an unknown entry": (404, "GET", "/join/{nobody}?PROLIFIC_PID=a", {}),
    "a rater's token at the entry": (404, "GET", "/join/{token}", {}),
    "another file": (404, "GET", "/static/page.html", {}),
    "a rating above the scale": (422, "PUT", "{answers}", {"json": GOOD | {"rating": 5}}),
    "a rating below the scale": (422, "PUT", "{answers}", {"json": GOOD | {"rating": 0}}),
    "a rating with a fraction": (422, "PUT", "{answers}", {"json": GOOD | {"rating": 2.5}}),
    "true as a rating": (422, "PUT", "{answers}", {"json": GOOD | {"rating": True}}),
    "text as a rating": (422, "PUT", "{answers}", {"json": GOOD | {"rating": "3"}}),
    "no rating": (422, "PUT", "{answers}", {"json": {"question": "quality", "version": 1}}),
    "no version": (422, "PUT", "{answers}", {"json": {"question": "quality", "rating": 3}}),
    "a version that no clock has": (422, "PUT", "{answers}", {"json": GOOD | {"version": 2**53}}),
    "a window of one number": (422, "PUT", "{answers}", {"json": GOOD | {"viewport": [360]}}),
    "a window that no screen has": (422, "PUT", "{answers}", {"json": GOOD | {"viewport": [360, 100_001]}}),
    "an unknown question": (422, "PUT", "{answers}", {"json": GOOD | {"question": "arm"}}),
    "an unknown key": (422, "PUT", "{answers}", {"json": GOOD | {"rater": "rater_2"}}),
    "a list": (422, "PUT", "{answers}", {"json": [GOOD]}),
    "a long comment": (422, "PUT", "{answers}", {"json": {"comment": "x" * 2001, "version": 1}}),
    "half a character": (422, "PUT", "{answers}", {"content": rb'{"version": 1, "comment": "\ud800"}'}),
    "no JSON": (422, "PUT", "{answers}", {"content": b"{"}),
    "no text": (422, "PUT", "{answers}", {"content": b"\xff\xfe"}),
    "deep nesting": (400, "PUT", "{answers}", {"content": b"[" * 16_000}),
    "a huge number": (400, "PUT", "{answers}", {"content": b'{"question": "quality", "rating": %s}' % (b"9" * 9000)}),
    "practice of no item": (404, "POST", "/r/{token}/training/{item}", {"json": {"ratings": PRACTICE}}),
    "half a practice": (422, "POST", "/r/{token}/training/{item}", {"json": {"ratings": {"quality": 1}}}),
    "a long body": (413, "PUT", "{answers}", {"content": b" " * 17_000}),
    "a form": (415, "PUT", "{answers}", {"data": {"rating": "3"}}),
    "a form that closes": (415, "POST", "/researcher/{researcher}/closed", {"data": {"closed": "true"}}),
    "a rater at the researcher's door": (404, "GET", "/researcher/{token}", {}),
    "a rater who exports": (404, "GET", "/researcher/{token}/answers.csv", {}),
    "a table that is none": (404, "GET", "/researcher/{researcher}/raters.csv", {}),
    "a rater who closes": (404, "POST", "/researcher/{token}/closed", {"json": {"closed": True}}),
    "text that closes": (422, "POST", "/researcher/{researcher}/closed", {"json": {"closed": "yes"}}),
    "another method": (405, "DELETE", "{answers}", {"headers": {"Content-Type": "application/json"}}),
    "another site": (403, "PUT", "{answers}", {"json": GOOD, "headers": {"Origin": "https://evil.example"}}),
    "a page without a site": (403, "PUT", "{answers}", {"json": GOOD, "headers": {"Origin": "null"}}),
    "another port": (403, "PUT", "{answers}", {"json": GOOD, "headers": {"Origin": "http://127.0.0.1:1"}}),
    "a cross-site fetch": (403, "PUT", "{answers}", {"json": GOOD, "headers": {"Sec-Fetch-Site": "cross-site"}}),
    "another site that closes": (
        403,
        "POST",
        "/researcher/{researcher}/closed",
        {"json": {"closed": True}, "headers": {"Origin": "https://evil.example"}},
    ),
    "another host name": (400, "GET", "/r/{token}/state", {"headers": {"Host": "evil.example"}}),
    "a host that is none": (400, "GET", "/r/{token}/state", {"headers": {"Host": "[::"}}),
    "the documentation": (404, "GET", "/docs", {}),
    "the schema": (404, "GET", "/openapi.json", {}),
    "the other documentation": (404, "GET", "/redoc", {}),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_no_page_of_ours_sends_is_refused_and_changes_nothing(site, anna, case):
    status, method, path, options = case
    base_url, survey = site
    item = items_of(anna)[0]["item_id"]
    token = survey.tokens["rater_1"]
    places = {"token": token, "item": item, "nobody": "A" * 43, "researcher": RESEARCHER}
    path = path.replace("{answers}", "/r/{token}/answers/{item}").format(**places)
    options = dict(options)
    if "content" in options:
        options["headers"] = {"Content-Type": "application/json"}
    before = content_of(survey)
    answer = httpx.request(method, base_url + path, **options)
    assert answer.status_code == status, answer.text
    assert content_of(survey) == before
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")


def test_a_body_without_a_length_is_limited_too(site, anna):
    item = items_of(anna)[0]["item_id"]
    chunks = (b" " * 1000 for _ in range(1000))
    answer = anna.put(f"/answers/{item}", content=chunks, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_the_page_of_another_rater_is_no_way_to_their_items(tmp_path):
    """Two raters with different items: neither token opens the other's picture or answer."""
    run = make_run(tmp_path / "run", shared=False)
    with served(run) as (base_url, survey):
        link, item = f"{base_url}/r/{survey.tokens['rater_1']}", next(iter(survey.items["rater_2"]))
        httpx.post(f"{link}/consent", json={})
        assert httpx.put(f"{link}/answers/{item}", json=GOOD).status_code == 404
        assert httpx.get(f"{link}/pictures/{item}.png").status_code == 404
        assert read_answers(survey.responses.path).empty


def test_no_answer_before_consent(site):
    base_url, survey = site
    link, item = f"{base_url}/r/{survey.tokens['rater_2']}", next(iter(survey.items["rater_2"]))
    assert httpx.put(f"{link}/answers/{item}", json=GOOD).status_code == 403
    assert "rater_2" not in set(read_answers(survey.responses.path)["rater"])


def test_a_closed_survey_takes_no_answers_until_it_is_opened_again(site, anna, researcher):
    item = items_of(anna)[0]["item_id"]
    assert researcher.post("/closed", json={"closed": True}).json() == {"closed": True}
    before = content_of(site[1])
    assert put(anna, item, question="quality", rating=1).status_code == 409
    assert put(anna, item, comment="late").status_code == 409
    assert anna.post("/consent", json={}).status_code == 409
    assert anna.get("/state").json()["closed"] and content_of(site[1]) == before
    assert "Reopen" in page_of(researcher).text
    researcher.post("/closed", json={"closed": False})
    assert put(anna, item, question="quality", rating=1).status_code == 200


def test_an_older_answer_never_takes_the_place_of_a_newer_one(site, anna):
    """A request that was held up on its way, or a browser that was asleep: refused, with what counts now."""
    item, version = items_of(anna)[1]["item_id"], next(LATER)
    newer = {"question": "quality", "rating": 4, "version": version + 1}
    for _ in range(2):  # a page that did not get the answer sends it again
        answered = anna.put(f"/answers/{item}", json=newer)
        assert answered.status_code == 200 and len(answered.content) < 200, "the change, not the whole state"
    for older in ({"rating": 1, "version": version}, {"rating": 1, "version": version + 1}):
        refused = anna.put(f"/answers/{item}", json=newer | older)
        assert refused.status_code == 409
        assert refused.json() | {"now": 0} == answered.json() | {"now": 0}
    assert items_of(anna)[1]["answers"] == {"quality": 4} and items_of(anna)[1]["versions"]["quality"] == version + 1
    assert anna.put(f"/answers/{item}", json={"comment": "new", "version": version + 1}).status_code == 200
    refused = anna.put(f"/answers/{item}", json={"comment": "old", "version": version})
    assert refused.status_code == 409 and refused.json()["comment"] == "new"
    put(anna, item, comment="")
    assert (
        next(LATER) > version + 1
        and anna.put(f"/answers/{item}", json={"comment": "x", "version": 1}).status_code == 409
    )


def test_a_lock_of_another_program_makes_only_those_wait_who_write(site, anna, monkeypatch):
    """All pages are served at once, and no answer waits for those before it in vain."""
    item = items_of(anna)[0]["item_id"]
    bodies = [{"question": "quality", "rating": rating, "version": next(LATER)} for rating in (1, 2, 3, 4)]
    with sqlite3.connect(site[1].responses.path, isolation_level=None) as foreign, ThreadPoolExecutor(4) as threads:
        foreign.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        writes = [threads.submit(httpx.put, f"{anna.base_url}answers/{item}", json=body, timeout=60) for body in bodies]
        time.sleep(0.2)
        for _ in range(3):
            assert page_of(anna).status_code == anna.get("/state").status_code == 200
        assert time.monotonic() - start < WAIT
        assert [write.result().status_code for write in writes] == [503] * 4
        assert time.monotonic() - start < 15, "a page would give up"
        foreign.rollback()
    foreign.close()
    assert put(anna, item, question="quality", rating=3).status_code == 200


def test_an_answer_that_cannot_be_stored_is_not_acknowledged(site, anna, monkeypatch, capfd):
    def fail(*arguments):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(site[1].responses, "answer", fail)
    answer = put(anna, items_of(anna)[0]["item_id"], question="quality", rating=3)
    assert answer.status_code == 503 and "nosniff" in answer.headers["X-Content-Type-Options"]
    assert "disk is full" in capfd.readouterr().out


def test_what_raters_type_is_shown_as_text_and_starts_no_formula(site, anna, researcher):
    items = items_of(anna)
    typed = ["=cmd|'/c calc'!A1", "<script>alert(1)</script>", 'a "quoted", text\nin two lines']
    for item, comment in zip(items, typed, strict=False):
        put(anna, item["item_id"], question="quality", rating=3)
        assert put(anna, item["item_id"], comment=comment).status_code == 200
    page = page_of(researcher).text
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert "<b>cat" not in page, "a concept is text too"
    export = researcher.get("/answers.csv")
    (site[1].folder / "export.csv").write_bytes(export.content)
    table = pd.read_csv(site[1].folder / "export.csv").set_index("item_id")
    assert list(table["comment"][[item["item_id"] for item in items[:3]]]) == [f"'{typed[0]}", *typed[1:]]
    assert export.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in export.headers["Content-Disposition"]
    for item in items[:3]:
        put(anna, item["item_id"], comment=" ")
    assert read_answers(site[1].responses.path)["comment"].eq("").all()


def test_the_researchers_export_is_one_that_survey_import_reads(site, anna, researcher):
    """Typed text, "cannot judge" and all: the same CSV, with the same guard, as ``survey export`` writes."""
    items = items_of(anna)
    for item, comment in zip(items, [" =1+1", "＝1+1", "'=1", "-"], strict=True):
        for question, rating in (("quality", None), ("faithfulness", 3)):
            put(anna, item["item_id"], question=question, rating=rating)
        assert put(anna, item["item_id"], comment=comment).status_code == 200
    path = site[1].folder / "export.csv"
    path.write_bytes(researcher.get("/answers.csv").content)
    assert "' =1+1" in path.read_text(encoding="utf-8") and "'＝1+1" in path.read_text(encoding="utf-8")
    table = pd.read_parquet(site[1].folder.parent / "06_survey" / "items.parquet")
    answers = formats.read_answers(path, table, load_profile("smoke").survey)
    pd.testing.assert_frame_equal(answers, read_answers(site[1].responses.path))


def test_the_researcher_sees_progress_and_links(site, anna, researcher):
    page = page_of(researcher).text
    assert all(f"{site[0]}/r/{token}" in page for token in site[1].tokens.values())
    given = len(read_answers(site[1].responses.path))
    assert f"{given} of 8" in page and "not yet" in page


def test_instructions_are_markdown_in_which_html_does_nothing(site, anna):
    """The researcher may edit them while the server runs; a picture could be a request to another host."""
    path = site[1].instructions.path
    default = path.read_text(encoding="utf-8")
    assert "<h1>Rating pictures</h1>" in page_of(anna).text
    hostile = "# Title\n<script>alert(1)</script> *well* ![x](https://evil.example/x.png) [y](javascript:alert(1))"
    path.write_text(hostile, encoding="utf-8")
    page = page_of(anna).text
    path.write_text(default, encoding="utf-8")
    assert "<h1>Title</h1>" in page and "<em>well</em>" in page and "&lt;script&gt;" in page
    assert "<script>alert" not in page and 'src="https' not in page and 'href="javascript' not in page


def test_consent_names_the_text_that_was_read(tmp_path, capsys):
    """Also one that was changed while a rater was reading; a text that nobody was shown is refused."""
    with served(make_run(tmp_path / "run", raters=("rater_1", "rater_2", "rater_3"))) as (base_url, survey):
        links = [f"{base_url}/r/{survey.tokens[rater]}" for rater in sorted(survey.tokens)]
        digests = [re.search('data-text="([^"]*)"', httpx.get(links[0]).text)[1]]
        survey.instructions.path.write_text("Another text, in UTF-8: ä", encoding="utf-8")
        digests += [re.search('data-text="([^"]*)"', httpx.get(links[1]).text)[1]]
        for link, digest in zip(links, digests, strict=False):
            assert httpx.post(link + "/consent", json={"text": digest}).status_code == 200
        assert httpx.post(links[2] + "/consent", json={"text": "0" * 64}).status_code == 412
        for broken in ("Noch ein Text: ä".encode("latin-1"), b" ", None):
            survey.instructions.path.write_bytes(broken) if broken else survey.instructions.path.unlink()
            page = httpx.get(links[2])
            assert page.status_code == 200 and "Another text" in page.text, "the last good one"
        assert "not in UTF-8" in capsys.readouterr().out
        consents = httpx.get(f"{base_url}/researcher/{RESEARCHER}/consents.csv").text
    (tmp_path / "consents.csv").write_text(consents, encoding="utf-8", newline="")
    table = pd.read_csv(tmp_path / "consents.csv", index_col="rater")
    assert (
        list(table["text_sha256"].dropna()) == digests == [Instructions.digest(text) for text in table["text"].dropna()]
    )
    assert table["consented_at"].notna().tolist() == [True, True, False]
    survey.instructions.path.write_bytes(b"\xff")
    with pytest.raises(C2IError, match="Save it as UTF-8"):
        Instructions(survey.instructions.path, survey.instructions.path)


def test_pages_hold_no_script_and_are_not_kept_by_caches(site, anna, researcher):
    for page in (page_of(anna), page_of(researcher)):
        assert page.headers["Cache-Control"] == "no-store" and page.headers["Referrer-Policy"] == "no-referrer"
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert not any(word in page.text for word in (" onclick", " style=", "<style", "http-equiv"))
        assert page.text.count("<script") == page.text.count("<script src=") > 0
    assert anna.get("/state").headers["Cache-Control"] == "no-store"


def test_a_restart_keeps_links_and_answers(tmp_path):
    run = make_run(tmp_path / "run")
    with served(run) as (base_url, survey):
        tokens, item = survey.tokens, next(iter(survey.items["rater_1"]))
        survey.responses.consent("rater_1")
        survey.responses.answer("rater_1", item, "quality", 4)
        survey.instructions.path.write_text("# Mine", encoding="utf-8")
    with served(run) as (base_url, survey):
        assert survey.tokens == tokens
        assert httpx.get(f"{base_url}/r/{tokens['rater_1']}/state").json()["items"][0]["answers"] == {"quality": 4}
        assert "<h1>Mine</h1>" in httpx.get(f"{base_url}/r/{tokens['rater_1']}").text


def test_answers_to_another_survey_are_not_mixed_in(tmp_path):
    run = make_run(tmp_path / "run")
    with served(run) as (_, survey):
        survey.responses.answer("rater_1", "i_of_an_earlier_survey", "quality", 4)
    with pytest.raises(C2IError, match="06_responses away"):
        create_app(run / "06_survey", load_profile("smoke").survey, RESEARCHER, "http://127.0.0.1")


def test_a_run_without_a_survey_is_told_how_to_build_it(tmp_path):
    with pytest.raises(C2IError, match="--to 6"):
        serve(tmp_path / "06_survey", load_profile("smoke").survey, port=0)


def test_a_change_is_told_without_the_rest(site):
    kept = site[1].responses.answer("rater_2", "i000000000001", "quality", None, version=3)
    told = ServedSurvey.change(site[1], "i000000000001", "quality", kept)
    assert told.pop("now") > 10**12
    assert told == {"item_id": "i000000000001", "answers": {"quality": None}, "versions": {"quality": 3}}


def test_a_missing_picture_is_found_before_raters_find_it(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "06_survey" / "pictures" / "i000000000003.png").unlink()
    with pytest.raises(C2IError, match="no picture of item i000000000003"):
        create_app(run / "06_survey", load_profile("smoke").survey, RESEARCHER, "http://127.0.0.1")


def test_a_port_in_use_is_named(tmp_path):
    with listen("127.0.0.1", 0) as taken, pytest.raises(C2IError, match="is in use"):
        serve(make_run(tmp_path / "run") / "06_survey", load_profile("smoke").survey, port=taken.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_serve_writes_links_and_prints_the_researchers_address(tmp_path, monkeypatch, capsys, host):
    """On all addresses, links name this machine as others see it."""
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    run = make_run(tmp_path / "run")
    serve(run / "06_survey", load_profile("smoke").survey, host=host, port=0)
    printed = capsys.readouterr().out
    links = pd.read_csv(run / "06_responses" / "links.csv")
    assert list(links.columns) == ["rater", "surveys", "link"]
    assert list(links["rater"]) == ["rater_1", "rater_2", "anyone"]
    base_url = links["link"][0].split("/r/")[0]
    entry = links["link"].iloc[-1]
    assert f"{base_url}/join/" in entry and entry in printed
    assert f"{base_url}/researcher/" in printed and str(run / "06_responses" / "links.csv") in printed
    assert "0.0.0.0" not in printed and "demonstration" in printed
    assert (run / "06_responses").stat().st_mode & 0o077 == 0, "links are for the researcher alone"
    serve(run / "06_survey", load_profile("smoke").survey, port=0, public_url="https://survey.example/")
    links = pd.read_csv(run / "06_responses" / "links.csv")["link"]
    assert links[:-1].str.startswith("https://survey.example/r/").all()
    assert links.iloc[-1] == entry.replace(base_url, "https://survey.example"), "a panel keeps the entry link"
    for wrong in ("survey.example", "https://*", "https://*.example", "https://a.example/b?c", "https://a.example/b c"):
        with pytest.raises(C2IError, match="should be like https://"):
            serve(run / "06_survey", load_profile("smoke").survey, port=0, public_url=wrong)
