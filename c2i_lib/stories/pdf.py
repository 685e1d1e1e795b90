"""Panels and their pictures → a PDF of A4 pages, six panels each.

In: a title, and the panels' pictures. Out: a PDF whose texts can be searched, without a date: the same bytes for the
same panels. A text that is too long for its place ends in "…"; whole ones are in ``storyboard.html``. Ignored: how
pictures were made.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from c2i_lib.stories.illustrating import PanelPicture
from c2i_lib.stories.storyboard import dropped_note

# Inches, from the top left corner of the page.
_WIDTH, _HEIGHT = 8.27, 11.69  # A4
_LEFT, _TOP = 0.75, 1.0  # margins
_SIDE, _ACROSS, _DOWN = 2.5, 3.6, 3.5  # a picture's side; from one panel to the next
_COLUMNS, _ROWS = 2, 3
# Points, characters of a line, lines at most, and colour of what stands below a picture.
_CAPTION, _PROMPT, _DROPPED = (8, 50, 2, "#222222"), (6, 66, 3, "#555555"), (6, 66, 2, "#aa3333")


def write_pdf(path: Path, title: str, made: Sequence[PanelPicture]) -> None:
    """Write the pages to ``path``, which may be a temporary name."""
    per_page = _COLUMNS * _ROWS
    metadata = {"Title": title, "CreationDate": None, "Producer": None}
    with rc_context({"pdf.fonttype": 42}), PdfPages(path, metadata=metadata) as pages:
        for first in range(0, len(made), per_page):
            page = Figure(figsize=(_WIDTH, _HEIGHT))
            _text(page, _LEFT, 0.5, title, (13, 62, 1, "#222222"))
            for place, one in enumerate(made[first : first + per_page]):
                row, column = divmod(place, _COLUMNS)
                _draw_panel(page, _LEFT + column * _ACROSS, _TOP + row * _DOWN, first + place + 1, one)
            pages.savefig(page)


def _draw_panel(page: Figure, left: float, top: float, number: int, one: PanelPicture) -> None:
    """A picture with its texts below it."""
    place = (left / _WIDTH, 1 - (top + _SIDE) / _HEIGHT, _SIDE / _WIDTH, _SIDE / _HEIGHT)
    axes = page.add_axes(place)
    axes.imshow(one.picture.image, interpolation="none")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color="#888888", linewidth=0.5)
    top += _SIDE + 0.08
    texts = (f"{number}. {one.panel.caption}", _CAPTION), (one.picture.prompt, _PROMPT), (dropped_note(one), _DROPPED)
    for text, style in texts:
        top = _text(page, left, top, text, style)


def _text(page: Figure, left: float, top: float, text: str, style: tuple[int, int, int, str]) -> float:
    """Write a text in lines; returns where the next one begins."""
    size, width, n_lines, color = style
    for line in textwrap.wrap(text, width, max_lines=n_lines, placeholder=" …"):
        page.text(left / _WIDTH, 1 - top / _HEIGHT, line, size=size, color=color, va="top", parse_math=False)
        top += 1.3 * size / 72
    return top
