"""What protects raters and their answers: refused requests, headers, pictures and tables that carry nothing extra.

In: requests, PNG files, answers. Out: requests that a page of ours could have sent and the forms of their bodies,
pixels, and CSV that is safe in a spreadsheet. Ignored: tokens, and what a request asks for (``server.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args
from urllib.parse import urlsplit

import pandas as pd
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Question = Literal["quality", "faithfulness"]
QUESTIONS = get_args(Question)
BODY_LIMIT = 16 * 1024  # bytes
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # all that a PNG needs; other chunks can hold text
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(_Body):
    """A rating, or None for "cannot judge"."""

    question: Question
    rating: StrictInt | None


class Comment(_Body):
    """What a rater typed about one picture."""

    comment: StrictStr = Field(max_length=2000)


class Closing(_Body):
    """Whether the survey takes no more answers."""

    closed: StrictBool


class Guard:
    """Refuses what no page of ours sends, before anything reads it, and adds protective headers to every answer."""

    def __init__(self, app: ASGIApp, host_names: Iterable[str]):
        self.app, self.host_names = app, {name.lower() for name in host_names}

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        try:
            name, origin = urlsplit(f"//{host}").hostname, urlsplit(headers.get("origin", f"//{host}")).netloc
        except ValueError:
            return 400, "The Host or Origin header is not valid."
        if name not in self.host_names:
            return 400, "This server does not go by that name."
        if method in ("GET", "HEAD"):
            return None
        if origin.lower() != host.lower() or headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return 403, "Requests from other sites are refused."
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return 415, "The content type should be application/json."
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal, body, more = self._refusal(scope["method"], Headers(scope=scope)), b"", True
        while more and refusal is None and scope["method"] not in ("GET", "HEAD"):
            part = await receive()
            if part["type"] != "http.request":
                return None  # the browser has gone
            body, more = body + part.get("body", b""), part.get("more_body", False)
            if len(body) > BODY_LIMIT:
                refusal = 413, f"At most {BODY_LIMIT} bytes can be sent."
        if refusal:
            answer = JSONResponse({"detail": refusal[1]}, refusal[0], {"Connection": "close"})
            return await answer(scope, receive, send_with_headers)
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        return await self.app(scope, receive_again, send_with_headers)


def without_metadata(png: bytes) -> bytes:
    """A PNG with its pixels only."""
    parts, place = [png[:8]], 8
    while place < len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] in _PIXELS:
            parts.append(png[place:end])
        place = end
    return b"".join(parts)


def as_csv(answers: pd.DataFrame) -> str:
    """Answers as CSV in which no cell starts a formula: such text gets an apostrophe before it."""
    safe = answers.assign(rating=answers["rating"].astype("Int64"))
    for name in safe.columns.drop("rating"):
        safe[name] = [f"'{text}" if text.startswith(tuple("=+-@\t\r\n")) else text for text in safe[name]]
    return safe.to_csv(index=False, lineterminator="\r\n")
