"""The survey's pages in a real headless Chromium: keys, resuming, two tabs, lost connections, phones, accessibility."""

import re
from urllib.parse import urlsplit

import pytest
from chromium import needs_chromium
from survey_run import RESEARCHER, make_run, served

from c2i_lib.config import load_profile
from c2i_lib.stages.survey.web.store import read_answers

pytestmark = needs_chromium
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def new_page(browser):
    """A function that opens a page like a new browser; no page may have an error or ask any other host."""
    contexts, errors, hosts = [], [], set()

    def make(**options):
        contexts.append(browser.new_context(**options))
        contexts[-1].set_default_timeout(10_000)
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        contexts[-1].on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == [] and hosts <= {"127.0.0.1"}


@pytest.fixture
def open_survey(tmp_path):
    """A function that serves a survey of so many items and returns its address and the survey."""
    opened = []

    def make(n_items, settings=None, **options):
        opened.append(served(make_run(tmp_path / f"run_{len(opened)}", n_items, **options), settings=settings))
        return opened[-1].__enter__()

    yield make
    for site in opened:
        site.__exit__(None, None, None)


def enter(page, site, rater="rater_1"):
    """Open the personal link and agree."""
    page.goto(f"{site[0]}/r/{site[1].tokens[rater]}")
    page.click("#begin")
    page.wait_for_selector("#rating:not([hidden])")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def wait_until_stored(page):
    page.wait_for_selector("#saved:text-is('Stored')")


def shown(page) -> str:
    return page.inner_text("#position")


def chosen(page) -> list[str]:
    """The values of the answers that are marked on the page."""
    return page.eval_on_selector_all("input:checked", "inputs => inputs.map(input => input.value)")


def test_a_rater_rates_75_pictures_by_keyboard_with_a_break(open_survey, new_page):
    """The page is closed in the middle and another browser goes on at the first picture that is not rated. The survey
    asks for breaks after 30 and 60 pictures, whichever browser they were rated in."""
    site = open_survey(75, size=8, settings=load_profile("smoke", {"survey.break_every": 30}).survey)
    page = new_page()
    enter(page, site)
    for number in range(40):
        press(page, str(1 + number % 4), str(number % 5), "Enter" if number % 2 else "ArrowRight")
        if number == 29:
            assert "You have rated 30 of 75 pictures" in page.inner_text("#pause")
            press(page, "Enter")
    wait_until_stored(page)
    page.close()
    again = new_page()
    again.goto(f"{site[0]}/r/{site[1].tokens['rater_1']}")
    again.wait_for_selector("#rating:not([hidden])")
    assert shown(again) == "Picture 41 of 75" and again.inner_text("#rated") == "40 of 75 rated"
    for number in range(40, 75):
        press(again, str(1 + number % 4), str(number % 5), "Enter")
        if number == 59:
            again.click("#go-on")
        assert again.is_hidden("#pause")
    wait_until_stored(again)
    assert "All 75 pictures are rated" in again.inner_text("#end")
    answers = read_answers(site[1].responses.path).set_index(["item_id", "question"])["rating"].fillna(0)
    given = {
        (item, question): rating
        for number, item in enumerate(site[1].items["rater_1"])
        for question, rating in (("quality", 1 + number % 4), ("faithfulness", number % 5))
    }
    assert answers.to_dict() == given
    again.reload()
    again.wait_for_selector("#end:not([hidden])")


def test_the_last_page_shows_the_completion_code_once_all_is_rated(tmp_path, new_page):
    completion = {"survey.completion_url": "https://panel.example/done?cc=C1", "survey.completion_code": "C1"}
    with served(make_run(tmp_path / "run", 4), settings=load_profile("smoke", completion).survey) as site:
        page = new_page()
        enter(page, site)
        press(page, *["1", "1", "Enter"] * 3, "1", "Enter")
        assert page.is_hidden("#completion") and "not fully rated yet: 1" in page.inner_text("#end")
        press(page, "ArrowLeft")
        page.click("#back")
        press(page, "1", "Enter")
        page.wait_for_selector("#completion:not([hidden])")
        assert page.inner_text("#completion-code") == "Your completion code: C1"
        assert page.get_attribute("#completion-link", "href") == "https://panel.example/done?cc=C1"
        site[1].responses.closed = True
        page.evaluate("refresh()")
        page.wait_for_selector("#message:not([hidden])")
        assert page.is_visible("#completion"), "also when the survey is closed before the link is used"


