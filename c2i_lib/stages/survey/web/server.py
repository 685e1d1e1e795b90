"""The survey as a local web app: a page for each rater behind a personal link, an entry, and the researcher's page.

In: a built survey (``06_survey/{items,orders}.parquet``, ``pictures/``) and the profile's questions. Out, in
``06_responses/``: ``responses.sqlite`` (``store.py``), ``links.csv`` (``rater, surveys, link``) and
``instructions.md``, which the researcher may edit at any time. A rater gets opaque ids, concepts and pixels: never an
arm, a seed, a file name or a picture's metadata. Ignored: what the answers mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import secrets
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from starlette.background import BackgroundTask

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.pairs import asked
from c2i_lib.stages.survey.raters import write_links
from c2i_lib.stages.survey.responses import names_of_tables, tables_csv
from c2i_lib.stages.survey.web.connections import PatientProtocol, allow_many_files
from c2i_lib.stages.survey.web.database import WAIT
from c2i_lib.stages.survey.web.entry import COOKIE, Entry
from c2i_lib.stages.survey.web.guard import Answer, Closing, Comment, Consent, Practice, protect, without_metadata
from c2i_lib.stages.survey.web.served import STATIC, ServedSurvey
from c2i_lib.stages.survey.web.so_far import SoFar
from c2i_lib.stages.survey.web.texts import instructions_of, load_texts
from c2i_lib.study import QUESTIONS

_SERVED = {
    "survey.js": "text/javascript",
    "practice.js": "text/javascript",
    "researcher.js": "text/javascript",
    "survey.css": "text/css",
    "icon.svg": "image/svg+xml",
}
_PREFIX = re.compile(r"(/[\w.~-]+)*")  # of the path, behind a proxy that serves other things, too
_GRACE = 60  # seconds for an answer given in time, and held up on its way, after a rater's time is over
_EVERYWHERE = ("0.0.0.0", "::")  # hosts that mean: all addresses of this machine


def _one_at_a_time() -> Callable:
    """A function that runs what writes, in a thread of its own, so that nobody who only reads waits for it.

    What has waited too long for those before it is not begun: its page sends it again.
    """
    thread = ThreadPoolExecutor(1, "answers")

    def begin(deadline: float, function: Callable, *arguments: object) -> JSONResponse:
        if time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked: other answers wait for it, too")
        return function(*arguments)

    async def in_turn(function: Callable, *arguments: object) -> JSONResponse:
        deadline = time.monotonic() + WAIT
        return await asyncio.get_running_loop().run_in_executor(thread, begin, deadline, function, *arguments)

    return in_turn


def create_app(
    survey_dir: Path,
    settings: Survey,
    researcher_token: str,
    base_url: str,
    host_names: Iterable[str] = (),
    seed: int = 0,
) -> FastAPI:
    """The web app of the survey in ``survey_dir``, the folder of stage 06.

    ``base_url`` begins the personal links that the researcher sees;
    requests must name its host, this machine as itself, or one of ``host_names``. ``seed``: the run's, for the orders
    of raters that take over a place.

    Raises ``C2IError`` when there is no survey, or when a file that it needs is damaged.
    """
    address = urlsplit(base_url)
    wrong = address.scheme not in ("http", "https") or not address.hostname or "*" in address.hostname
    if wrong or not _PREFIX.fullmatch(address.path) or address.query or address.fragment:
        raise C2IError(
            f"the survey's address should be like https://lab.example.org or https://lab.example.org/study, found "
            f"{base_url!r}"
        )
    settings, texts = asked(settings), load_texts(settings.texts)
    # No page tells of checks, or what is expected in training before it is answered.
    shown = {name: text for name, text in texts.items() if not name.startswith(("check", "anchor"))}
    completion = {"url": settings.completion_url, "code": settings.completion_code}
    instructions = instructions_of(settings.texts, settings.mode)
    survey = ServedSurvey(survey_dir, texts, instructions, completion, settings.time_limit_minutes)
    responses = survey.responses
    questions = [{"name": name, **getattr(settings, name).model_dump()} for name in QUESTIONS]
    survey_dir, tables = Path(survey_dir), names_of_tables(survey_dir)
    templates = Environment(loader=FileSystemLoader(STATIC), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    templates.globals["prefix"] = address.path
    # No pictures in the instructions: from elsewhere, they would tell who reads.
    markdown = MarkdownIt("js-default", {"html": False}).disable("image")
    static = {name: (STATIC / name).read_bytes() for name in _SERVED}
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    protect(app, ["localhost", "127.0.0.1", "::1", address.hostname, *host_names], address.path)
    page = partial(templates.get_template("message.html").render, t=shown)
    so_far = SoFar(survey_dir, settings)
    entry = Entry(survey, settings, seed, base_url, page)
    app.state.survey, app.state.entry = survey, entry
    in_turn = _one_at_a_time()

    def check_researcher(token: str) -> None:
        if not secrets.compare_digest(token.encode("utf-8", "surrogatepass"), researcher_token.encode()):
            raise HTTPException(404, "This link is not valid. The program prints a new one at each start.")

    def writer(token: str, item_id: str | None = None) -> str:
        rater = survey.rater(token, item_id)
        if responses.closed:
            raise HTTPException(409, texts["closed_text"])
        left = survey.seconds_left(rater)
        if left is not None and left < -_GRACE:
            raise HTTPException(409, texts["time_over_text"])
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
        text = survey.instructions.text()
        content = {"instructions": markdown.render(text), "digest": survey.instructions.digest(text), "t": shown}
        content |= {"minutes": settings.time_limit_minutes, "mode": settings.mode}
        return HTMLResponse(templates.get_template("page.html").render(content))

    @app.get("/r/{token}/state")
    def state(token: str) -> JSONResponse:
        fixed = {"questions": questions, "break_every": settings.break_every}
        return JSONResponse({**fixed, **survey.answers_of(survey.rater(token))})

    @app.get("/r/{token}/pictures/{item_id}.png")
    def picture(token: str, item_id: str) -> Response:
        practice = item_id in survey.training.items
        survey.rater(token, None if practice else item_id)
        path = (survey.training if practice else survey).picture_path(item_id)
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(without_metadata(path.read_bytes()), media_type="image/png", headers=headers)

    def agree(token: str, body: Consent) -> JSONResponse:
        rater = writer(token)
        text = survey.instructions.shown(body.text) if body.text else survey.instructions.text()
        if text is None:
            raise HTTPException(412, texts["text_changed"])
        responses.consent(rater, text)
        return JSONResponse(survey.answers_of(rater))

    def store(token: str, item_id: str, body: Answer | Comment) -> JSONResponse:
        rater = writer(token, item_id)
        if not responses.consented(rater):
            raise HTTPException(403, "Please agree to take part first.")
        if isinstance(body, Comment):
            field, kept = "comment", responses.comment(rater, item_id, body.comment, body.version)
        elif body.rating is None or 1 <= body.rating <= settings.scale_points:
            field = body.question
            kept = responses.answer(rater, item_id, field, body.rating, body.version, body.seen_ms, body.viewport)
        else:
            raise HTTPException(422, f"The rating should be 1 to {settings.scale_points}, or null.")
        due = kept.stored and survey.backups.count()
        backup = BackgroundTask(survey.backups.make) if due else None  # after the answer has gone out
        change = survey.change(item_id, field, kept) | survey.completion_of(rater)
        return JSONResponse(change, 200 if kept.stored else 409, background=backup)

    def train(token: str, item_id: str, body: Practice) -> JSONResponse:
        rater = writer(token)
        if item_id not in survey.training.items:
            raise HTTPException(404, texts["invalid_text"])
        if not responses.consented(rater):
            raise HTTPException(403, "Please agree to take part first.")
        if any(rating is not None and not 1 <= rating <= settings.scale_points for rating in body.ratings.values()):
            raise HTTPException(422, f"A rating should be 1 to {settings.scale_points}, or null.")
        return JSONResponse(survey.training.answer(rater, item_id, body.ratings, body.seen_ms))

    def set_closed(closed: bool) -> JSONResponse:
        responses.closed = closed
        return JSONResponse({"closed": responses.closed})

    @app.post("/r/{token}/consent")
    async def consent(token: str, body: Consent) -> JSONResponse:
        return await in_turn(agree, token, body)

    @app.put("/r/{token}/answers/{item_id}")
    async def answer(token: str, item_id: str, body: Answer | Comment) -> JSONResponse:
        return await in_turn(store, token, item_id, body)

    @app.post("/r/{token}/training/{item_id}")
    async def practise(token: str, item_id: str, body: Practice) -> JSONResponse:
        return await in_turn(train, token, item_id, body)

    @app.get("/join/{token}")
    async def join(token: str, request: Request) -> Response:
        visit = (request.query_params.multi_items(), request.cookies.get(COOKIE, ""))
        return await in_turn(entry.join, token, *visit)

    @app.get("/researcher/{token}")
    def researcher_page(token: str) -> HTMLResponse:
        check_researcher(token)
        content = {
            "raters": survey.progress(base_url),
            "so_far": so_far.read(),
            "comments": survey.comments(),
            "closed": responses.closed,
            "entry": entry.link,
            "tables": tables,
        }
        page = templates.get_template("researcher.html")
        return HTMLResponse(page.render(name=survey_dir.parent.name, **content))

    @app.get("/researcher/{token}/{name}.csv")
    def export(token: str, name: str) -> Response:
        check_researcher(token)
        if name not in tables:
            raise HTTPException(404)
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return Response(tables_csv(survey_dir)[name], media_type="text/csv", headers=headers)

    @app.post("/researcher/{token}/closed")
    async def close(token: str, body: Closing) -> JSONResponse:
        check_researcher(token)
        return await in_turn(set_closed, body.closed)

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
        problem = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error})"
        raise C2IError(
            f"port {port} of {host} {problem}: stop what uses it, or give another --host or --port"
        ) from error
    return listening


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Ctrl+C and SIGTERM (of a service manager) end what is inside, and what comes after it is still done."""
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if in_main else None
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


