"""How close texts are to captions, and how varied."""

import pytest
from tiny_models import CAPTIONS

from c2i_lib.text.similarity import CaptionIndex, diversity, nearest_captions


def test_the_nearest_caption_is_the_most_similar_one():
    table = nearest_captions(["a red bicycle", "Blurry  PHOTO of a house", "qqqq"], list(CAPTIONS))
    assert table["nearest_caption"].tolist()[:2] == [CAPTIONS[0], CAPTIONS[2]]
    assert table["similarity"][1] == pytest.approx(1, abs=1e-3)
    assert 0 < table["similarity"][0] < 1
    assert table["similarity"][2] == 0


def test_an_index_gives_the_nearest_captions_in_order_and_knows_their_words():
    index = CaptionIndex(CAPTIONS)
    found = index.nearest("a red bicycle", 3)
    assert found[0][0] == CAPTIONS[0] and [value for _, value in found] == sorted(dict(found).values(), reverse=True)
    assert found[:1] == index.nearest("a red bicycle")
    assert {"bicycle", "background", "a"} < index.words and "motorcycle" not in index.words


def test_copied_means_a_caption_word_for_word():
    texts = [CAPTIONS[0], CAPTIONS[0].upper().replace(" ", "  "), CAPTIONS[0] + "s", "a red bicycle"]
    assert nearest_captions(texts, list(CAPTIONS))["copied"].tolist() == [True, True, False, False]


def test_diversity_counts_distinct_words_and_pairs():
    found = diversity(["a cat and a dog", "a cat"])
    assert found == {"type_token_ratio": 4 / 7, "distinct_2": 4 / 5, "distinct_3": 3 / 3}
    assert diversity([""]) == {"type_token_ratio": 0.0, "distinct_2": 0.0, "distinct_3": 0.0}
