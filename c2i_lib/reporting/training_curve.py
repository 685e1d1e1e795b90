"""A training curve that grows in a notebook while a model trains.

In: rows of a training log, one by one. Out: a picture in the cell's output, redrawn every few seconds. Ignored: batch
runs need no special case; the executed notebook holds the last picture.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import DisplayHandle, display

from c2i_lib.reporting.figures import plot_training


class LiveCurve:
    """Give it to ``finetuning.finetune`` as ``on_step``. ``seconds``: the shortest time between two pictures."""

    def __init__(self, arm: str, seconds: float = 10.0):
        self.arm, self.seconds, self.rows = arm, seconds, []
        self.handle: DisplayHandle | None = None
        self.drawn = time.monotonic()

    def __call__(self, row: Mapping) -> None:
        self.rows.append(dict(row))
        if time.monotonic() - self.drawn >= self.seconds:
            self.draw()

    def draw(self) -> None:
        """Show all rows so far in place of the picture before."""
        figure = plot_training({self.arm: pd.DataFrame(self.rows)})
        if self.handle is None:
            self.handle = display(figure, display_id=True)
        else:
            self.handle.update(figure)
        plt.close(figure)
        self.drawn = time.monotonic()
