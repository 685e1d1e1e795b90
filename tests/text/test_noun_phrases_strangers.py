"""What in a prompt is not of the concept: a second animal is, the beach and the style are not."""

import pytest

from c2i_lib.text.noun_phrases.strangers import Things, head_of, things_beside

NO_STRANGERS = [
    ("a dog on the beach, glossy 3D render, soft light", "dog"),
    ("two dogs in the snow at night", "dog"),
    ("A dog, flat vector icon on a red background", "dog"),
    ("detailed 3D model, studio lighting: a guitar", "guitar"),
    ("a guitar in front of a green wall", "guitar"),
    ("a red bicycle with big wheels", "red bicycle"),
    ("stock photo of a castle by a lake under a rainbow", "castle"),
    ("404", "dog"),
    ("", "dog"),
]
STRANGERS = [
    ("a dog next to a horse", "dog", ["horse"]),
    ("a dog on a horse", "dog", ["horse"]),
    ("a cat on the beach", "dog", ["cat"]),
    ("illustration of a woman with a dog", "dog", ["woman"]),
    ("a guitar beside a coffin and a horse", "guitar", ["coffin", "horse"]),
]


@pytest.mark.parametrize(("text", "concept"), NO_STRANGERS)
def test_style_place_parts_and_the_concept_itself_are_no_strangers(text, concept):
    assert things_beside([text], concept)[0].strangers == []


@pytest.mark.parametrize(("text", "concept", "strangers"), STRANGERS)
def test_a_thing_of_another_kind_is_a_stranger_though_it_may_be_near_in_meaning(text, concept, strangers):
    assert things_beside([text], concept)[0].strangers == strangers


def test_another_name_of_the_concept_is_no_stranger():
    assert things_beside(["a puppy in the park", "a bike"], "dog")[0] == Things([], ["puppy"])
    assert things_beside(["a red bike on the street"], "red bicycle")[0] == Things([], ["bike"])


@pytest.mark.parametrize(
    ("concept", "head"),
    [("dogs", "dog"), ("red bicycle", "bicycle"), ("flag of France", "flag"), ("house with garden", "house"), ("", "")],
)
def test_the_head_of_a_concept_is_what_it_is(concept, head):
    assert head_of(concept) == head
