"""Concepts as people type them: what is none, and what is remarked on."""

import re

import pytest

from c2i_lib.errors import C2IError
from c2i_lib.text.concepts import MAX_CHARACTERS, clean_concept, remarks, words_in


def test_needless_spaces_go():
    assert clean_concept("  a red \n bicycle ") == "a red bicycle"


def test_no_concept_and_a_book_are_refused():
    with pytest.raises(C2IError, match="the concept is empty"):
        clean_concept(" \t")
    with pytest.raises(C2IError, match=r"at most 1,000 characters, found 44,999 \(9,000 words\): shorten it"):
        clean_concept(" ".join(["word"] * 9000))
    assert len(clean_concept("x" * MAX_CHARACTERS)) == MAX_CHARACTERS


@pytest.mark.parametrize(
    ("concept", "language"),
    [
        ("ein rotes Fahrrad", "German"),
        ("un chat sur une chaise", "French"),
        ("una bicicleta con flores", "Spanish or Italian"),
        ("um cachorro com chapéu", "Portuguese"),
        ("een rode fiets", "Dutch"),
        ("赤い自転車", "no English \\(letters: Cjk, Hiragana\\)"),
        ("красный велосипед", "no English \\(letters: Cyrillic\\)"),
    ],
)
def test_another_language_is_remarked_on(concept, language):
    (remark,) = remarks(concept)
    assert re.search(f"looks like {language}", remark) and "say it in English" in remark


@pytest.mark.parametrize(
    "concept",
    [
        "a red bicycle",
        "bicycle",
        "café au lait",
        "the sea at night",
        "an old man and el Greco",
        "🚲",
        "hot dog",
        "an α particle",
        "the Las Vegas strip",
        "a fox den",
        "déjà vu",
    ],
)
def test_english_is_not_remarked_on(concept):
    assert remarks(concept) == []


@pytest.mark.parametrize("concept", ["a cat without a hat", "No people on a beach", "a dog that doesn't bark"])
def test_what_is_not_there_is_remarked_on(concept):
    (remark,) = remarks(concept)
    assert "says what is not there" in remark and "negative prompt" in remark


def test_a_knot_is_no_negation():
    assert remarks("a knot in a notebook") == []


def test_words_come_once_in_lower_case():
    assert words_in("A cat, a T-shirt & the cat's hat") == ["a", "cat", "t-shirt", "the", "cat's", "hat"]
