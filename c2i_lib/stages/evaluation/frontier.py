"""Stage 08: the frontier of quality against faithfulness, as n and the gate of the best of n vary.

In: reported and selecting scores. Out: ``frontier.parquet``. Ignored: how the best is chosen
(``statistics/selection.py``).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.config import Profile
from c2i_lib.errors import C2IError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.statistics.selection import frontier

GATES = (0.25, 0.5, 0.75)


def why_not(profile: Profile) -> str:
    """What a profile lacks for the best of n; empty where it lacks nothing."""
    if profile.judges.selection is None:
        return "the profile names no judges to select by (judges.selection)"
    return "" if "concept_only" in profile.prompts.arms else "the gate needs the arm concept_only in prompts.arms"


def draw_frontier(scores_file: Path, selecting_file: Path, out_dir: Path, profile: Profile) -> pd.DataFrame:
    """``frontier`` of all arms of a run, in ``out_dir/frontier.parquet``: n in powers of two up to ``n_per_concept``,
    gates as in ``GATES`` and the profile's own.

    Raises ``C2IError`` where the profile lacks something for it (``why_not``).
    """
    folder, settings = Path(out_dir), profile.analysis
    if reason := why_not(profile):
        raise C2IError(f"no best of n: {reason}; see cpu.yaml for an example")
    own_gate = profile.judges.selection.gate
    key = {**settings.model_dump(), "seed": profile.seed, "gate": own_gate}
    with Stage(folder, key, [scores_file, selecting_file], __name__) as stage:
        if not stage.done:
            candidates = read_table(scores_file).merge(read_table(selecting_file), on="image_id", validate="1:1")
            bare = candidates[candidates["arm"] == "concept_only"]
            candidates = candidates[candidates["concept"].isin(bare["concept"])]  # all bare ones may be flagged
            largest = int(candidates.groupby(["arm", "concept"]).size().min())  # flagged pictures are no candidates
            numbers = sorted({largest, *(2**power for power in range(largest.bit_length()))})
            gates = [None, *sorted({*GATES, own_gate})]
            numbers_of = (settings.n_bootstrap, settings.confidence, profile.seed)
            write_table(folder / "frontier.parquet", frontier(candidates, bare, numbers, gates, *numbers_of))
    return pd.read_parquet(folder / "frontier.parquet")
