"""What protects raters and their answers: refused requests, headers, and pictures that carry nothing extra.

In: requests, PNG files. Out: requests that a page of ours could have sent and the forms of their bodies, and pixels.
Ignored: tokens, and what a request asks for (``server.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from c2i_lib.study import QUESTIONS

Question = Literal[QUESTIONS]
Version = Annotated[StrictInt, Field(ge=1, lt=2**53)]
Size = Annotated[StrictInt, Field(ge=0, le=100_000)]  # of a window, in CSS pixels
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
    """A rating, or None for "cannot judge". ``version`` grows with each answer of a rater to a question of an item;
    ``seen_ms``: how long they had seen the picture, in milliseconds; ``viewport``: width and height of their window."""

    question: Question
    rating: StrictInt | None
    version: Version
    seen_ms: Annotated[StrictInt, Field(ge=0, lt=2**53)] | None = None
    viewport: tuple[Size, Size] | None = None


class Comment(_Body):
    """What a rater typed about one picture; ``version`` as in ``Answer``."""

    comment: StrictStr = Field(max_length=2000)
    version: Version


class Practice(_Body):
    """Answers to both questions on a training item; ``seen_ms`` as in ``Answer``."""

    ratings: dict[Question, StrictInt | None] = Field(min_length=len(QUESTIONS))
    seen_ms: Annotated[StrictInt, Field(ge=0, lt=2**53)] | None = None


class Consent(_Body):
    """``text``: the SHA-256 of the text that was agreed to; by default the one that is shown now."""

    text: StrictStr = Field("", max_length=64)


class Closing(_Body):
    """Whether the survey takes no more answers."""

    closed: StrictBool


class Guard:
    """Refuses what no page of ours sends, before anything reads it, and adds protective headers to every answer."""

    def __init__(self, app: ASGIApp, prefix: str = ""):
        self.app, self.prefix = app, prefix

    @staticmethod
    def _refusal(method: str, headers: Headers) -> tuple[int, str] | None:
        if method in ("GET", "HEAD"):
            return None
        host = headers.get("host", "")
        origin = headers.get("origin", f"//{host}").partition("//")[2]
        if origin.lower() != host.lower() or headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return 403, "Requests from other sites are refused."
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return 415, "The content type should be application/json."
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if self.prefix and scope["path"].startswith(f"{self.prefix}/"):  # of a proxy that leaves it on
            scope = dict(scope, path=scope["path"].removeprefix(self.prefix))

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


def protect(app: FastAPI, host_names: Iterable[str], prefix: str = "") -> None:
    """Let ``app`` answer to ``host_names`` alone, so that no page of another name reaches it (DNS rebinding), and put
    ``Guard`` before it. ``prefix``: what a proxy puts before every path, such as "/study"."""
    names = [f"[{name}]" if ":" in name else name for name in host_names]  # as a Host header has them
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)
    app.add_middleware(Guard, prefix=prefix)


def without_metadata(png: bytes) -> bytes:
    """A PNG with its pixels only."""
    parts, start = [png[:8]], 8
    while start < len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4], "big")
        if png[start + 4 : start + 8] in _PIXELS:
            parts.append(png[start:end])
        start = end
    return b"".join(parts)
