"""The survey as a local web app: a page for each rater behind a personal link, and one for the researcher.

In: a built survey (``06_survey/{items,orders}.parquet``, ``pictures/``) and the profile's questions. Out, in
``06_responses/``: ``responses.sqlite`` (``store.py``), ``links.csv`` (``rater, surveys, link``) and
``instructions.md``, which the researcher may edit at any time. A rater gets opaque ids, concepts and pixels: never an
arm, a seed, a file name or a picture's metadata. Ignored: what the answers mean.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import secrets
import socket
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt

from c2i_lib.config import Profile
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.records.stage import read_table
from c2i_lib.stages.survey.web.guard import QUESTIONS, Answer, Closing, Comment, Guard, as_csv, without_metadata
from c2i_lib.stages.survey.web.store import Responses, read_answers

_STATIC = Path(__file__).parent / "static"
_SERVED = {
    "survey.js": "text/javascript",
    "researcher.js": "text/javascript",
    "survey.css": "text/css",
    "icon.svg": "image/svg+xml",
}
_EVERYWHERE = ("0.0.0.0", "::")  # hosts that mean: all addresses of this machine


class Survey:
    """A built survey and its answers: who sees which items in which order, and whose token is whose.

    Raises ``C2IError`` when the survey is not built, a file is damaged, or the answers belong to another survey.
    """

    def __init__(self, survey_dir: Path):
        folder = Path(survey_dir)
        run_folder = folder.parent
        if not (folder / "orders.parquet").is_file():
            raise C2IError(
                f"{folder} holds no survey: run notebook 06, or "
                f"python -m c2i_lib run --profile {run_folder}/profile.yaml --run-dir {run_folder} --to 6"
            )
        items, orders = read_table(folder / "items.parquet"), read_table(folder / "orders.parquet")
        self.pictures = folder / "pictures"
        lost = [name for name in items["item_id"] if not self.picture_path(name).is_file()]
        lost += sorted(set(orders["item_id"]) - set(items["item_id"]))
        if lost:
            raise C2IError(
                f"{folder} has no picture of item {lost[0]} ({len(lost)} are missing): run notebook 06 again"
            )
        concept_of = items.set_index("item_id")["concept"].fillna("").astype(str).to_dict()
        orders = orders.sort_values(["rater", "position"], kind="stable")
        # Only ids and concepts: a rater's page cannot tell what is not here.
        self.items = {
            rater: {item_id: concept_of[item_id] for item_id in own["item_id"]}
            for rater, own in orders.groupby("rater", sort=False)
        }
        self.surveys = {rater: list(dict.fromkeys(own["survey"])) for rater, own in orders.groupby("rater")}
        self.folder = run_folder / "06_responses"
        self.instructions_path = self.folder / "instructions.md"
        self.responses = Responses(self.folder / "responses.sqlite")
        self._check_same_survey()
        self.tokens = self.responses.add_raters(self.items)
        # Looked up by hash, so that the time of a look-up tells nothing about a token.
        self._rater_of = {self._digest(token): rater for rater, token in self.tokens.items()}
        if not self.instructions_path.is_file():
            with atomic_path(self.instructions_path) as temporary:
                temporary.write_bytes((_STATIC / "instructions.md").read_bytes())

    def _check_same_survey(self) -> None:
        for rater in self.responses.progress():
            strange = set(self.responses.answers_of(rater)) - set(self.items.get(rater, {}))
            if strange:
                raise C2IError(
                    f"{self.responses.path} holds {rater}'s answers to {len(strange)} items that are not in this "
                    f"survey: it was built again with other pictures. Move {self.folder} away to start anew"
                )

    @staticmethod
    def _digest(token: str) -> bytes:
        return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

    def picture_path(self, item_id: str) -> Path:
        return self.pictures / f"{item_id}.png"

    def rater(self, token: str, item_id: str | None = None) -> str:
        """Whose token this is. 404 when it is nobody's, or when ``item_id`` is none of this rater's items."""
        rater = self._rater_of.get(self._digest(token))
        if rater is None or (item_id is not None and item_id not in self.items[rater]):
            raise HTTPException(404, "This link is not valid. Please ask the researcher for your personal link.")
        return rater

    def answers_of(self, rater: str) -> dict:
        """What changes while a rater works."""
        responses = self.responses
        answers, comments = responses.answers_of(rater), responses.comments_of(rater)
        items = [
            {"item_id": item, "concept": concept, "answers": answers.get(item, {}), "comment": comments.get(item, "")}
            for item, concept in self.items[rater].items()
        ]
        return {"consented": responses.consented(rater), "closed": responses.closed, "items": items}

    def progress(self, base_url: str) -> list[dict]:
        """A row per rater for the researcher."""
        given = self.responses.progress()
        return [
            {"rater": rater, "surveys": ", ".join(self.surveys[rater]), "link": f"{base_url}/r/{self.tokens[rater]}"}
            | {"consented_at": given[rater][0], "answered": given[rater][1], "last": given[rater][2]}
            | {"total": len(QUESTIONS) * len(items)}
            for rater, items in self.items.items()
        ]

    def comments(self) -> list[dict]:
        """All comments, with the concept of their item."""
        return [
            {"rater": rater, "concept": items[item_id], "item_id": item_id, "comment": comment}
            for rater, items in self.items.items()
            for item_id, comment in self.responses.comments_of(rater).items()
            if item_id in items
        ]


def create_app(
    survey_dir: Path, profile: Profile, researcher_token: str, base_url: str, host_names: Iterable[str] = ()
) -> FastAPI:
    """The web app of the survey in ``survey_dir``, the folder of stage 06.

    ``base_url`` begins the personal links that the researcher sees;
    requests must name its host, this machine as itself, or one of ``host_names``.

    Raises ``C2IError`` when there is no survey, or when a file that it needs is damaged.
    """
    address = urlsplit(base_url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise C2IError(f"the survey's address should be like https://survey.example.org, found {base_url!r}")
    survey = Survey(survey_dir)
    responses = survey.responses
    asked = [{"name": name, **getattr(profile.survey, name).model_dump()} for name in QUESTIONS]
    templates = Environment(loader=FileSystemLoader(_STATIC), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    # No pictures in the instructions: from elsewhere, they would tell who reads.
    markdown = MarkdownIt("js-default", {"html": False}).disable("image")
    static = {name: (_STATIC / name).read_bytes() for name in _SERVED}
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_middleware(Guard, host_names=["localhost", "127.0.0.1", "::1", address.hostname, *host_names])
    app.state.survey = survey

    def check_researcher(token: str) -> None:
        if not secrets.compare_digest(token.encode("utf-8", "surrogatepass"), researcher_token.encode()):
            raise HTTPException(404, "This link is not valid. The program prints a new one at each start.")

    def writer(token: str, item_id: str | None = None) -> str:
        rater = survey.rater(token, item_id)
        if responses.closed:
            raise HTTPException(409, "The survey is closed.")
        return rater

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # FastAPI's own answer repeats what was sent.
        return JSONResponse({"detail": [problem["msg"] for problem in error.errors()]}, 422)

    @app.exception_handler(sqlite3.Error)
    def not_stored(request: Request, error: sqlite3.Error) -> JSONResponse:
        print(f"{responses.path} could not be read or written: {error}", flush=True)
        return JSONResponse({"detail": "The answer could not be stored."}, 503)

    @app.get("/static/{name}")
    def static_file(name: str) -> Response:
        if name not in static:
            raise HTTPException(404)
        return Response(static[name], media_type=_SERVED[name], headers={"Cache-Control": "no-cache"})

    @app.get("/r/{token}")
    def rater_page(token: str) -> HTMLResponse:
        survey.rater(token)
        instructions = markdown.render(survey.instructions_path.read_text(encoding="utf-8"))
        return HTMLResponse(templates.get_template("page.html").render(instructions=instructions))

    @app.get("/r/{token}/state")
    def state(token: str) -> JSONResponse:
        return JSONResponse({"questions": asked, **survey.answers_of(survey.rater(token))})

    @app.get("/r/{token}/pictures/{item_id}.png")
    def picture(token: str, item_id: str) -> Response:
        survey.rater(token, item_id)
        pixels = without_metadata(survey.picture_path(item_id).read_bytes())
        return Response(pixels, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    @app.post("/r/{token}/consent")
    def consent(token: str) -> JSONResponse:
        rater = writer(token)
        responses.consent(rater)
        return JSONResponse(survey.answers_of(rater))

    @app.put("/r/{token}/answers/{item_id}")
    def answer(token: str, item_id: str, body: Answer | Comment) -> JSONResponse:
        rater = writer(token, item_id)
        if not responses.consented(rater):
            raise HTTPException(403, "Please agree to take part first.")
        if isinstance(body, Comment):
            responses.comment(rater, item_id, body.comment)
        elif body.rating is None or 1 <= body.rating <= profile.survey.scale_points:
            responses.answer(rater, item_id, body.question, body.rating)
        else:
            raise HTTPException(422, f"The rating should be 1 to {profile.survey.scale_points}, or null.")
        return JSONResponse(survey.answers_of(rater))

    @app.get("/researcher/{token}")
    def researcher_page(token: str) -> HTMLResponse:
        check_researcher(token)
        shown = {"raters": survey.progress(base_url), "comments": survey.comments(), "closed": responses.closed}
        page = templates.get_template("researcher.html")
        return HTMLResponse(page.render(name=Path(survey_dir).parent.name, **shown))

    @app.get("/researcher/{token}/answers.csv")
    def export(token: str) -> Response:
        check_researcher(token)
        headers = {"Content-Disposition": 'attachment; filename="answers.csv"'}
        return Response(as_csv(read_answers(responses.path)), media_type="text/csv", headers=headers)

    @app.post("/researcher/{token}/closed")
    def close(token: str, body: Closing) -> JSONResponse:
        check_researcher(token)
        responses.closed = body.closed
        return JSONResponse({"closed": responses.closed})

    return app


def _own_address() -> str:
    """This machine's address in its network. Connecting a UDP socket sends nothing; it only picks a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address reserved for documentation
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any. Raises ``C2IError`` when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sends small answers at once (no Nagle delay of 40 ms) only where it is.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        found = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error})"
        raise C2IError(f"port {port} of {host} {found}: stop what uses it, or give another --host or --port") from error
    return listening


