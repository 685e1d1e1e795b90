import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from c2i_lib.config import load_profile
from c2i_lib.embedded.captions import BACKGROUNDS, DEGRADATIONS, Pair, make_pairs, with_article
from c2i_lib.embedded.glyphs import load_glyphs, rasterise
from c2i_lib.embedded.rendering import SIZE, render
from c2i_lib.stages.captions import is_explicit

CODES = {glyph.name: glyph.code for glyph in load_glyphs()}
CAT = Pair("pair-000000", "a cat", "bare", (CODES["cat"],))


@pytest.fixture(scope="module")
def pairs():
    return make_pairs()


def test_glyphs_are_named_once_and_picturable():
    glyphs = load_glyphs()
    assert len(glyphs) > 1000
    assert len({glyph.code for glyph in glyphs}) == len(glyphs)
    assert {"cat", "bicycle", "pizza", "flag of Japan"} <= set(CODES)
    assert not {"Aries", "Japanese “here” button", "keycap: 1", "flag of Andorra"} & set(CODES)


def test_a_glyph_is_drawn_on_a_transparent_ground():
    picture = rasterise(CODES["cat"], 32)
    assert picture.shape == (32, 32, 4) and picture.dtype == np.uint8
    assert picture[0, 0, 3] == 0 and picture[..., 3].max() == 255


def test_pairs_are_the_same_for_the_same_seed(pairs):
    assert len(pairs) >= 20_000
    assert make_pairs() == pairs
    assert make_pairs(500, seed=1) == make_pairs(500, seed=1) != make_pairs(500, seed=2)


def test_pairs_have_unique_ids_and_glyphs_that_exist(pairs):
    assert len({pair.pair_id for pair in pairs}) == len(pairs)
    assert {code for pair in pairs for code in pair.codes} == set(CODES.values())
    assert {pair.background for pair in pairs} == set(BACKGROUNDS)
    assert {pair.degradation for pair in pairs} == {None, *DEGRADATIONS}


def test_captions_have_the_dirt_of_the_web(pairs):
    kinds = Counter(pair.kind for pair in pairs)
    assert min(kinds[kind] for kind in ("junk", "empty", "explicit", "poor")) > 100
    captions = Counter(pair.caption.strip() for pair in pairs)
    assert sum(n - 1 for caption, n in captions.items() if caption) > 500
    assert captions[""] == kinds["empty"]


def test_the_blacklist_finds_most_explicit_captions_and_hardly_any_other(pairs):
    flagged = is_explicit([pair.caption for pair in pairs])
    is_bad = np.array([pair.kind == "explicit" for pair in pairs])
    assert flagged[is_bad].mean() > 0.75
    assert flagged[~is_bad].mean() < 0.01


def test_captions_name_what_the_picture_shows(pairs):
    name_of = {code: name for name, code in CODES.items()}
    for pair in pairs:
        if pair.kind in ("bare", "clean", "background", "sized", "two", "poor", "explicit"):
            assert all(name_of[code].lower() in pair.caption.lower() for code in pair.codes), pair
        if pair.kind == "background":
            assert pair.background in pair.caption
        assert (len(pair.codes) == 2) == (pair.kind == "two")


def test_poor_pictures_say_so_in_their_captions_and_clean_ones_do_not(pairs):
    assert all(pair.degradation for pair in pairs if pair.kind == "poor")
    assert not any(pair.degradation for pair in pairs if pair.kind in ("clean", "background", "sized", "two"))


def captions_with(word, captions):
    """How many captions have the word, or its plural."""
    return sum(bool(re.search(rf"\b{word}(e?s)?\b", caption)) for caption in captions)


def test_the_closed_worlds_concepts_are_half_glyphs_of_captions_and_half_words_that_no_caption_has(pairs):
    """What the study takes for granted when it tells concepts that models have met from those that they have not."""
    concepts, captions = load_profile("closed_world").concepts, [pair.caption.lower() for pair in pairs]
    assert {name: len(set(group)) for name, group in concepts.given.items()} == {"glyph_names": 50, "unseen_words": 50}
    assert concepts.n_concepts == 100
    glyph_names, unseen_words = concepts.given["glyph_names"], concepts.given["unseen_words"]
    assert [name for name in glyph_names if name not in CODES or captions_with(name, captions) < 5] == []
    everything = "\n".join((*captions, *(name.lower() for name in CODES)))
    assert [word for word in unseen_words if word in everything] == []


@pytest.mark.parametrize(
    ("name", "phrase"),
    [("cat", "a cat"), ("apple", "an apple"), ("unicorn", "a unicorn"), ("scissors", "scissors"), ("dress", "a dress")],
)
def test_articles(name, phrase):
    assert with_article(name) == phrase


def test_pictures_are_the_same_every_time_and_of_the_right_shape(pairs):
    for pair in pairs[:30]:
        picture = render(pair)
        assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, render(pair))
    assert render(CAT, size=32).shape == (32, 32, 3)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_background_has_its_colour_and_the_glyph_is_on_it(background):
    picture = render(replace(CAT, background=background))
    assert tuple(picture[0, 0]) == BACKGROUNDS[background]
    assert (picture != np.array(BACKGROUNDS[background], np.uint8)).any(axis=2).mean() > 0.1


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_a_degraded_picture_is_another_than_the_clean_one(degradation):
    clean, poor = render(CAT), render(replace(CAT, degradation=degradation))
    assert np.abs(clean.astype(int) - poor).mean() > 3


def test_noise_differs_between_pairs_and_blur_does_not():
    for degradation, same in (("noise", False), ("blur", True)):
        first, second = (render(replace(CAT, pair_id=name, degradation=degradation)) for name in ("pair-1", "pair-2"))
        assert np.array_equal(first, second) == same


def test_an_unknown_degradation_is_refused():
    with pytest.raises(ValueError, match="'burn'"):
        render(replace(CAT, degradation="burn"))


def test_sizes_are_small_normal_and_large():
    covered = [(render(replace(CAT, scale=scale)) != 255).any(axis=2).mean() for scale in ("small", "normal", "large")]
    assert covered[0] * 1.5 < covered[1] < covered[2]


def test_two_objects_stand_side_by_side():
    both = render(replace(CAT, codes=(CODES["cat"], CODES["pizza"])))
    other = render(replace(CAT, codes=(CODES["cat"], CODES["bicycle"])))
    half = SIZE // 2
    np.testing.assert_array_equal(both[:, :half], other[:, :half])
    assert not np.array_equal(both[:, half:], other[:, half:])
    assert (both[:, :half] != 255).any() and (both[:, half:] != 255).any()
