"""The style of all figures, and how a figure is saved: vector PDF and PNG, the same bytes for the same data.

In: a figure. Out: ``<name>.pdf`` and ``<name>.png``. Ignored: what it shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from c2i_lib.records.files import atomic_path

STYLE = Path(__file__).parent / "c2i.mplstyle"


COLUMN, PAGE = 3.3, 7.0  # inches: AAAI's column and text width

ARM_COLORS = {"concept_only": "#000000", "base": "#E69F00", "ft": "#0072B2", "ft_tags": "#009E73"}
ARM_COLORS |= {"ft_topic": "#CC79A7", "ft_good": "#D55E00", "retrieved": "#888888", "rewrite": "#56B4E9"}

Ends = tuple[float, float]  # the lower and the upper end of an interval


@contextmanager
def in_style() -> Iterator[None]:
    """The house's style, for a while."""
    # Notebooks load their backend with the first figure. Loaded inside the context, what it sets would be undone at the
    # context's end, and later figures of the notebook would not be shown.
    plt.close(plt.figure())
    with plt.style.context(STYLE):
        yield


def draw_interval(
    axes: Axes, x: float, y: float, across: Ends | None = None, up: Ends | None = None, **style: object
) -> ErrorbarContainer:
    """The point ``(x, y)`` with its intervals: ``across`` along x, ``up`` along y. All intervals of all figures.

    Without a bar where an end is NaN, so that what has no interval does not look as if it were known exactly. The mean
    of equal values can lie a rounding error beyond its interval: its length is then zero.
    """
    lengths = {name: _lengths(value, ends) for name, value, ends in (("xerr", x, across), ("yerr", y, up)) if ends}
    return axes.errorbar(x, y, **lengths, **style)


def _lengths(value: float, ends: Ends) -> np.ndarray:
    """``(2, 1)``: how far an interval reaches to each side of ``value``, never less than zero; NaN stays NaN."""
    low, high = ends
    return np.maximum([[value - low], [high - value]], 0.0)


def save_figure(figure: Figure, folder: Path, name: str, label: str = "", dpi: int = 300) -> list[Path]:
    """Write ``figure`` as PDF and PNG without dates, with ``label`` in small grey print below. Returns both.

    ``dpi``: of the PNG, and of pictures inside the PDF.
    """
    note = figure.text(0.5, -0.01, label, ha="center", va="top", fontsize=5.5, color="0.4")
    paths = []
    for suffix, metadata in ((".pdf", {"CreationDate": None, "Producer": None}), (".png", {"Software": None})):
        paths.append(Path(folder) / f"{name}{suffix}")
        with in_style(), atomic_path(paths[-1]) as temporary:
            figure.savefig(temporary, metadata=metadata, dpi=dpi)
    note.remove()
    return paths
