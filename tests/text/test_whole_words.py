"""Whether a prompt still says the concept: as it was named, and as words of their own."""

import pytest

from c2i_lib.text.whole_words import find_whole


@pytest.mark.parametrize(
    ("text", "phrase", "span"),
    [
        ("a dog on the beach", "dog", (2, 5)),
        ("Red  Bicycle, flat icon", "red bicycle", (0, 12)),
        ("photo: (dog)", "dog", (8, 11)),
        ("a t-shirt with 50% (off)", "50% (off)", (15, 24)),
        ("ein schönes Haus", "haus", (12, 16)),
    ],
)
def test_a_phrase_is_found_verbatim_case_and_spaces_aside(text, phrase, span):
    assert find_whole(text, phrase) == span


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("a catalogue", "cat"),
        ("two dogs", "dog"),
        ("a bicycle, red", "red bicycle"),
        ("a dog-like thing", "dog"),
        ("the dog's bone", "dog"),
        ("a hot-dog", "dog"),
        ("a dog", ""),
    ],
)
def test_what_is_no_whole_mention_is_none(text, phrase):
    assert find_whole(text, phrase) is None
