"""A survey behind nginx and Caddy, under a path, with the configurations of PROXY.md; and connections held open."""

import contextlib
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn
from survey_run import RESEARCHER, make_run

from c2i_lib.config import load_profile
from c2i_lib.stages.survey import web
from c2i_lib.stages.survey.web import connections
from c2i_lib.stages.survey.web.connections import PatientProtocol, allow_many_files
from c2i_lib.stages.survey.web.server import create_app, listen

SETTINGS = load_profile("smoke").survey
PAGE = (Path(web.__file__).parent / "PROXY.md").read_text(encoding="utf-8")


@pytest.fixture
def serve_at(tmp_path):
    """A function that serves a survey whose raters reach it under another address; returns its port and the survey."""
    servers = []

    def start(base_url):
        listening = listen("127.0.0.1", 0)
        app = create_app(make_run(tmp_path / "run") / "06_survey", SETTINGS, RESEARCHER, base_url)
        config = uvicorn.Config(app, log_level="error", lifespan="off", http=PatientProtocol)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        servers.append((server, thread, listening, app.state.survey))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        return listening.getsockname()[1], app.state.survey

    yield start
    for server, thread, listening, survey in servers:
        server.should_exit = server.force_exit = True
        thread.join()
        listening.close()
        survey.responses.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def example(language, port, server_port):
    """The configuration of the page, for ports of this test."""
    text = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1].replace(
        "127.0.0.1:8642", f"127.0.0.1:{server_port}"
    )
    return text.replace("lab.example.org", f"http://127.0.0.1:{port}")


def command(proxy, folder, port, server_port):
    """The command of a proxy, and its configuration in ``folder``."""
    text = example(proxy, port, server_port)
    if proxy == "nginx":
        paths = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = f"http {{ {paths} access_log off; server {{ listen 127.0.0.1:{port}; {text} }} }}"
        text = f"daemon off; pid {folder}/pid; error_log stderr; events {{}} {text}"
        (folder / "nginx.conf").write_text(text)
        return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
    (folder / "Caddyfile").write_text(f"{{\n    admin off\n}}\n{text}")
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def answer_through(base_url, survey):
    """What a browser does: page, script, state, consent, picture, answer."""
    link = f"{base_url}/r/{survey.tokens['rater_1']}"
    page = httpx.get(link)
    paths = re.findall(r'(?:href|src)="(/[^"]*)"', page.text)
    assert page.status_code == 200 and len(paths) == 4
    origin = "/".join(base_url.split("/")[:3])
    assert [httpx.get(origin + path).status_code for path in paths] == [200] * 4
    assert httpx.get(f"{base_url}/researcher/{RESEARCHER}/answers.csv").status_code == 200
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    items = httpx.post(f"{link}/consent", json={}, headers=headers).json()["items"]
    assert httpx.get(f"{link}/pictures/{items[0]['item_id']}.png").content[:4] == b"\x89PNG"
    body = {"question": "quality", "rating": 3, "version": 1}
    assert httpx.put(f"{link}/answers/{items[0]['item_id']}", json=body, headers=headers).status_code == 200
    evil = headers | {"Origin": "https://evil.example"}
    assert httpx.put(f"{link}/answers/{items[0]['item_id']}", json=body, headers=evil).status_code == 403


@pytest.mark.parametrize("proxy", ["nginx", "caddy"])
def test_the_documented_proxy_serves_a_survey_under_a_path(proxy, serve_at, tmp_path):
    if not shutil.which(proxy):
        pytest.skip(f"{proxy} is not installed")
    port = free_port()
    base_url = f"http://127.0.0.1:{port}/study"
    server_port, survey = serve_at(base_url)
    process = subprocess.Popen(command(proxy, tmp_path, port, server_port), stderr=subprocess.PIPE, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(base_url + "/static/icon.svg")
                break
            except httpx.ConnectError:
                assert process.poll() is None and time.monotonic() < deadline, process.stderr.read1().decode()
                time.sleep(0.1)
        answer_through(base_url, survey)
    finally:
        process.terminate()
        process.wait()


def test_a_proxy_may_leave_the_path_on(serve_at):
    server_port, survey = serve_at("http://127.0.0.1/study")
    answer_through(f"http://127.0.0.1:{server_port}/study", survey)


def test_connections_that_bring_no_request_make_room_for_those_that_do(serve_at, monkeypatch):
    """Before, they stayed for ever: 1,200 of them used up all file descriptors."""
    monkeypatch.setattr(connections, "_UNFINISHED", 20)
    monkeypatch.setattr(connections, "PATIENCE", 1.5)
    server_port, survey = serve_at("http://127.0.0.1")
    address = ("127.0.0.1", server_port)
    held = [socket.create_connection(address) for _ in range(60)]
    for number, half_open in enumerate(held):
        if number % 2:
            half_open.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    with httpx.Client() as client:
        page = client.get(f"http://127.0.0.1:{server_port}/r/{survey.tokens['rater_1']}")
        assert page.status_code == 200 and len(PatientProtocol._waiting) <= 20
        body = socket.create_connection(address)  # a body that never ends
        body.sendall(
            b"PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        time.sleep(1.7)
        for half_open in (*held, body):
            half_open.settimeout(5)
            with contextlib.suppress(ConnectionResetError):
                assert half_open.recv(1) == b""
            half_open.close()
        assert PatientProtocol._waiting == {} and client.get(page.url).status_code == 200


def test_as_many_files_as_may_be_are_opened():
    assert allow_many_files() >= 100
