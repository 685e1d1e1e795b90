"""Arms that keep the concept: it is whole in every prompt, and every prompt ends as a caption does."""

import pytest

from c2i_lib.config import load_profile
from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts import PromptRequest, Recipe, Writer
from c2i_lib.study import TOPIC_ARMS
from c2i_lib.text.whole_words import find_whole

CONCEPTS = ["a red bicycle", "cat", "penguin", "an old house next to a tree"]


@pytest.fixture
def profile(tiny_language_model, tiny_tti):
    models = {"language_model.model": str(tiny_language_model), "images.model": str(tiny_tti)}
    return load_profile("smoke", {**models, "prompts.max_redraws": 2, "prompts.candidates": {}})


class Scripted:
    """In place of a model: each draw gives the next text, with its end token or, after a ``|``, a token more."""

    def __init__(self, writer, texts):
        self.tokenizer, self.model, self.texts, self.rows = writer.tokenizer, writer.sampler.model, list(texts), []

    def sample(self, rows, seeds, n_new, settings, n_least=0, not_first=(), banned=()):
        self.rows += [self.tokenizer.decode(row) for row in rows]
        written = []
        for _ in rows:
            text, cut, more = self.texts.pop(0).partition("|")
            ids = self.tokenizer(text, add_special_tokens=False).input_ids
            more_ids = self.tokenizer(more, add_special_tokens=False).input_ids[:1] if cut else []
            # A cut is where the length ends: the writer asks for one token more, to see how the text goes on.
            written.append([*ids[: n_new - 1], *more_ids] if cut else [*ids, self.tokenizer.eos_token_id])
        return written


def write(profile, folder, texts, arm="ft_topic"):
    """The prompt for "cat" where the model would draw ``texts`` one after the other, and what it read.

    Where the first text is cut, it is as long as a prompt may be.
    """
    writer = Writer(arm, Recipe.of(profile), folder)
    writer.sampler = Scripted(writer, texts)
    text, cut, _ = texts[0].partition("|")
    n_tokens = len(writer.tokenizer(text, add_special_tokens=False).input_ids) if cut else 60
    (prompt,) = writer.write([PromptRequest("cat", 0, 1)], n_tokens)
    return prompt, writer.sampler.rows


@pytest.mark.parametrize("arm", TOPIC_ARMS)
def test_the_concept_is_whole_in_every_prompt_and_in_the_window(arm, profile, tiny_language_model):
    """Of a random model, which never draws it. The tiny TTI model sees 16 tokens; a concept that fits stays whole."""
    writer = Writer(arm, Recipe.of(profile), tiny_language_model)
    asked = [PromptRequest(concept, n, seed_of(7, arm, concept, n)) for concept in CONCEPTS for n in range(5)]
    for request, prompt in zip(asked, writer.write(asked, 24), strict=True):
        assert find_whole(prompt.text, request.concept), prompt
        assert prompt.n_tti_tokens == writer.window.count(prompt.text) <= 16
        assert prompt.put_first == prompt.text.startswith(request.concept)


def test_a_prompt_that_has_the_concept_anywhere_is_kept_as_it_is(profile, tiny_language_model):
    prompt, read = write(profile, tiny_language_model, [" a dog and a Cat"])
    assert (prompt.text, prompt.redrawn, prompt.put_first, prompt.ended) == ("a dog and a Cat", 0, False, True)
    assert read == ["<bos>[cat]"]


def test_a_prompt_without_the_concept_is_drawn_again(profile, tiny_language_model):
    """ "cats" is not the concept as it was named."""
    prompt, _ = write(profile, tiny_language_model, [" a dog", " two cats", " a cat icon"])
    assert (prompt.text, prompt.redrawn, prompt.put_first) == ("a cat icon", 2, False)


@pytest.mark.parametrize(("arm", "tags"), [("ft_topic", "[cat]"), ("ft_good", "[cat] [good]")])
def test_as_the_last_resort_the_model_goes_on_from_the_concept(arm, tags, profile, tiny_language_model):
    prompt, read = write(profile, tiny_language_model, [" a dog"] * 3 + [" on a tree"], arm)
    assert (prompt.text, prompt.redrawn, prompt.put_first) == ("cat on a tree", 3, True)
    assert read == [f"<bos>{tags}"] * 3 + [f"<bos>{tags} cat"]


def test_no_redraw_makes_a_prompt_worse(profile, tiny_language_model):
    """Draws with a word of the blacklist do not take the place of a clean one, which gets the concept put first."""
    prompt, _ = write(profile, tiny_language_model, [" a dog", " nude", " nude cat", " nude"])
    assert (prompt.text, prompt.explicit, prompt.put_first, prompt.redrawn) == ("cat, a dog", False, True, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" a cat on the be|ach", "a cat"),  # the next token goes on with the word
        (" a cat on a tree| and", "a cat on a tree"),  # the next token begins another
        (" a cat next to a tree, flat vec|tor", "a cat next to a tree"),
        (" a cat on the| beach", "a cat"),
        (" illustration of a cat|ch", None),  # no cat
        (" a tree, a cat in|side", "a tree, a cat"),
    ],
)
def test_a_prompt_that_is_cut_ends_with_a_phrase_and_not_inside_a_word(text, expected, profile, tiny_language_model):
    other = " a cat icon"
    prompt, _ = write(profile, tiny_language_model, [text, other])
    assert prompt.text == (expected or other.strip())
    assert prompt.ended is (expected is None)


def test_an_end_right_at_the_length_is_an_end(profile, tiny_language_model):
    """The token that is drawn beyond the length is the end token: nothing is cut, whatever the last word."""
    prompt, _ = write(profile, tiny_language_model, [" a cat, noisy|<eos>"])
    assert (prompt.text, prompt.ended) == ("a cat, noisy", True)


def test_a_concept_beyond_the_window_is_put_first(profile, tiny_language_model):
    text = " a dog next to a tree, a guitar, a penguin, a bicycle, a house and a cat"
    prompt, _ = write(profile, tiny_language_model, [text])
    assert prompt.text.startswith("cat, a dog next to a tree") and prompt.cut and prompt.put_first
    assert prompt.n_tti_tokens <= 16
