"""What of a chat model's answer is the caption: its politeness would be drawn, too."""

import pytest

from c2i_lib.text.answers import caption_of

ANSWERS = {
    "a dog on the beach": "a dog on the beach",
    "A dog on the beach.\n\nThis caption describes a dog.": "A dog on the beach.",
    'Sure! Here is a caption for a picture of a dog:\n\n"A dog on the beach, 3D"': "A dog on the beach, 3D",
    'Here\'s a short caption: "A dog." I hope that helps!': "A dog.",
    "**Caption:** a dog at sunset": "a dog at sunset",
    "1. a dog\n2. a cat": "a dog",
    "- “a dog in space”": "a dog in space",
    "Image prompt: a dog, 3D render": "a dog, 3D render",
    "Caption 1: a dog": "a dog",
    "Certainly, a dog at night": "a dog at night",
    "a dog: a portrait": "a dog: a portrait",
    "dog's bone": "dog's bone",
    "Here is a dog": "Here is a dog",
    "": "",
    '""\n***\n': "",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_caption_is_the_first_line_without_politeness_and_marks(answer):
    assert caption_of(answer) == ANSWERS[answer]
