"""The embedded world as a data set: captions with the dirt of the web, and concepts that it has and has not."""

import re
from collections import Counter

import numpy as np
import pytest

from c2i_lib.config import load_profile
from c2i_lib.embedded.named_scenes import named_scenes
from c2i_lib.embedded.pairs import make_pairs
from c2i_lib.embedded.sprites import sprites_by_name, sprites_by_word
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


def captions_with(word: str, captions: list[str]) -> int:
    """How many captions have the word, or its plural."""
    return sum(bool(re.search(rf"\b{word}(e?s)?\b", caption)) for caption in captions)


def test_the_closed_worlds_concepts_are_half_things_of_captions_and_half_words_that_no_caption_has(pairs):
    """What the study takes for granted when it tells concepts that models have met from those that they have not."""
    concepts, captions = load_profile("closed_world").concepts, [pair.caption.lower() for pair in pairs]
    sizes = {name: len(set(group)) for name, group in concepts.given.items()}
    assert sizes == {"names_of_things": 50, "unseen_words": 50} and concepts.n_concepts == 100
    names, unseen_words = concepts.given["names_of_things"], concepts.given["unseen_words"]
    assert [name for name in names if name not in sprites_by_name() or captions_with(name, captions) < 5] == []
    scenes = [name.lower() for recipe in named_scenes().values() for name in recipe.names]
    everything = "\n".join((*captions, *sprites_by_word(), *scenes))
    assert [word for word in unseen_words if word in everything] == []
