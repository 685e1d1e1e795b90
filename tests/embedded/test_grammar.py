"""Captions of the embedded world: English, true of their scene, and different between the dialects."""

import random
from collections import Counter

import pytest

from c2i_lib.embedded.grammar import DIALECTS, write_caption
from c2i_lib.embedded.nouns import is_countable, plural, with_article
from c2i_lib.embedded.pairs import ingredients, make_pairs
from c2i_lib.embedded.sampling import countable_things, draw_example
from c2i_lib.embedded.scenes import Scene, Thing


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("umbrella", "an umbrella"),
        ("unicorn", "a unicorn"),
        ("UFO", "a UFO"),
        ("hourglass", "an hourglass"),
        ("Christmas tree", "a Christmas tree"),
        ("Santa Claus", "Santa Claus"),
        ("flag of Canada", "the flag of Canada"),
        ("jeans", "jeans"),
        ("bus", "a bus"),
        ("octopus", "an octopus"),
        ("bread", "bread"),
        ("horse", "a horse"),
        ("fish", "a fish"),
        ("euro banknote", "a euro banknote"),
    ],
)
def test_articles(name, phrase):
    assert with_article(name) == phrase


@pytest.mark.parametrize(
    ("name", "several"),
    [
        ("cup of coffee", "cups of coffee"),
        ("mouse", "mice"),
        ("cherry", "cherries"),
        ("fox", "foxes"),
        ("polar bear", "polar bears"),
        ("old woman", "old women"),
        ("house with garden", "houses with garden"),
        ("knife", "knives"),
        ("toy", "toys"),
    ],
)
def test_plurals(name, several):
    assert plural(name) == several


def test_what_cannot_be_counted_is_not():
    assert not any(is_countable(name) for name in ("jeans", "bread", "Santa Claus", "flag of Chile", "1st place medal"))
    assert len(countable_things()) > 100


def captions(scene, dialect, styled, n=40):
    random_ = random.Random(3)
    return [write_caption(scene, random_, dialect, styled).lower() for _ in range(n)]


def test_captions_say_what_is_in_the_scene():
    scene = Scene((Thing("dog", count=2),), place="snow", time="night")
    for caption in captions(scene, "A", False):
        assert "dogs" in caption and ("two" in caption or "pair" in caption) and "night" in caption
        assert "snow" in caption or "winter" in caption


def test_a_flaw_is_named_only_when_asked():
    scene = Scene((Thing("lion"),), degradation="blur")
    assert all("blurry" in caption or "out of focus" in caption for caption in captions(scene, "A", True))
    assert not any("blurry" in caption or "focus" in caption for caption in captions(scene, "A", False))


def test_the_dialects_have_different_words_for_the_same():
    scene = Scene((Thing("lion"),), place="forest", time="dusk")
    styled = {dialect: set(" ".join(captions(scene, dialect, True)).replace(",", " ").split()) for dialect in DIALECTS}
    assert {"glossy", "dusk"} <= styled["A"] - styled["B"]
    assert {"polished", "woods"} <= styled["B"] - styled["A"]


def test_captions_vary_and_keep_to_the_prompt_length():
    random_ = random.Random(11)
    texts = [draw_example(random_).caption for _ in range(400)]
    assert len(set(texts)) > 380
    assert max(len(text.split()) for text in texts) < 32
    assert not any("{" in text or "  " in text or text != text.strip() for text in texts)


def test_the_same_seed_writes_the_same_captions():
    assert [draw_example(random.Random(2)).caption for _ in range(3)] == [
        draw_example(random.Random(2)).caption for _ in range(3)
    ]


def test_pairs_are_what_a_crawl_gives():
    pairs = make_pairs(1500, seed=4)
    kinds = Counter(pair.kind for pair in pairs)
    assert len({pair.pair_id for pair in pairs}) == 1500
    assert kinds["ordinary"] > 1300 and min(kinds[kind] for kind in ("junk", "explicit", "empty")) > 3
    assert any(not pair.caption.strip() for pair in pairs)
    assert len({pair.caption for pair in pairs}) < 1500, "duplicates"
    assert pairs == make_pairs(1500, seed=4)
    assert {pair.dialect for pair in make_pairs(200, dialects=("A",))} <= {"A", None}


def test_ingredients_say_what_the_scene_has():
    scene = Scene((Thing("cat", "red"), Thing("books")), "on", place="room", degradation="blur")
    row = ingredients(scene)
    assert row["thing"] == "cat" and row["color"] == "red" and row["other_thing"] == "books"
    assert row["relation"] == "on" and row["place"] == "room" and row["degradation"] == "blur" and row["time"] is None
