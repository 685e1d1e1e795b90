"""A run knows how the intervals of its tables come about."""

import pytest

from c2i_lib.run.places import open_run
from c2i_lib.statistics.bootstrap import Resampling


@pytest.mark.parametrize("seed", [0, 7])
def test_intervals_of_a_run_follow_its_profile(seed, tmp_path):
    overrides = {"analysis.n_bootstrap": 123, "analysis.confidence": 0.9, "seed": seed}
    assert open_run("smoke", tmp_path / "run", overrides=overrides).resampling == Resampling(123, 0.9, seed)
