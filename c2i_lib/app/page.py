"""The page itself: three tabs, one queue, calls by API; served without a request to any other host.

In: a ``Studio``. Out: a web server that runs until it is stopped. Ignored: what the tabs do.
"""

from __future__ import annotations

import socket
from pathlib import Path

import gradio as gr

from c2i_lib.app import api
from c2i_lib.app.batch_tab import add_batch
from c2i_lib.app.concept_tab import add_concept
from c2i_lib.app.story_tab import add_story
from c2i_lib.app.studio import Studio
from c2i_lib.errors import C2IError

MAX_WAITING = 40  # in the queue; who comes then is told so
_FONT, _MONO = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]  # the browser's own: none is fetched
_CSS = """
.prompts mark { background: #ffe08a; color: #1a1a1a; padding: 0 .15em; border-radius: .2em; }
.prompts li { overflow-wrap: anywhere; }
.prompts ul { font-size: .85em; opacity: .85; }
.caption-label { white-space: normal !important; overflow-wrap: anywhere; max-width: 100% !important; }
.grid-wrap { max-height: none !important; }
@media (max-width: 640px) { .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)) !important; } }
"""


def make_page(studio: Studio) -> gr.Blocks:
    """The page, not yet served."""
    with gr.Blocks(title="c2i: concept to image", analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as page:
        api.add_calls(studio)  # first, so that no button has the name of a call
        gr.Markdown("# c2i: concept to image\nName a concept or give a story; the prompt is written for you.")
        with gr.Tab("Concept"):
            add_concept(studio, page)
        with gr.Tab("Story"):
            add_story(studio)
        with gr.Tab("Batch"):
            add_batch(studio)
    return page.queue(max_size=MAX_WAITING, default_concurrency_limit=1)


def launch(studio: Studio, host: str, port: int, wait: bool = True) -> gr.Blocks:
    """Serve the page; returns it at once where ``wait`` is false. Raises ``C2IError`` for a port that is taken."""
    _check_free(host, port)
    page, theme = make_page(studio), gr.themes.Default(font=_FONT, font_mono=_MONO)
    studio.folder.mkdir(parents=True, exist_ok=True)
    page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=not wait,
        share=False,
        ssr_mode=False,
        quiet=True,
        show_error=False,
        theme=theme,
        css=_CSS,
        footer_links=["api", "runs"],
        max_file_size=2_000_000,
        allowed_paths=[str(Path(studio.folder).resolve())],
        enable_monitoring=False,
    )
    return page


def serve(studio: Studio, host: str, port: int) -> None:
    """Serve the page until Ctrl-C. Raises ``C2IError`` for a port that is taken."""
    print(f"c2i is at http://{host}:{port}/ (pictures go to {studio.folder}; stop it with Ctrl-C)", flush=True)
    launch(studio, host, port)


def _check_free(host: str, port: int) -> None:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError as error:
        raise C2IError(f"cannot serve on {host}, port {port} ({error}): give another --port or --host") from error
