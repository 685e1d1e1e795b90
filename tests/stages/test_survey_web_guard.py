"""What protects raters and their answers, apart from the app (over HTTP: ``test_survey_web_server.py``)."""

import io

import numpy as np
import pytest
from fastapi import FastAPI, Request
from PIL import Image, PngImagePlugin
from pydantic import TypeAdapter, ValidationError

from c2i_lib.stages.survey.web.guard import Answer, Comment, protect, without_metadata


def test_a_picture_keeps_its_pixels_and_loses_all_else():
    """Also for palettes, transparency and 16 bits, which need chunks of their own."""
    told = PngImagePlugin.PngInfo()
    told.add_text("arm", "ft_tags")
    told.add_itxt("prompt", "a lighthouse")
    random = np.random.default_rng(0)
    grey = Image.fromarray(random.integers(0, 65535, (9, 7), dtype=np.uint16))
    colour = Image.fromarray(random.integers(0, 255, (9, 7, 4), dtype=np.uint8))
    for picture in (grey, colour, colour.convert("RGB"), colour.convert("RGB").quantize(8)):
        file = io.BytesIO()
        picture.save(file, "PNG", pnginfo=told, dpi=(300, 300), exif=b"Exif\0\0seed 771234")
        stripped = without_metadata(file.getvalue())
        assert b"ft_tags" in file.getvalue() and b"771234" in file.getvalue()
        assert b"ft_tags" not in stripped and b"771234" not in stripped
        with Image.open(io.BytesIO(stripped)) as opened:
            assert np.array_equal(np.asarray(opened.convert(picture.mode)), np.asarray(picture)) and not opened.info


@pytest.mark.parametrize("length", [0, 7, 8, 20, 60])
def test_a_cut_off_picture_ends_without_an_error(length):
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    assert len(without_metadata(file.getvalue()[:length])) <= max(length, 8)


def test_bodies_are_what_they_should_be_and_nothing_else():
    bodies = TypeAdapter(Answer | Comment)
    assert bodies.validate_python({"question": "quality", "rating": None, "version": 1}).rating is None
    assert bodies.validate_python({"comment": "well", "version": 1}).comment == "well"
    for wrong in ({"question": "quality", "rating": True}, {"question": "quality", "rating": 1.0}, {}, {"comment": 1}):
        with pytest.raises(ValidationError):
            bodies.validate_python(wrong | {"version": 1})


def guarded(method, path="/", headers=(), parts=(b"{}",)):
    """The status and headers that a guarded app sends, and the body that it has read, if it was asked."""
    import asyncio

    app, seen, sent = FastAPI(), [], []

    @app.api_route("/", methods=["GET", "PUT"])
    async def read(request: Request) -> str:
        seen.append(await request.body())
        return "read"

    unread = [
        {"type": "http.request", "body": part, "more_body": number + 1 < len(parts)}
        for number, part in enumerate(parts)
    ] + [{"type": "http.disconnect"}]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "root_path": "", "scheme": "http"}
    scope["headers"] = [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()]

    async def receive():
        return unread.pop(0)

    async def send(message):
        sent.append(message)

    protect(app, ["survey.example", "::1", "www.lab.example"])
    asyncio.run(app(scope, receive, send))
    return (sent[0]["status"], dict(sent[0]["headers"]), seen) if sent else (None, {}, seen)


HOST = {"Host": "survey.example:8642"}
JSON = HOST | {"Content-Type": "application/json; charset=utf-8"}


def test_a_body_in_parts_reaches_the_app_whole():
    status, headers, seen = guarded("PUT", headers=JSON, parts=(b'{"a"', b": 1", b"}"))
    assert status == 200 and seen == [b'{"a": 1}'] and headers[b"x-content-type-options"] == b"nosniff"


def test_a_browser_that_leaves_in_the_middle_changes_nothing():
    assert guarded("PUT", headers=JSON, parts=())[2] == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"Origin": "http://survey.example:8642", "Sec-Fetch-Site": "same-origin"}),
        (200, {"Origin": "https://survey.example:8642"}),  # a proxy in front speaks https
        (403, {"Origin": "http://survey.example"}),
        (403, {"Sec-Fetch-Site": "same-site"}),
        (403, {"Sec-Fetch-Site": "none"}),
        (415, {"Content-Type": "text/plain"}),
        (400, {"Host": "127.0.0.2"}),
        (400, {"Host": ""}),
    ],
)
def test_only_our_own_pages_may_write(status, headers):
    answered, _, seen = guarded("PUT", headers=JSON | headers)
    assert answered == status and bool(seen) == (status == 200)


@pytest.mark.parametrize(
    ("status", "host"),
    [
        (200, "survey.example"),
        (200, "Survey.Example:8642"),
        (200, "[::1]:8642"),
        (400, "evil.example"),
        (400, "survey.example.evil"),
        (400, "www.survey.example"),
        (400, "lab.example"),  # and is not sent on to www.lab.example
        (400, "evil@survey.example"),
        (400, "survey.example:8642@evil"),
        (400, "survey.example/"),
        (400, "*"),
        (400, "[::"),
        (400, ""),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_only_our_own_names_are_answered_to(status, host, method):
    """Else a page of another name, which its owner lets point here, could read and write (DNS rebinding)."""
    answered, headers, seen = guarded(method, headers=JSON | {"Host": host})
    assert answered == status and bool(seen) == (status == 200)
    assert headers[b"content-security-policy"].startswith(b"default-src 'self'"), "refusals are protected too"
