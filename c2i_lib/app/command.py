"""The command ``c2i app``: serve the page on this machine.

In: options. Out: a page that asks nothing of any other host. Ignored: what stands on it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path

from c2i_lib.errors import C2IError, MissingPackageError
from c2i_lib.run.ready import find_tool


def add_command(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add ``app`` to the commands of the command line."""
    command = commands.add_parser(
        "app",
        parents=[common],
        help="serve the tool as a page: concepts, stories, batches",
        epilog="Needs the packages of requirements-app.txt: make app installs them and opens the page.",
    )
    command.add_argument("--host", default="127.0.0.1", help="address to serve on (default: this machine alone)")
    command.add_argument("--port", type=_port, default=7860, help="default: 7860")
    command.add_argument("--out", type=Path, default=Path("pictures"), help="folder for the PNGs (default: pictures)")
    command.set_defaults(function=app)


def app(args: argparse.Namespace) -> None:
    """Run the command. Raises ``C2IError`` without a run, for a port that is taken, ``MissingPackageError`` without
    Gradio."""
    if args.out.exists() and not args.out.is_dir():
        raise C2IError(f"--out should be a folder for pictures, but {args.out} is a file: give another name")
    need_gradio()
    from c2i_lib.app.page import serve
    from c2i_lib.app.studio import Studio

    serve(Studio(find_tool(args.profile, args.run_dir), args.out), args.host, args.port)


def need_gradio() -> None:
    """Raise ``MissingPackageError`` without Gradio; else see to it that it sends no statistics."""
    if importlib.util.find_spec("gradio") is None:
        raise MissingPackageError(
            "the page needs Gradio, which is not installed. Run: make app; or, without the repository: "
            "python -m pip install gradio==6.31.0"  # which puts an older pillow in place
        )
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when it is imported
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def _port(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, found {text!r}")
    return int(text)
