"""The arm retrieved: captions nearest in meaning, each once, and never the bare concept."""

import pytest

from c2i_lib.errors import C2IError
from c2i_lib.stages.prompts.lookup import Lookup

CAPTIONS = [
    "a bicycle leaning on a wall",
    "kitten on a sofa",
    "a dog in the park",
    "photo of a cat sleeping",
]


def all_of(captions, concept):
    """All captions that a look-up gives, the nearest first."""
    lookup, found = Lookup(captions), []
    while True:
        try:
            found.append(lookup.nearest(concept, len(found)))
        except C2IError:
            return found


def test_captions_come_in_the_order_of_their_meaning_and_not_of_their_words():
    """Kitten shares no word with cat."""
    found = all_of(CAPTIONS, "cat")
    assert found[:2] == ["photo of a cat sleeping", "kitten on a sofa"] and found[-1] == CAPTIONS[0]
    assert sorted(found) == sorted(CAPTIONS)
    assert Lookup(CAPTIONS).nearest("old bike", 0) == CAPTIONS[0]


def test_the_order_of_the_captions_changes_nothing():
    assert all_of(CAPTIONS, "cat") == all_of(CAPTIONS[::-1], "cat")


@pytest.mark.parametrize("concept", ["ice cream", "Ice  Cream"])
def test_the_bare_concept_is_left_out_with_or_without_its_article(concept):
    bare = ["ice cream", "an ice cream", "A Ice Cream", "the  ice cream ", "ICE CREAM"]
    assert all_of([*bare, "two ice creams", "the ice cream van"], concept) == ["two ice creams", "the ice cream van"]


def test_captions_that_differ_in_case_and_spaces_alone_are_one():
    captions = ["Photo  of a Cat\n", "photo of a cat", "PHOTO OF A CAT", "a dog"]
    assert all_of(captions, "cat") == ["Photo of a Cat", "a dog"]


def test_too_few_captions_are_told_with_the_prompt_that_lacks_one():
    lookup = Lookup(["a cat", "A CAT", "cats in a row", "a dog"])
    with pytest.raises(C2IError, match="2 captions are too few for prompt 3 of 'cat': give more captions"):
        lookup.nearest("cat", 2)


def test_without_captions_there_is_nothing_to_look_up():
    with pytest.raises(C2IError, match="retrieved needs captions to look in: run stage 01"):
        Lookup([])
