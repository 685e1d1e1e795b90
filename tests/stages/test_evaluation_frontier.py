"""A run's frontier: both judges are joined, it is drawn once, and what it lacks is named."""

import pandas as pd
import pytest
from candidates import make_candidates

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.stages.evaluation import frontier as stage
from c2i_lib.statistics.selection import REPORTED, SELECTING


def test_a_runs_frontier_joins_both_judges_and_is_drawn_once(write_stage, tmp_path, monkeypatch):
    candidates, bare = make_candidates(n_concepts=6, n=3)
    own = bare.assign(arm="concept_only", selecting_quality=0.0, quality=0.0, faithfulness=0.0)
    table = pd.concat([own.groupby("concept").head(3), candidates], ignore_index=True)
    table["image_id"] = [f"i{n}" for n in range(len(table))]
    parts = [table[["image_id", "arm", "concept", *REPORTED]], table[["image_id", *SELECTING]]]
    scores = write_stage(tmp_path / "08_judges" / "scores", scores=parts[0])
    judged = write_stage(tmp_path / "08_judges" / "selecting", selecting=parts[1])
    places = (scores / "scores.parquet", judged / "selecting.parquet", tmp_path / "08_judges" / "frontier")
    drawn = stage.draw_frontier(*places, load_profile("smoke"))
    assert set(drawn["arm"]) == {"concept_only", "base", "ft_tags"} and set(drawn["n"]) == {1, 2, 3}
    assert set(drawn["gate"].dropna()) == {0.25, 0.5, 0.75} and drawn["gate"].isna().sum() == 9
    monkeypatch.setattr(stage, "frontier", None)  # drawing again would raise
    pd.testing.assert_frame_equal(stage.draw_frontier(*places, load_profile("smoke")), drawn)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"judges.selection": None}, "judges.selection"),
        ({"prompts.arms": ["base", "ft"], "survey.arms": ["base", "ft"]}, "concept_only"),
    ],
)
def test_what_the_best_of_n_lacks_is_named(changed, reason, tmp_path):
    profile = load_profile("smoke", changed)
    assert reason in stage.why_not(profile)
    with pytest.raises(C2IError, match=reason):
        stage.draw_frontier(tmp_path / "a", tmp_path / "b", tmp_path / "c", profile)
    assert stage.why_not(load_profile("smoke")) == ""
