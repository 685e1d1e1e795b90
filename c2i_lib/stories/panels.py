"""``panels.parquet``: a row a panel, with what it shows, what it was made from, and the command that makes it again.

In: the panels' pictures. Out: a table with ``PANEL_COLUMNS``. Scores are those of the judges that choose, and NaN where
nothing was chosen. Ignored: pixels.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from c2i_lib.stories.illustrating import PanelPicture

PANEL_COLUMNS = {
    "panel": "int64",  # its number, from 1, in the order of the plan
    "caption": "str",
    "text": "str",  # of the story
    "on_stage": "str",  # characters, by "; "
    "place": "str",
    "time": "str",
    "concept": "str",  # what the prompt was asked for, the style aside
    "prompt": "str",
    "seed": "int64",
    "file": "str",  # the picture, from the folder of the storyboard
    "dropped": "str",  # what the TTI model's window had no room for, by "; "
    "flagged": "str",
    "best_of": "int64",
    "quality": "float64",
    "faithfulness": "float64",
    "likeness": "float64",  # mean cosine with the pictures of its characters in other panels
    "command": "str",
}


def panel_table(made: Sequence[PanelPicture], folder: Path, run: str) -> pd.DataFrame:
    """A row a panel. ``folder``: what ``file`` starts from; ``run``: as ``--run-dir`` takes it."""
    rows = []
    for number, one in enumerate(made, 1):
        panel, picture = one.panel, one.picture
        file = picture.path.relative_to(folder).as_posix() if picture.path else ""
        story = (number, panel.caption, panel.text, "; ".join(panel.on_stage), panel.place, panel.time)
        drawn = (picture.source.concept, picture.prompt, picture.seed, file, "; ".join(one.dropped), picture.flagged)
        scores = [np.nan if score is None else score for score in (picture.quality, picture.faithfulness)]
        command = shlex.join(["c2i", *one.command, "--run-dir", run])
        rows.append((*story, *drawn, one.best_of, *scores, one.likeness, command))
    return pd.DataFrame(rows, columns=list(PANEL_COLUMNS))
