"""Tags of quality: the best third is good, and good is always something that training has shown."""

import numpy as np
import pytest

from c2i_lib.text.quality_tags import BEST, WORDS, Terciles


def test_thirds_of_different_values_are_equally_large():
    values = np.random.default_rng(0).permutation(300)
    words = Terciles.of(values).words(values)
    assert [words.count(word) for word in WORDS] == [100, 100, 100]
    assert min(values[np.array(words) == BEST]) == 200


@pytest.mark.parametrize("n_good", [1, 20, 36, 64, 80, 99])
def test_two_values_are_poor_and_good_however_often_each_occurs(n_good):
    """As in the embedded world: a tag that no caption has would be asked for in vain."""
    values = [1.0] * n_good + [0.0] * (100 - n_good)
    words = Terciles.of(values).words([1.0, 0.0, 0.5])
    assert words == ["good", "poor", "fair"]


def test_captions_without_a_quality_have_no_tag_and_move_no_border():
    values = [*range(9), *[np.nan] * 20]
    assert Terciles.of(values) == Terciles.of(range(9)) == Terciles(2.0, 6.0)
    assert Terciles.of(values).words([np.nan, 9, -1]) == ["", "good", "poor"]


@pytest.mark.parametrize("values", [[], [np.nan], [3.0, 3.0, np.nan]])
def test_without_two_different_qualities_there_are_no_thirds(values):
    with pytest.raises(ValueError, match="two different numbers"):
        Terciles.of(values)
