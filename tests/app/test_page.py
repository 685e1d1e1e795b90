"""The page in Gradio: calls by API, and a walk through all tabs in a real headless Chromium, on tiny random models."""

import importlib.util
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium import needs_chromium
from steered_run import make_run

from c2i_lib.app.command import need_gradio
from c2i_lib.app.studio import Studio
from c2i_lib.stages.images import read_metadata

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("gradio") is None,
        reason="the page needs Gradio: python -m pip install --no-deps -r requirements-app.txt (make app does it)",
    ),
    pytest.mark.xdist_group("page"),
]
HOSTILE = "<img src=x onerror=alert(1)>"
MINUTE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def address(tmp_path_factory, tiny_language_model, tiny_tti):
    """A served page, whose default arm is that of the bare concept."""
    need_gradio()
    from c2i_lib.app.page import launch

    folder = tmp_path_factory.mktemp("page")
    studio = Studio(make_run(folder / "run", tiny_language_model, tiny_tti), folder / "pictures")
    studio.arms = ["base", *(arm for arm in studio.arms if arm not in ("base", "ft_good"))]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = launch(studio, "127.0.0.1", port, wait=False)
    yield f"http://127.0.0.1:{port}/"
    page.close()


@pytest.fixture(scope="module")
def client(address):
    from gradio_client import Client

    return Client(address, verbose=False)


def test_calls_by_api_write_and_render(client):
    (prompt,) = client.predict(concept="a red bicycle", n=1, seed=5, api_name="/write")
    assert prompt["prompt"].startswith("a red bicycle") and prompt["arm"] == "base"
    own = {name: prompt[name] for name in ("prompt", "seed", "concept", "arm")}
    picture = client.predict(**own, api_name="/render")
    assert read_metadata(Path(picture["file"]))["prompt"] == prompt["prompt"], "the file is ours, to the last pixel"
    assert picture["command"].startswith("c2i render")
    (same,) = client.predict(concept="a red bicycle", n=1, seed=5, api_name="/imagine")
    assert (same["prompt"], same["seed"]) == (picture["prompt"], picture["seed"])
    assert "fox" in client.predict(story="A fox ran in a wood.", panels=1, api_name="/plan")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"concept": "", "api_name": "/write"}, "empty"),
        ({"concept": "x" * 1_000_000, "api_name": "/write"}, "at most 1,000 characters"),
        ({"concept": "porn", "api_name": "/imagine"}, "blacklist"),
        ({"concept": "cat", "arm": HOSTILE, "api_name": "/write"}, "&lt;img"),
        ({"prompt": "cat", "seed": "many", "api_name": "/render"}, "the seed"),
        ({"concept": "cat", "n": [1], "api_name": "/write"}, "whole number"),
        ({"story": "A fox ran. " * 100_000, "api_name": "/plan"}, "100,000"),
    ],
    ids=range(7),
)
def test_what_cannot_be_done_is_told_and_no_traceback_is_shown(client, call, says):
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=re.escape(says)) as told:
        client.predict(**call)
    assert "Traceback" not in str(told.value)


def test_a_port_that_is_taken_is_told(address, tmp_path):
    from c2i_lib.app.page import launch
    from c2i_lib.errors import C2IError

    with pytest.raises(C2IError, match="give another --port"):
        launch(None, "127.0.0.1", urlsplit(address).port)


@pytest.fixture
def page(browser):
    """A page of a new browser, which may have no error and ask no other host."""
    errors, hosts = [], set()
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(MINUTE)
    context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    yield page
    context.close()
    assert errors == [] and hosts <= {"127.0.0.1"}


def press(page, name):
    page.get_by_role("button", name=name, exact=True).locator("visible=true").click()


def wait_for_pictures(page, n, how="exactly"):
    shown = "[...document.querySelectorAll('.grid-container img')].filter(image => image.width).length"
    page.wait_for_function(f"{shown} {'==' if how == 'exactly' else '>='} {n}")


@needs_chromium
def test_a_concept_is_written_edited_and_rendered(page, address, tmp_path):
    page.goto(address)
    page.get_by_role("textbox", name="Concept").fill("a cat")
    page.get_by_role("slider").first.fill("2")
    press(page, "Write")
    page.locator(".prompts li p").nth(1).wait_for()
    page.get_by_label("Prompt 1").fill(f"a cat {HOSTILE}")
    page.get_by_label("Prompt 2").fill("")
    press(page, "Render")
    wait_for_pictures(page, 2)
    assert "the bare concept: a cat" in page.locator(".caption-label").first.inner_text()
    with page.expect_download() as download:
        page.locator(".file-preview a[download]").last.click()
    download.value.save_as(tmp_path / "picture.png")
    assert "<img" in read_metadata(tmp_path / "picture.png")["prompt"]
    assert "c2i render" in page.locator(".commands textarea").first.input_value()


@needs_chromium
def test_a_link_makes_the_same_pictures(page, address):
    page.goto(f"{address}?concept=a+cat&n=1&seed=7&arm=concept_only")
    wait_for_pictures(page, 1)
    assert page.get_by_role("textbox", name="Concept").input_value() == "a cat"
    assert "--arm=concept_only" in page.locator(".commands textarea").first.input_value()


@needs_chromium
def test_a_message_is_text(page, address):
    page.goto(f"{address}?concept=cat&seed={HOSTILE}")
    page.locator(".toast-body").wait_for()
    assert HOSTILE in page.locator(".toast-body").inner_text()


@needs_chromium
def test_a_story_is_planned_edited_and_drawn(page, address, tmp_path):
    page.goto(address)
    page.get_by_role("tab", name="Story").click()
    page.get_by_label("Story").locator("visible=true").last.fill("A fox ran in a wood. The fox saw a crow.")
    press(page, "Plan")
    page.get_by_text("characters: fox").wait_for()
    press(page, "Draw")
    wait_for_pictures(page, 2)
    page.get_by_text("storyboard.html", exact=False).last.wait_for()


@needs_chromium
def test_a_batch_is_stopped_and_the_next_one_is_drawn(page, address):
    page.goto(address)
    page.get_by_role("tab", name="Batch").click()
    concepts = page.get_by_label("Concepts, one a line")
    concepts.fill("\n".join(f"cat {number}" for number in range(200)))
    press(page, "Draw all")
    wait_for_pictures(page, 2, "at least")
    press(page, "Stop")
    page.get_by_text("Stopped;").wait_for()
    assert not page.get_by_text(".zip", exact=False).count()
    concepts.fill("dog")
    press(page, "Draw all")
    page.get_by_text(".zip", exact=False).last.wait_for()
    wait_for_pictures(page, 1)


@needs_chromium
def test_a_batch_becomes_a_zip_also_on_a_phone(page, address):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(address)
    page.get_by_role("tab", name="Batch").click()
    page.get_by_label("Concepts, one a line").fill("cat\nporn")
    press(page, "Draw all")
    page.get_by_text(".zip", exact=False).last.wait_for()
    assert page.get_by_text("blacklist", exact=False).count()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, "nothing is wider than the phone"
