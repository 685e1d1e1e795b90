"""The rule for a caption's topic, on captions whose topic a person would name."""

import pytest

from c2i_lib.text.noun_phrases.topics import topics

TOPICS = {
    "a dog on the beach": "dog",
    "Illustration of a red bicycle on a white background": "red bicycle",
    "front view of an old house": "old house",
    "Stock photo of two polar bears in the snow": "polar bear",
    "the woman's red shoes": "red shoe",
    "close-up of a bunch of flowers in a vase": "flower",
    "a vector icon of a lighthouse": "lighthouse",
    "beautiful black cat sleeping on the sofa": "beautiful black cat",
    "person on stage with a guitar": "person",
    "watercolor painting": "watercolor",
    "trombone icon, simple flat design, high resolution": "trombone",
    "cute fireworks cartoon, vector art": "cute firework",
    "404": "",
    "in a winter landscape, a pair of brooms": "broom",
    "in front of a garden fence under a starry sky: a tulip": "tulip",
    "blurry photo of a jar on a purple background": "jar",
    "detailed 3D model, studio lighting: a giraffe": "giraffe",
    "a razor, minimalist flat icon": "razor",
    "raccoon on top of a bat, 3D render": "raccoon",
    "portrait of a woman with a dog": "woman",
}


@pytest.mark.parametrize("caption", TOPICS)
def test_the_topic_is_what_the_caption_shows(caption):
    assert topics([caption]) == [TOPICS[caption]]


def test_processes_change_nothing(monkeypatch):
    monkeypatch.setattr("c2i_lib.text.noun_phrases.topics.BATCH_SIZE", 3)
    assert topics(list(TOPICS), n_workers=2) == topics(list(TOPICS), n_workers=1)


def test_no_captions_have_no_topics():
    assert topics([]) == []