def serve(
    survey_dir: Path, profile: Profile, host: str = "127.0.0.1", port: int = 8642, public_url: str | None = None
) -> None:
    """Serve the survey until Ctrl+C. ``public_url`` begins the personal links where raters reach this server under
    another address, such as that of a proxy.

    Raises ``C2IError`` when the survey is not built, a file is damaged, or the address cannot be had.
    """
    with listen(host, port) as listening:
        name = _own_address() if host in _EVERYWHERE else host
        own_url = f"http://[{name}]" if ":" in name else f"http://{name}"
        base_url = (public_url or f"{own_url}:{listening.getsockname()[1]}").rstrip("/")
        researcher_token = secrets.token_urlsafe(32)
        app = create_app(survey_dir, profile, researcher_token, base_url, [host, name, socket.gethostname()])
        survey = app.state.survey
        with atomic_path(survey.folder / "links.csv") as temporary:
            links = pd.DataFrame(survey.progress(base_url))[["rater", "surveys", "link"]]
            links.to_csv(temporary, index=False)
        if profile.survey.simulate_raters:
            print(
                "This profile simulates its raters, so notebook 06 does not use what is answered here: a demonstration."
            )
        print(f"Researcher's page (for you alone):  {base_url}/researcher/{researcher_token}")
        print(f"Personal links of {len(links)} raters:  {survey.folder / 'links.csv'}")
        print(f"Instructions that raters see (edit them at any time):  {survey.instructions_path}")
        print("Stop with Ctrl+C; answers are stored as they come.", flush=True)
        settings = {"access_log": False, "server_header": False, "proxy_headers": False, "ws": "none"}
        # No access log: addresses hold tokens.
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=5, **settings)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
        survey.responses.close()