def test_keys_do_what_they_say_and_nothing_else(open_survey, new_page):
    site = open_survey(4)
    page = new_page()
    enter(page, site)
    press(page, "5", "9", "ArrowLeft", "x")
    assert chosen(page) == [] and shown(page) == "Picture 1 of 4"
    press(page, "3", "2")
    assert chosen(page) == ["3", "2"]
    press(page, "1")
    assert chosen(page) == ["3", "2"], "a digit too many changes nothing"
    page.focus("input[name=faithfulness][value='2']")
    press(page, "4")
    assert chosen(page) == ["3", "4"], "but it changes the answer that has the focus"
    press(page, "ArrowUp")
    assert chosen(page) == ["3", "3"], "and the browser's own keys for choices work"
    press(page, "ArrowRight")
    assert shown(page) == "Picture 2 of 4" and chosen(page) == [], "arrows move and change no answer"
    page.click("summary")
    page.fill("#comment", "")
    page.focus("#comment")
    press(page, "1", "2", "ArrowLeft", "Enter")
    assert shown(page) == "Picture 2 of 4" and chosen(page) == [], "digits in a comment are text"
    press(page, "<", "b", ">")
    wait_until_stored(page)
    item = list(site[1].items["rater_1"])[1]
    assert site[1].responses.comments_of("rater_1") == {item: "1\n<b>2"}
    page.click(".point:has(input[name=quality][value='0'])")
    wait_until_stored(page)
    assert site[1].responses.answers_of("rater_1")[item] == {"quality": None}


def test_the_end_lists_what_is_not_rated(open_survey, new_page):
    site = open_survey(4)
    page = new_page()
    enter(page, site)
    press(page, "1", "1", "Enter", "1", "Enter", "1", "1", "Enter", "Enter")
    assert "not fully rated yet: 2" in page.inner_text("#end")
    page.click("#open-items li:first-child button")
    assert shown(page) == "Picture 2 of 4" and chosen(page) == ["1"]


def test_two_tabs_do_not_clash(open_survey, new_page):
    """Different answers in two tabs are all kept; each tab shows the other's when it is looked at or used."""
    site = open_survey(4)
    first = new_page()
    enter(first, site)
    second = first.context.new_page()
    second.goto(first.url)
    second.wait_for_selector("#rating:not([hidden])")
    press(first, "3")
    wait_until_stored(first)
    assert chosen(second) == []
    second.evaluate("window.dispatchEvent(new Event('focus'))")
    second.wait_for_selector("input:checked", state="attached")
    press(second, "2")
    wait_until_stored(second)
    press(first, "4")  # answers the same question, which this tab has not yet seen answered: the last one counts
    wait_until_stored(first)
    press(second, "Enter", "1")
    wait_until_stored(second)
    press(second, "ArrowLeft")
    second.evaluate("window.dispatchEvent(new Event('focus'))")
    second.wait_for_selector("input[name=faithfulness][value='4']:checked", state="attached")
    assert chosen(first) == chosen(second) == ["3", "4"]
    items = list(site[1].items["rater_1"])
    stored = {items[0]: {"quality": 3, "faithfulness": 4}, items[1]: {"quality": 1}}
    assert site[1].responses.answers_of("rater_1") == stored


def test_answers_survive_a_lost_connection_and_a_closed_page(open_survey, new_page):
    """The rater is told, nothing is lost, and what a closed page could not send is sent by the next one."""
    site = open_survey(4)
    page = new_page()
    enter(page, site)
    page.context.set_offline(True)
    press(page, "3")
    page.wait_for_selector("#warning:not([hidden])")
    assert "will be sent again: 1" in page.inner_text("#warning")
    press(page, "2", "Enter", "4")
    assert page.inner_text("#saved") == "Not stored" and site[1].responses.answers_of("rater_1") == {}
    page.context.set_offline(False)
    page.click("#again")
    wait_until_stored(page)
    assert page.is_hidden("#warning")
    items = list(site[1].items["rater_1"])
    stored = {items[0]: {"quality": 3, "faithfulness": 2}, items[1]: {"quality": 4}}
    assert site[1].responses.answers_of("rater_1") == stored
    page.context.set_offline(True)
    press(page, "1")
    page.wait_for_selector("#warning:not([hidden])")
    other = page.context.new_page()
    page.close()
    other.context.set_offline(False)
    other.goto(f"{site[0]}/r/{site[1].tokens['rater_1']}")
    other.wait_for_selector("#rating:not([hidden])")
    other.wait_for_selector("#saved:text-is('')", state="attached")
    assert site[1].responses.answers_of("rater_1")[items[1]] == {"quality": 4, "faithfulness": 1}


