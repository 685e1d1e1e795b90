"""The gate before rendering: prompts that lost the concept, or gained another thing, come last."""

import numpy as np
import pytest

from c2i_lib.embedded.pairs import make_pairs
from c2i_lib.models.language_model import load_language_model, load_tokenizer
from c2i_lib.stages.prompts.gate import GATE_COLUMNS, best_prompts, gate, likelihood_of, rank

PROMPTS = [
    "a dog next to a horse",  # a stranger
    "a cat on the beach",  # another concept
    "a puppy in the park",  # another name
    "two dogs in the snow",
    "a dog on the beach, glossy 3D render",
    "A dog on the  beach, glossy 3D render",  # once more
    "a bridge at night",
]


def test_a_prompt_passes_when_it_means_the_concept_and_nothing_else():
    scores = gate(PROMPTS, "dog")
    assert scores.dtypes.astype(str).to_dict() == GATE_COLUMNS
    assert scores["passes"].tolist() == [False, False, True, True, True, True, False]
    assert scores["verbatim"].tolist() == [True, False, False, False, True, True, False]
    assert scores["named"].tolist() == [True, False, False, True, True, True, False]
    assert scores["means"].tolist() == [True, False, True, True, True, True, False]
    assert scores["strangers"].tolist()[:3] == [1, 1, 0]
    assert scores["log_likelihood"].isna().all()


@pytest.mark.parametrize(
    ("prompt", "means"),
    [("a bicycle, red", True), ("a red bike", True), ("a blue bicycle", False), ("a red car", False)],
)
def test_all_words_of_a_concept_count_and_its_head_may_have_another_name(prompt, means):
    assert gate([prompt], "red bicycle")["means"].tolist() == [means]


def test_the_best_name_the_concept_and_the_worst_have_lost_it():
    """Of equals the earlier one; a text that has come before is no second choice."""
    assert rank(gate(PROMPTS, "dog")) == [3, 4, 2, 0, 1, 6, 5]
    assert best_prompts(PROMPTS, "dog", 2) == [3, 4]
    assert best_prompts(PROMPTS[:1], "dog", 5) == [0]


def test_a_caption_model_chooses_among_prompts_that_pass_and_refuses_the_unlikely():
    likelihoods = {text: float(-number) for number, text in enumerate(reversed(PROMPTS))}

    def likelihood(texts):
        return np.array([likelihoods.get(text, -9.0) for text in texts])

    assert rank(gate(PROMPTS[:5], "dog", likelihood))[:3] == [4, 3, 2]
    assert best_prompts(PROMPTS[:5], "dog", 3, promise=likelihood) == [4, 3, 2]
    scores = gate(PROMPTS[:5], "dog", likelihood, least=-3.0)
    assert scores["log_likelihood"].tolist() == [-6.0, -5.0, -4.0, -3.0, -2.0]
    assert scores["passes"].tolist() == [False, False, False, True, True]


def test_the_likelihood_of_a_text_is_that_of_a_caption_model(tiny_language_model):
    model = load_language_model(str(tiny_language_model)), load_tokenizer(str(tiny_language_model))
    found = gate(["a cat", "a red bicycle"], "cat", likelihood_of(*model))["log_likelihood"]
    assert (found < 0).all() and found.nunique() == 2


def test_a_row_depends_on_its_prompt_alone_and_no_prompts_have_no_rows():
    whole = gate(PROMPTS, "dog")
    for number in (0, 4):
        assert gate([PROMPTS[number]], "dog").iloc[0].drop("meaning").equals(whole.iloc[number].drop("meaning"))
    assert gate([], "dog").dtypes.astype(str).to_dict() == GATE_COLUMNS and rank(gate([], "dog")) == []


def test_true_captions_of_one_thing_pass_and_captions_of_others_do_not():
    """By what is in the scenes of the embedded world; measured on 200 captions: 88 % and none."""
    pairs = [pair for pair in make_pairs(400) if pair.kind == "ordinary" and len(pair.scene.things) == 1][:30]
    names = [pair.scene.things[0].name for pair in pairs]
    own = [gate([pair.caption], name)["passes"][0] for pair, name in zip(pairs, names, strict=True)]
    others = [gate([pair.caption], name)["passes"][0] for pair, name in zip(pairs, names[1:], strict=False)]
    assert np.mean(own) > 0.75 and np.mean(others) < 0.1