def serve(
    survey_dir: Path,
    settings: Survey,
    host: str = "127.0.0.1",
    port: int = 8642,
    public_url: str | None = None,
    seed: int = 0,
) -> None:
    """Serve the survey until Ctrl+C. ``public_url`` begins the links where raters reach this server under another
    address, such as that of a proxy. ``seed``: as in ``create_app``.

    Raises ``C2IError`` when the survey is not built, a file is damaged, or the address cannot be had.
    """
    with listen(host, port) as listening:
        name = _own_address() if host in _EVERYWHERE else host
        own_url = f"http://[{name}]" if ":" in name else f"http://{name}"
        base_url = (public_url or f"{own_url}:{listening.getsockname()[1]}").rstrip("/")
        researcher_token = secrets.token_urlsafe(32)
        names = [host, name, socket.gethostname()]
        app = create_app(survey_dir, settings, researcher_token, base_url, names, seed)
        survey, entry = app.state.survey, app.state.entry
        links = [(row["rater"], row["surveys"], row["link"]) for row in survey.progress(base_url) if row["link"]]
        write_links(survey.folder, links, entry.link)
        if settings.simulate_raters:
            print(
                "This profile simulates its raters, so notebook 06 does not use what is answered here: a demonstration."
            )
        print(f"Researcher's page (for you alone):  {base_url}/researcher/{researcher_token}")
        print(f"Personal links of {len(links)} raters:  {survey.folder / 'links.csv'}")
        print(f"Entry link, by which anyone gets the next free place:  {entry.link}")
        print(f"Instructions that raters see (edit them at any time):  {survey.instructions.path}")
        print("Stop with Ctrl+C; answers are stored as they come.", flush=True)
        quiet = {"access_log": False, "server_header": False, "proxy_headers": False, "ws": "none"}
        # No access log: addresses hold tokens. No warnings: whoever sends nonsense would fill the disk with them.
        PatientProtocol.most = allow_many_files()
        # So many are accepted in one go, before PatientProtocol hears of them.
        options = {"log_level": "error", "lifespan": "off", "timeout_graceful_shutdown": 5, "backlog": 128}
        options["http"] = PatientProtocol
        config = uvicorn.Config(app, **options, **quiet)
        with _stopped_by_signals():
            uvicorn.Server(config).run(sockets=[listening])
        survey.backups.make()
        survey.responses.close()
