"""Errors on the page: a message for who uses it, never a traceback.

In: a function of the page. Out: the same, whose errors are shown as messages. Ignored: what it does.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr

from c2i_lib.errors import C2IError

_LONGEST = 1500  # characters of a message: an error may quote what was given


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except gr.Error:
        raise
    except C2IError as error:
        text = str(error)
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
        raise gr.Error(escape(text), duration=None, title="This cannot be done", print_exception=False) from None
    except OSError as error:
        logging.getLogger(__name__).exception("the page")
        text = f"a file could not be read or written ({error.strerror}): the terminal of c2i app says which"
        raise gr.Error(text, duration=None, title="Error", print_exception=False) from None
    except Exception:
        logging.getLogger(__name__).exception("the page")
        text = "This is a fault of c2i and not yours. The terminal of c2i app says more; please report it."
        raise gr.Error(text, duration=None, title="Error", print_exception=False) from None


def guarded(function: Callable) -> Callable:
    """``function``, or generator, with its errors shown as messages."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def inner(*args: object, **options: object) -> Iterator:
            with _told():
                yield from function(*args, **options)
    else:

        @functools.wraps(function)
        def inner(*args: object, **options: object) -> object:
            with _told():
                return function(*args, **options)

    return inner
