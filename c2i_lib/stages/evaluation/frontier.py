"""Stage 08: the frontier of quality against faithfulness, as n and the gate of the best of n vary.

In: reported and selecting scores. Out: ``frontier.parquet``. Ignored: how the best is chosen
(``statistics/selection.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from c2i_lib.config.judges import NO_SELECTION, Judges
from c2i_lib.errors import C2IError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.stages.evaluation.scores import SELECTING
from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.selection import frontier, frontier_columns
from c2i_lib.study import QUESTIONS

GATES = (0.25, 0.5, 0.75)
BARE = "concept_only"  # the arm whose pictures make the gate
FRONTIER_COLUMNS = frontier_columns(QUESTIONS)


def what_is_missing(judges: Judges, arms: Sequence[str]) -> str:
    """What a profile lacks for the best of n; empty where it lacks nothing."""
    if judges.selection is None:
        return NO_SELECTION
    return "" if BARE in arms else f"the gate needs the arm {BARE} in prompts.arms (see cpu.yaml)"


def analyse_frontier(
    scores_file: Path, selecting_file: Path, out_dir: Path, judges: Judges, arms: Sequence[str], resampling: Resampling
) -> pd.DataFrame:
    """``selection.frontier`` of all arms of a run, in ``out_dir/frontier.parquet``: n in powers of two up to
    ``n_per_concept``, gates as in ``GATES`` and the profile's own.

    Raises ``C2IError`` where the profile lacks something for it (``what_is_missing``).
    """
    folder = Path(out_dir)
    if reason := what_is_missing(judges, arms):
        raise C2IError(f"no best of n: {reason}")
    own_gate = judges.need_selection().gate
    with Stage(folder, {**asdict(resampling), "gate": own_gate}, [scores_file, selecting_file], __name__) as stage:
        if not stage.done:
            candidates = read_table(scores_file).merge(read_table(selecting_file), on="image_id", validate="1:1")
            bare = candidates[candidates["arm"] == BARE]
            candidates = candidates[candidates["concept"].isin(bare["concept"])]  # all bare ones may be flagged
            largest = int(candidates.groupby(["arm", "concept"]).size().min())  # flagged pictures are no candidates
            sizes = sorted({largest, *(2**power for power in range(largest.bit_length()))})
            gates = [None, *sorted({*GATES, own_gate})]
            table = frontier(candidates, bare, sizes, gates, SELECTING, QUESTIONS, resampling)
            write_table(folder / "frontier.parquet", table, FRONTIER_COLUMNS)
    return pd.read_parquet(folder / "frontier.parquet")
