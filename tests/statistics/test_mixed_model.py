"""The ordinal mixed model of R's package ordinal: it finds a simulated effect, and its absence is told."""

import pandas as pd
import pytest

from c2i_lib.errors import C2IError
from c2i_lib.statistics import mixed_model
from c2i_lib.statistics.simulation import PAPER_SCALES, Design, shifted, simulate_studies


def study():
    base = PAPER_SCALES["quality"][0]
    ratings, _ = simulate_studies((base, shifted(base, 0.6)), Design(12, 2, 3), 1, seed=0)
    index = pd.MultiIndex.from_product(
        [["base", "ft"], range(12), range(2), range(3)], names=["arm", "concept", "n", "rater"]
    )
    table = pd.DataFrame({"rating": ratings.ravel()}, index=index).reset_index()
    table["image_id"] = table["arm"] + "-" + table["concept"].astype(str) + "-" + table["n"].astype(str)
    return table.assign(question="quality")


@pytest.mark.skipif(not mixed_model.available(), reason=mixed_model.HOW_TO_GET_R)
def test_a_simulated_effect_is_found():
    table, version = mixed_model.fit(study())
    row = table.iloc[0]
    assert (row["arm"], row["baseline"], row["question"]) == ("ft", "base", "quality")
    assert 0 < row["low"] < row["estimate"] < row["high"] and row["p"] < 0.05
    assert version.startswith("R version") and "ordinal" in version


def test_without_r_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(mixed_model.shutil, "which", lambda name: None)
    assert not mixed_model.available()
    with pytest.raises(C2IError, match="apt-get install r-cran-ordinal"):
        mixed_model.fit(study())
