"""The embedded world as a data set: captions with the dirt of the web, and concepts that it has and has not."""

from collections import Counter

import numpy as np
import pytest

from c2i_lib.embedded.pairs import make_pairs
from c2i_lib.stages.captions import is_explicit


@pytest.fixture(scope="module")
def pairs():
    return make_pairs()


def test_captions_have_the_dirt_of_the_web(pairs):
    kinds = Counter(pair.kind for pair in pairs)
    assert len(pairs) >= 20_000 and min(kinds[kind] for kind in ("junk", "empty", "explicit")) > 100
    captions = Counter(pair.caption.strip() for pair in pairs)
    assert sum(n - 1 for caption, n in captions.items() if caption) > 500
    assert captions[""] == kinds["empty"]


def test_the_blacklist_finds_most_explicit_captions_and_hardly_any_other(pairs):
    flagged = is_explicit([pair.caption for pair in pairs])
    is_bad = np.array([pair.kind == "explicit" for pair in pairs])
    assert flagged[is_bad].mean() > 0.7
    assert flagged[~is_bad].mean() < 0.01
