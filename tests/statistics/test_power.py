"""Power: it grows with everything it should, is alpha without an effect, and the sentence names the fewest concepts."""

import pytest

from c2i_lib.statistics.effects import POPULATION, THESE
from c2i_lib.statistics.power import concepts_needed, power, power_table
from c2i_lib.statistics.simulation import Design
from c2i_lib.study import ITEM_SHARE, PAPER_SCALES

PAPER = (PAPER_SCALES["quality"][0], ITEM_SHARE["quality"])


def test_power_grows_with_concepts_effect_samples_and_raters():
    base = power(Design(10, 2, 2), 0.3, *PAPER, n_studies=400)
    assert power(Design(30, 2, 2), 0.3, *PAPER, n_studies=400) > base + 0.1
    assert power(Design(10, 2, 2), 0.6, *PAPER, n_studies=400) > base + 0.1
    assert power(Design(10, 6, 2), 0.3, *PAPER, n_studies=400) > base
    assert power(Design(10, 2, 8), 0.3, *PAPER, n_studies=400) > base


@pytest.mark.parametrize("raters", [POPULATION, THESE])
def test_without_an_effect_power_is_alpha(raters):
    assert power(Design(10, 5, 4), 0.0, *PAPER, raters=raters) == pytest.approx(0.05, abs=0.02)
    assert power(Design(20, 5, 4), 0.0, *PAPER, raters=raters) == pytest.approx(0.05, abs=0.02)  # random sign patterns


def test_five_concepts_can_never_be_enough():
    """The smallest p of five signs is 2/32, above .05 whatever the effect."""
    assert power(Design(5, 5, 4), 0.9, *PAPER, n_studies=200, raters=THESE) == 0


def test_what_holds_for_all_raters_takes_more_raters_and_not_more_concepts_alone():
    few, many = (power(Design(100, 5, n_raters), 0.15, *PAPER, n_studies=300) for n_raters in (4, 30))
    assert power(Design(30, 5, 4), 0.15, *PAPER, n_studies=300) > few - 0.15
    assert many > few + 0.3


def test_the_sentence_names_the_fewest_concepts_with_enough_power():
    table = power_table([Design(n, 5, 4) for n in (5, 20, 60)], (0.1, 0.6), *PAPER, n_studies=300)
    assert table.shape == (6, 3)
    few, many = concepts_needed(table)
    assert "0.1 points needs more than 60 concepts" in few
    assert "0.6 points needs 20 concepts" in many
