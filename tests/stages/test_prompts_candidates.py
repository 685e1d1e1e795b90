"""Best of n by text alone: the prompt that is taken keeps the concept, adds no thing and promises a good picture."""

import pytest

from c2i_lib.config import load_profile
from c2i_lib.errors import ProfileError
from c2i_lib.models.language_model import load_language_model, load_tokenizer
from c2i_lib.stages.prompts import PromptRequest, Recipe, Writer
from c2i_lib.stages.prompts.candidates import candidates_of, choose
from c2i_lib.stages.prompts.gate import log_likelihoods
from c2i_lib.stages.prompts.prompt import Prompt


@pytest.fixture
def profile(tiny_language_model, tiny_tti):
    models = {"language_model.model": str(tiny_language_model), "images.model": str(tiny_tti)}
    return load_profile("smoke", {**models, "prompts.max_redraws": 1, "prompts.candidates": {"ft_good": 4}})


@pytest.fixture
def make(profile, tiny_language_model):
    def make(arm):
        return Writer(arm, Recipe.of(profile), tiny_language_model)

    return make


def prompts(*texts):
    return [Prompt(text, 5, True) for text in texts]


def test_the_first_candidate_is_the_prompt_itself_and_no_two_are_alike():
    asked = candidates_of([PromptRequest("cat", 0, 7), PromptRequest("dog", 0, 8)], 3)
    assert [request.concept for request in asked] == ["cat"] * 3 + ["dog"] * 3
    assert (asked[0].seed, asked[3].seed) == (7, 8) and len({request.seed for request in asked}) == 6


def test_a_stranger_is_never_taken_where_another_text_passes(make):
    chosen = choose(make("ft_topic"), "dog", prompts("a dog and a horse", "a cat", "a dog, soft light"), 4)
    assert (chosen.text, chosen.n_candidates, chosen.n_passed) == ("a dog, soft light", 4, 1)


def test_parts_of_a_concept_are_no_strangers_to_it(make):
    chosen = choose(make("ft_topic"), "a cat and a dog", prompts("a cat, a dog, a horse", "a cat and a dog"), 2)
    assert (chosen.text, chosen.n_passed) == ("a cat and a dog", 1)


def test_ft_good_takes_a_likely_text_of_the_words_of_good_pictures(make):
    texts = ["a dog in the snow", "a dog, soft light", "a dog at night", "a dog"]
    writer = make("ft_good")
    tokenizer, model = writer.tokenizer, writer.sampler.model

    def log_likelihood(tag, text):
        front = [tokenizer.bos_token_id, *tokenizer(f"[dog] [{tag}]", add_special_tokens=False).input_ids]
        own = [*tokenizer(f" {text}", add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        rows = [([*front, *own[:index]], own[index]) for index in range(len(own))]
        return sum(next_token(model, front)[token] for front, token in rows), len(own)

    good = {text: log_likelihood("good", text) for text in texts}
    promises = {text: good[text][0] - log_likelihood("poor", text)[0] for text in texts}
    scores = {text: promises[text] + good[text][0] / good[text][1] for text in texts}
    assert choose(writer, "dog", prompts(*texts), 4).text == max(scores, key=scores.get)


def next_token(model, front):
    import torch

    with torch.inference_mode():
        return model(torch.tensor([front])).logits[0, -1].double().log_softmax(-1).tolist()


def test_a_likelihood_depends_on_its_own_text_alone(tiny_language_model):
    model, tokenizer = load_language_model(str(tiny_language_model)), load_tokenizer(str(tiny_language_model))
    rows = [([1, 5], [7, 8, 9]), ([1, 5], [7]), ([1, 6, 4], [9, 9])]
    whole = log_likelihoods(model, tokenizer.eos_token_id, rows)
    alone = [log_likelihoods(model, tokenizer.eos_token_id, [row])[0] for row in rows]
    assert whole == pytest.approx(alone, abs=1e-4) and len(set(whole)) == 3


def test_a_writer_gives_the_best_of_its_candidates_and_counts_requests(make):
    writer, told = make("ft_good"), []
    asked = [PromptRequest("cat", n, 100 + n) for n in range(3)]
    drawn = writer.draw(asked, 12, on_written=told.append)
    assert len(drawn) == sum(told) == 3 and all("cat" in prompt.text for prompt in drawn)
    assert drawn[1:2] == writer.draw(asked[1:2], 12)


def test_candidates_of_an_arm_that_there_is_not_are_refused():
    with pytest.raises(ProfileError, match=r"prompts.candidates has \['ft_god'\]"):
        load_profile("smoke", {"prompts.candidates": {"ft_god": 8}})
