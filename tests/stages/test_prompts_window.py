"""The window: prompts that the TTI model sees whole."""

import pytest

from c2i_lib.embedded.models import PROMPT_TOKENS
from c2i_lib.errors import ModelError
from c2i_lib.stages.prompts.window import Window


@pytest.fixture(scope="module")
def window(tiny_tti):
    return Window(str(tiny_tti))


def test_a_short_prompt_stays_as_it_is(window):
    found = window.fit("a red bicycle")
    assert found == {"text": "a red bicycle", "n_tti_tokens": window.count("a red bicycle"), "cut": False}


def test_a_long_prompt_is_cut_at_a_word_and_no_earlier_than_needed(window):
    words = "a cat, a dog, a house, a tree, a guitar and a penguin on a white background".split()
    found = window.fit(" ".join(words))
    n_kept = len(found["text"].split())
    assert found["cut"] and found["text"].split() == [*words[: n_kept - 1], words[n_kept - 1].rstrip(",")]
    assert found["n_tti_tokens"] == window.count(found["text"]) <= window.size
    assert window.count(" ".join(words[: n_kept + 1])) > window.size


def test_no_word_is_cut_at_an_apostrophe_or_a_hyphen(window):
    for end in range(1, 12):
        found = window.fit(" ".join(["x"] * end + ["isn't a t-shirt"] * 3))
        assert set(found["text"].split()) <= {"x", "isn't", "a", "t-shirt"}, found["text"]


def test_no_word_is_cut_at_a_vowel_sign(window):
    words = "लाल साइकिल नीला पहाड़ हरी किताब पुराना मकान".split()
    for start in range(len(words)):
        found = window.fit(" ".join(["x"] * start + words))
        kept = found["text"].split()
        assert set(kept) <= {"x", *words} or len(kept) == 1, found["text"]


@pytest.mark.parametrize("rest", ["", " and more"])
def test_a_first_word_that_does_not_fit_is_cut_within(window, rest):
    found = window.fit("q" * 50 + rest)
    assert found["cut"] and found["text"] == "q" * len(found["text"]) and found["n_tti_tokens"] == window.size


def test_the_embedded_models_window_counts_its_begin_and_end():
    window = Window("embedded:scenes")
    assert window.size == PROMPT_TOKENS
    assert window.count("cat") == 3
    assert window.fit("cat " * 40)["n_tti_tokens"] == PROMPT_TOKENS


def test_a_folder_without_a_tokenizer_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ModelError, match="has no tokenizer"):
        Window(str(tmp_path))
