"""Where a prompt that was cut ends: after a phrase, never before a noun or in a word."""

import pytest

from c2i_lib.text.endings import last_complete_phrase

CUT = {
    "a dog on the beach, glossy 3D": "a dog on the beach",
    "a dog on the beach, glossy": "a dog on the beach",
    "a dog on the": "a dog",
    "two cats and a red": "two cats",
    "a cat sleeping on the": "a cat sleeping",
    "a castle at night, cartoon style, bold colors,": "a castle at night, cartoon style, bold colors",
    "a house (old": "a house",
    "photo of a dog -": "photo of a dog",
}


@pytest.mark.parametrize("text", CUT)
def test_a_cut_text_ends_with_its_last_complete_phrase(text):
    assert last_complete_phrase(text) == CUT[text]


@pytest.mark.parametrize("text", ["a dog on the beach", "Igloo in the snow.", "a castle at night, bold colors", "dog"])
def test_a_text_that_ends_well_stays(text):
    assert last_complete_phrase(text) == text


@pytest.mark.parametrize("text", ["the", "a beautiful", "猫 と 犬", "4 5", ""])
def test_where_no_word_can_end_a_phrase_all_stays(text):
    assert last_complete_phrase(text) == text


def test_no_text_ends_between_hyphens():
    assert last_complete_phrase("jpg of a jack-o-") == "jpg"
