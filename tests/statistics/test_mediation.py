"""The mechanism: slopes and mediation come back from data that has them, and are absent where they are not."""

import numpy as np
import pandas as pd
import pytest

from c2i_lib.errors import C2IError
from c2i_lib.statistics.mediation import mediation, within_concept_slope


def make(seed=0, n_concepts=40, through=0.5, direct=0.3, arm_to_closeness=1.0, concept_noise=2.0):
    """Images of two arms: the arm makes prompts closer, closeness makes pictures better, and the arm does so itself."""
    random = np.random.default_rng(seed)
    rows = []
    for concept in range(n_concepts):
        liked = concept_noise * random.normal()  # a concept that is close and good for reasons of its own
        for arm, treated in (("base", 0), ("ft", 1)):
            for _ in range(5):
                closeness = arm_to_closeness * treated + liked + random.normal()
                quality = direct * treated + through * closeness - 2 * through * liked + 0.5 * random.normal()
                rows.append((f"concept {concept}", arm, closeness, quality))
    return pd.DataFrame(rows, columns=["concept", "arm", "closeness", "quality"])


def test_paths_come_back_with_the_concepts_own_level_taken_out():
    table = mediation(make(n_concepts=200), "ft", "base", "closeness", "quality", 500).set_index("path")
    expected = {"total": 0.8, "closeness": 1.0, "direct": 0.3, "indirect": 0.5}
    for path, value in expected.items():
        assert table.loc[path, "value"] == pytest.approx(value, abs=0.06)
        assert table.loc[path, "low"] < value < table.loc[path, "high"]
    assert table.loc["total", "value"] == pytest.approx(table.loc[["direct", "indirect"], "value"].sum())


def test_the_total_is_the_difference_of_means():
    data = make()
    means = data.groupby("arm")["quality"].mean()
    total = mediation(data, "ft", "base", "closeness", "quality", 100).set_index("path").loc["total", "value"]
    assert total == pytest.approx(means["ft"] - means["base"])


def test_without_a_path_through_closeness_the_interval_of_it_holds_zero():
    held = 0
    for seed in range(40):
        table = mediation(make(seed, through=0.0), "ft", "base", "closeness", "quality", 400).set_index("path")
        held += table.loc["indirect", "low"] <= 0 <= table.loc["indirect", "high"]
    assert held >= 34


def test_slopes_are_within_concepts_and_not_between_them():
    """Between concepts closeness goes with less quality here, within them with more."""
    data = make(direct=0.0)
    between = data.groupby("concept")[["closeness", "quality"]].mean().corr().iloc[0, 1]
    result = within_concept_slope(data, "closeness", "quality", n_bootstrap=300)
    assert between < 0 < result["low"] < result["slope"] < result["high"] and result["correlation"] > 0.5


def test_within_arms_nothing_of_the_arms_difference_is_left():
    """The arm makes pictures close and good, and closeness itself does nothing."""
    data = make(n_concepts=120, through=0.0, direct=2.0, arm_to_closeness=3.0)
    across = within_concept_slope(data, "closeness", "quality", n_bootstrap=300)
    within = within_concept_slope(data, "closeness", "quality", within_arm=True, n_bootstrap=300)
    assert across["low"] > 0 and within["low"] < 0 < within["high"]


def test_the_slope_is_that_of_a_regression_with_a_constant_for_every_concept():
    data = make(n_concepts=6)
    scaled = data[["closeness", "quality"]] / data[["closeness", "quality"]].std()
    design = np.column_stack([scaled["closeness"], pd.get_dummies(data["concept"]).to_numpy(float)])
    expected = np.linalg.lstsq(design, scaled["quality"], rcond=None)[0][0]
    assert within_concept_slope(data, "closeness", "quality", n_bootstrap=100)["slope"] == pytest.approx(expected)


def test_what_cannot_be_computed_is_told():
    data = make(n_concepts=3)
    with pytest.raises(C2IError, match="closeness has missing values"):
        within_concept_slope(data.assign(closeness=np.nan), "closeness", "quality")
    with pytest.raises(C2IError, match="at least two"):
        mediation(data[data["concept"] == "concept 0"], "ft", "base", "closeness", "quality")
