"""The entry link: strangers get places of their own, come back to them, and free the ones that they leave."""

import itertools
import json
import sqlite3

import httpx
import pytest
from survey_run import RESEARCHER, make_run, served

from c2i_lib.config import load_profile
from c2i_lib.errors import ProfileError
from c2i_lib.stages.survey.raters import read_orders, write_links
from c2i_lib.stages.survey.responses import read_tables
from c2i_lib.stages.survey.web import entry
from c2i_lib.stages.survey.web.store import read_answers
from c2i_lib.stages.survey.web.texts import LANGUAGES, load_texts

LEAVE = "https://panel.example/out?cc=NONE"
SETTINGS = load_profile("smoke", {"survey.screen_out_url": LEAVE}).survey


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", 4)


@pytest.fixture
def site(run):
    with served(run, settings=SETTINGS) as (base_url, survey):
        yield base_url, survey


def join(site, person="", browser=None, **parameters):
    """Open the entry link, in a new browser unless one is given; redirects are not followed."""
    link = f"{site[0]}/join/{site[1].responses.entry_token()}"
    parameters |= {"PROLIFIC_PID": person} if person else {}
    return (browser or httpx).get(link, params=parameters)


def rater_of(site, answer):
    """Whose personal link an answer of the entry leads to."""
    assert answer.status_code == 303, answer.text
    return site[1].holder(answer.headers["location"].removeprefix("/r/"))


def rate(site, rater, n_items):
    """Agree and answer both questions on the first items."""
    link = f"{site[0]}/r/{site[1].tokens[rater]}"
    for item in httpx.post(f"{link}/consent", json={}).json()["items"][:n_items]:
        for question in ("quality", "faithfulness"):
            body = {"question": question, "rating": 2, "version": 1}
            assert httpx.put(f"{link}/answers/{item['item_id']}", json=body).status_code == 200


def make_old(site, rater):
    """Let all that a rater's place knows have happened yesterday."""
    with sqlite3.connect(site[1].responses.path) as connection:
        for table, column in (("places", "given_at"), ("raters", "consented_at"), ("answers", "answered_at")):
            change = f"UPDATE {table} SET {column} = '2020-01-01T00:00:00.000+00:00' WHERE rater = ?"
            connection.execute(f"{change} AND {column} IS NOT NULL", (rater,))
    connection.close()


def test_each_stranger_gets_a_place_of_their_own_until_all_are_taken(site):
    assert [rater_of(site, join(site, person)) for person in ("anna", "ben")] == ["rater_1", "rater_2"]
    full = join(site, "carl")
    assert full.status_code == 409 and load_texts("en")["full_text"] in full.text and LEAVE in full.text
    assert "<script" not in full.text and full.headers["Cache-Control"] == "no-store"
    page = httpx.get(f"{site[0]}{join(site, 'ben').headers['location']}")
    assert page.status_code == 200 and load_texts("en")["agree"] in page.text


def test_who_comes_again_gets_the_same_place(site):
    """By the panel's name from any browser, and by the browser where the panel gives no name."""
    first = rater_of(site, join(site, "anna"))
    with httpx.Client() as browser:
        second = rater_of(site, join(site, browser=browser))
        assert first != second == rater_of(site, join(site, browser=browser))
        assert rater_of(site, join(site, "ben", browser)) == second, "a name that comes later is kept"
    assert rater_of(site, join(site, "anna", SESSION_ID="another")) == first
    assert rater_of(site, join(site, "ben")) == second
    assert join(site).status_code == 409


def test_two_people_at_one_browser_do_not_share_a_place(site):
    with httpx.Client() as browser:
        raters = [rater_of(site, join(site, person, browser)) for person in ("anna", "ben", "anna")]
    assert raters == ["rater_1", "rater_2", "rater_1"]


def test_a_panels_placeholder_is_nobodys_name(site):
    """Where the address was set up wrongly, all strangers bring the same text."""
    raters = {rater_of(site, join(site, "{{%PROLIFIC_PID%}}")) for _ in range(2)}
    assert raters == {"rater_1", "rater_2"}


def test_raters_who_are_known_otherwise_are_not_given_away(site):
    """A personal link that somebody uses is no free place."""
    rate(site, "rater_1", 0)
    assert rater_of(site, join(site)) == "rater_2"


def test_all_parameters_are_kept_and_bounded(site, run):
    """Also a study's own; nobody can fill the disk with one address."""
    many = {f"p{number}": "x" * 500 for number in range(50)}
    join(site, "anna", STUDY_ID="s", SESSION_ID="=1+1", mine="ü")
    join(site, **many)
    places = read_tables(run / "06_survey")["places"].set_index("rater")["parameters"].map(json.loads)
    assert places["rater_1"] == {"PROLIFIC_PID": "anna", "STUDY_ID": "s", "SESSION_ID": "=1+1", "mine": "ü"}
    assert len(places["rater_2"]) == 20 and {len(value) for value in places["rater_2"].values()} == {200}
    assert httpx.get(f"{site[0]}/researcher/{RESEARCHER}/places.csv").text.count("rater_") == 2
    page = httpx.get(f"{site[0]}/researcher/{RESEARCHER}").text
    assert f"{site[0]}/join/{site[1].responses.entry_token()}" in page