def test_an_answer_that_is_held_up_does_not_undo_a_later_one(open_survey, new_page):
    """The page gives up waiting, the rater changes their mind, then the first request arrives after all."""
    site = open_survey(4)
    page, held = new_page(), []
    page.add_init_script(
        "AbortSignal.timeout = () => { const c = new AbortController(); setTimeout(() => c.abort(), 500);"
        " return c.signal; }"
    )
    enter(page, site)

    def hold(route):
        held.append(route.request) if not held else None
        route.abort() if held[0] is route.request else route.continue_()

    page.route("**/answers/*", hold)
    press(page, "1")
    page.wait_for_selector("#warning:not([hidden])")
    page.click(".point:has(input[name=quality][value='4'])")
    page.click("#again")
    wait_until_stored(page)
    item = next(iter(site[1].items["rater_1"]))
    late = page.request.put(held[0].url, data=held[0].post_data, headers={"Content-Type": "application/json"})
    assert late.status == 409 and site[1].responses.answers_of("rater_1")[item]["quality"] == 4
    assert chosen(page)[0] == "4"


def test_a_browser_that_was_asleep_does_not_undo_what_was_answered_since(open_survey, new_page):
    """It kept an answer that it could not send; another device answered later. The rater is told."""
    site = open_survey(4)
    old, other = new_page(), new_page()
    enter(old, site)
    old.context.set_offline(True)
    press(old, "1")
    old.wait_for_selector("#warning:not([hidden])")
    context = old.context
    old.close()
    other.goto(f"{site[0]}/r/{site[1].tokens['rater_1']}")
    other.wait_for_selector("#rating:not([hidden])")
    press(other, "3")
    wait_until_stored(other)
    context.set_offline(False)
    again = context.new_page()
    again.goto(other.url)
    again.wait_for_selector("#warning:not([hidden])")
    assert "Picture 1 has a newer answer" in again.inner_text("#warning") and chosen(again) == ["3"]
    item = next(iter(site[1].items["rater_1"]))
    assert site[1].responses.answers_of("rater_1")[item] == {"quality": 3}
    press(again, "2")
    wait_until_stored(again)
    assert again.is_hidden("#warning") and site[1].responses.answers_of("rater_1")[item]["faithfulness"] == 2


def test_how_long_a_picture_was_seen_is_noted(open_survey, new_page):
    site = open_survey(4)
    page = new_page()
    enter(page, site)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(600)
    press(page, "3")
    wait_until_stored(page)
    press(page, "Enter", "2")
    wait_until_stored(page)
    seen = [row[0] for row in site[1].responses._read("SELECT seen_ms FROM history ORDER BY number")]
    assert 500 <= seen[0] < 10_000 and 0 <= seen[1] < 500


def test_a_rater_is_told_when_the_survey_is_closed(open_survey, new_page):
    """An answer that comes too late is not shown as stored; when the survey opens again, it is."""
    site = open_survey(4)
    page, researcher = new_page(), new_page()
    enter(page, site)
    researcher.goto(f"{site[0]}/researcher/{RESEARCHER}")
    researcher.click("tr:first-child .copy")
    researcher.wait_for_selector("#done:has-text('link'), #done:has-text('Link')")
    researcher.click("#close")
    researcher.wait_for_selector(".badge.closed")
    press(page, "2")
    page.wait_for_selector("#message:not([hidden])")
    assert "was not stored" in page.inner_text("#message") and site[1].responses.answers_of("rater_1") == {}
    researcher.click("#close")
    researcher.wait_for_selector(".badge.open")
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    wait_until_stored(page)
    assert chosen(page) == ["2"] and len(site[1].responses.answers_of("rater_1")) == 1


def test_the_next_picture_is_loaded_beforehand(open_survey, new_page):
    site = open_survey(4)
    page, loaded = new_page(), []
    page.on("response", lambda response: loaded.append(response.url))
    enter(page, site)
    page.wait_for_load_state("networkidle")
    items = list(site[1].items["rater_1"])
    pictures = [re.search(r"pictures/(\w+)", url).group(1) for url in loaded if "pictures/" in url]
    assert sorted(pictures) == sorted(items[:2])  # in whichever order they came


def test_text_of_others_is_never_run(open_survey, new_page):
    """A concept with HTML is shown as text to raters, a comment with HTML as text to the researcher."""
    site = open_survey(4)
    page, researcher = new_page(), new_page()
    enter(page, site)
    concepts = list(site[1].items["rater_1"].values())
    for _ in range(concepts.index("<b>cat</b>")):
        press(page, "Enter")
    assert page.inner_text("#concept") == "<b>cat</b>"
    page.click("summary")
    page.fill("#comment", "<img src=x onerror=alert(1)><script>alert(1)</script>")
    wait_until_stored(page)
    for dialog_page in (page, researcher):
        dialog_page.on("dialog", lambda dialog: pytest.fail("text was run as a script"))
    researcher.goto(f"{site[0]}/researcher/{RESEARCHER}")
    assert "<script>alert(1)</script>" in researcher.inner_text(".comments")
    researcher.evaluate("refresh()")
    researcher.wait_for_timeout(200)
    assert researcher.locator(".comments img, .comments script").count() == 0


