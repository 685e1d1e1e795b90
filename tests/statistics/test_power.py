"""Power: it grows with everything it should, is alpha without an effect, and the sentence names the fewest concepts."""

import pytest

from c2i_lib.statistics.power import concepts_needed, power, power_table
from c2i_lib.statistics.simulation import Design


def test_power_grows_with_concepts_effect_samples_and_raters():
    base = power(Design(10, 2, 2), 0.3, n_studies=400)
    assert power(Design(30, 2, 2), 0.3, n_studies=400) > base + 0.1
    assert power(Design(10, 2, 2), 0.6, n_studies=400) > base + 0.1
    assert power(Design(10, 6, 2), 0.3, n_studies=400) > base
    assert power(Design(10, 2, 8), 0.3, n_studies=400) > base


def test_without_an_effect_power_is_alpha():
    assert power(Design(10, 5, 4), 0.0) == pytest.approx(0.05, abs=0.02)
    assert power(Design(20, 5, 4), 0.0) == pytest.approx(0.05, abs=0.02)  # random sign patterns


def test_five_concepts_can_never_be_enough():
    """The smallest p of five signs is 2/32, above .05 whatever the effect."""
    assert power(Design(5, 5, 4), 0.9, n_studies=200) == 0


def test_the_sentence_names_the_fewest_concepts_with_the_wanted_power():
    table = power_table((5, 20, 60), (0.1, 0.6), 5, 4, n_studies=300)
    assert table.shape == (6, 3)
    few, many = concepts_needed(table)
    assert "0.1 points needs more than 60 concepts" in few
    assert "0.6 points needs 20 concepts" in many