def test_an_abandoned_place_goes_to_somebody_else_and_its_answers_stay(site, run):
    personal = [(rater, "survey_1", f"{site[0]}/r/{token}") for rater, token in site[1].tokens.items()]
    write_links(site[1].folder, personal, f"{site[0]}/join/{site[1].responses.entry_token()}")
    for person, rater in (("anna", "rater_1"), ("ben", "rater_2")):
        assert rater_of(site, join(site, person)) == rater
    rate(site, "rater_1", 1)
    assert join(site, "carl").status_code == 409, "nobody has been away for long"
    make_old(site, "rater_1")
    assert rater_of(site, join(site, "carl")) == "rater_3"
    assert join(site, "dora").status_code == 409
    make_old(site, "rater_2")
    assert rater_of(site, join(site, "dora")) == "rater_4"
    assert set(read_answers(site[1].responses.path)["rater"]) == {"rater_1"}
    assert set(read_orders(run / "06_survey")["rater"]) == {"rater_3", "rater_4"}
    links = (site[1].folder / "links.csv").read_text(encoding="utf-8")
    assert site[1].tokens["rater_4"] in links and "/join/" in links
    ended = join(site, "anna")
    assert ended.status_code == 409 and load_texts("en")["ended"] in ended.text, "one person, one place"
    make_old(site, "rater_4")
    assert rater_of(site, join(site, "ben")) == "rater_5", "who had not begun may try again"
    assert rater_of(site, join(site, "ben")) == "rater_5"


def test_of_abandoned_places_one_without_answers_goes_first(site):
    for person in ("anna", "ben"):
        join(site, person)
    rate(site, "rater_1", 1)
    for rater in ("rater_1", "rater_2"):
        make_old(site, rater)
    join(site, "carl")
    assert set(site[1].withdrawn) == {"rater_2"}


def test_a_finished_place_is_never_taken_back(site):
    for person in ("anna", "ben"):
        rate(site, rater_of(site, join(site, person)), 4)
    for rater in ("rater_1", "rater_2"):
        make_old(site, rater)
    assert join(site, "carl").status_code == 409
    assert rater_of(site, join(site, "anna")) == "rater_1"


def test_a_closed_survey_gives_no_place_and_a_restart_keeps_places(run):
    with served(run, settings=SETTINGS) as site:
        link = site[1].responses.entry_token()
        join(site, "anna")
        site[1].responses.closed = True
        closed = join(site, "ben")
        assert closed.status_code == 409 and load_texts("en")["closed_text"] in closed.text
        assert rater_of(site, join(site, "anna")) == "rater_1"
        site[1].responses.closed = False
    with served(run, settings=SETTINGS) as site:
        assert site[1].responses.entry_token() == link
        assert rater_of(site, join(site, "ben")) == "rater_2" and rater_of(site, join(site, "anna")) == "rater_1"


def test_who_has_answered_everything_is_told_the_code_and_nobody_before(run):
    """Neither the page nor an answer of the server holds it earlier: a participant could read it there unrated."""
    done = {"url": "https://panel.example/done?cc=SECRET", "code": "SECRET"}
    settings = load_profile("smoke", {f"survey.completion_{name}": value for name, value in done.items()}).survey
    with served(run, settings=settings) as site, httpx.Client() as rater:
        link = f"{site[0]}{join(site).headers['location']}"
        said = [rater.get(link).text, rater.post(f"{link}/consent", json={}).text]
        items = [item["item_id"] for item in rater.get(f"{link}/state").json()["items"]]
        for version, (item, question) in enumerate(itertools.product(items, ("quality", "faithfulness")), start=1):
            said.append(rater.get(f"{link}/state").text)
            body = {"question": question, "rating": None, "version": version}
            last = rater.put(f"{link}/answers/{item}", json=body)
            said.append(last.text)
        assert last.json()["completion"] == done == rater.get(f"{link}/state").json()["completion"]
        assert [text for text in said[:-1] if "SECRET" in text] == []


def test_without_a_code_there_is_no_completion(site):
    rate(site, "rater_1", 4)
    assert "completion" not in httpx.get(f"{site[0]}/r/{site[1].tokens['rater_1']}/state").json()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_full_study_says_so_in_its_language(language, run):
    settings = load_profile("smoke", {"survey.texts": language}).survey
    with served(run, settings=settings) as site:
        pages = [join(site) for _ in range(3)]
        assert load_texts(language)["full"] in pages[-1].text and f'<html lang="{language}">' in pages[-1].text
        assert "<a " not in pages[-1].text, "there is nowhere to go without survey.screen_out_url"


def test_the_cookie_is_for_the_entry_alone(site):
    cookie = join(site).headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=lax", "path=/join")) and "secure" not in cookie


def test_the_entry_is_behind_a_proxys_prefix_too(site):
    behind = entry.Entry(site[1], SETTINGS, 0, "https://lab.example/study", str)
    answer = behind.join(behind.token, [])
    assert answer.headers["location"].startswith("/study/r/")
    assert "Path=/study/join" in answer.headers["set-cookie"] and "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("name", ["screen_out_url", "completion_url"])
def test_only_a_web_address_is_a_link(name):
    with pytest.raises(ProfileError, match=rf"survey\.{name}"):
        load_profile("smoke", {f"survey.{name}": "javascript:alert(1)"})