SMALL = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}


def test_a_small_phone_leads_from_answer_to_answer(open_survey, new_page):
    """Before, "Next" was off the screen of 360 × 640 pixels for every picture."""
    site = open_survey(4)
    page = new_page(**SMALL)
    enter(page, site)

    def on_screen(selector):
        box = page.locator(selector).bounding_box()
        return box["y"] >= 0 and box["y"] + box["height"] <= 640

    assert on_screen("#next") and on_screen("#picture")
    page.tap(".point:has(input[name=quality][value='3'])")
    page.wait_for_timeout(100)
    assert shown(page) == "Picture 1 of 4" and on_screen("#question-faithfulness")
    page.tap(".point:has(input[name=faithfulness][value='2'])")
    page.wait_for_selector("#position:text-is('Picture 2 of 4')")
    assert chosen(page) == [] and page.evaluate("scrollY") == 0
    page.tap("#previous")
    page.tap(".point:has(input[name=faithfulness][value='1'])")
    page.wait_for_timeout(900)
    assert shown(page) == "Picture 1 of 4" and chosen(page) == ["3", "1"], "a change of mind leads nowhere"


def test_the_chosen_answer_is_seen_in_high_contrast(open_survey, new_page):
    site = open_survey(4)
    page = new_page(forced_colors="active")
    enter(page, site)
    press(page, "3")
    colours = [
        page.eval_on_selector(
            f"input[name=quality][value='{value}'] + span", "face => getComputedStyle(face).backgroundColor"
        )
        for value in (3, 2)
    ]
    assert colours[0] != colours[1]


def test_a_concept_is_written_from_its_own_side(open_survey, new_page):
    site = open_survey(4)
    page = new_page()
    for number, item in enumerate(site[1].items["rater_1"]):
        site[1].items["rater_1"][item] = "קטה" if number == 0 else "cat"
    enter(page, site)
    direction = "concept => getComputedStyle(concept).direction"
    assert page.eval_on_selector("#concept", direction) == "rtl"
    press(page, "Enter")
    assert page.eval_on_selector("#concept", direction) == "ltr"


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_pages_are_accessible_and_fit_the_screen(open_survey, new_page, device):
    """axe-core finds nothing on any page, and no page scrolls sideways; what is tapped on a phone is large. Practice
    comes first, tells what was expected, and is no answer."""
    from axe_playwright_python.sync_playwright import Axe

    settings = load_profile("smoke", {"survey.training.anchors": 1, "survey.time_limit_minutes": 30}).survey
    site, axe = open_survey(4, settings=settings, trained_by=settings), Axe()
    page = new_page(**(PHONE if device == "phone" else {"viewport": {"width": 1280, "height": 800}}))

    def check(name):
        found = axe.run(page).response["violations"]
        assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == [], name
        # Not innerWidth, which grows with what is too wide for a phone.
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], name

    page.goto(f"{site[0]}/r/{site[1].tokens['rater_1']}")
    page.wait_for_selector("#begin")
    check("consent")
    page.click("#begin")
    page.wait_for_selector("#position:text-is('Practice 1 of 1')")
    check("practice")
    press(page, "Enter", "4", "1", "Enter")
    page.wait_for_selector("#feedback:has-text('You said: not at all. We expected: mostly / fully.')")
    assert "As we expected: good / excellent." in page.inner_text("#feedback") and chosen(page) == ["4", "1"]
    check("practice with feedback")
    press(page, "Enter")
    page.wait_for_selector("#pause:not([hidden])")
    check("pause")
    press(page, "Enter")
    page.wait_for_selector("#position:text-is('Picture 1 of 4')")
    assert chosen(page) == [] and page.inner_text("#time-left") == "30 min left"
    assert site[1].responses.answers_of("rater_1") == {}
    check("item")
    press(page, "1")
    page.click("summary")
    check("item with an answer and a comment")
    picture = page.locator("#picture").bounding_box()
    assert picture["width"] >= 280, "small pictures are enlarged"
    for control in page.locator(".point, .moves button").all():
        assert control.bounding_box()["height"] >= 40
    page.context.set_offline(True)
    press(page, "1")
    page.wait_for_selector("#warning:not([hidden])")
    check("warning")
    page.context.set_offline(False)
    page.click("#again")
    wait_until_stored(page)
    press(page, "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight")
    page.wait_for_selector("#end:not([hidden])")
    check("end")
    page.goto(f"{site[0]}/researcher/{RESEARCHER}")
    check("researcher")
    page.click("#close")
    page.wait_for_selector(".badge.closed")
    check("researcher, closed")
    page.goto(f"{site[0]}/r/{site[1].tokens['rater_1']}")
    page.wait_for_selector("#message:not([hidden])")
    check("closed")
