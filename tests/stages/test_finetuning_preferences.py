"""Learning from preferences: chosen prompts become likelier than rejected ones, and frozen layers stay as they were."""

import pandas as pd
import pytest
import torch
from tiny_models import N_LAYERS
from transformers import AutoModelForCausalLM

from c2i_lib.config import LanguageModel
from c2i_lib.errors import C2IError
from c2i_lib.generator.preferences import preferences_of
from c2i_lib.stages.finetuning.preferences import PreferenceTraining, learn_preferences, preference_loss

PAIRS = pd.DataFrame(
    {
        "concept": ["cat", "dog", "house", "guitar"],
        "chosen": ["a cat, crisp lines", "a dog, crisp lines", "a house, crisp lines", "a guitar, crisp lines"],
        "rejected": ["blurry cat", "blurry dog", "blurry photo of a house", "grainy guitar"],
    }
)


def settings(folder):
    return LanguageModel(model=str(folder), frozen_layers=N_LAYERS - 1)


def test_the_loss_is_that_of_the_paper():
    chosen, rejected, reference = torch.tensor([-3.0]), torch.tensor([-5.0]), torch.tensor([1.0])
    expected = -torch.log(torch.sigmoid(torch.tensor(0.1 * (2.0 - 1.0))))
    assert preference_loss(chosen, rejected, reference, 0.1) == pytest.approx(expected.item())


def test_what_drew_better_becomes_likelier_and_frozen_layers_stay(tmp_path, tiny_language_model):
    folder = tiny_language_model
    training = PreferenceTraining(epochs=8, batch_size=2, learning_rate=1e-3)
    log = learn_preferences(folder, PAIRS, tmp_path / "ft_reward", settings(folder), training)
    assert log["loss"].iloc[0] == pytest.approx(0.693, abs=0.001)  # the model is its own reference
    assert log["accuracy"].tail(2).tolist() == [1.0, 1.0] and log["loss"].iloc[-1] < 0.65
    before, after = (
        AutoModelForCausalLM.from_pretrained(path, dtype=torch.float16).state_dict()
        for path in (folder, tmp_path / "ft_reward")
    )
    changed = {name for name in before if not torch.equal(before[name].half(), after[name])}
    assert changed and all(f".{N_LAYERS - 1}." in name or "ln_f" in name or ".norm." in name for name in changed)


def test_nothing_to_learn_from_is_an_error(tmp_path):
    with pytest.raises(C2IError, match="draw some first"):
        learn_preferences(tmp_path, PAIRS.iloc[:0], tmp_path / "out", settings(tmp_path), PreferenceTraining())


def test_a_text_that_lost_the_concept_is_worse_than_all_that_kept_it():
    rows = [("cat", 0.1, 0.8), ("cat, 3D", 0.9, 0.8), ("a house", 1.5, 0.1), ("cat, soft", 0.5, 0.79)]
    scored = pd.DataFrame(rows, columns=["prompt", "quality", "faithfulness"]).assign(concept="cat")
    assert preferences_of(scored).to_dict("records") == [
        {"concept": "cat", "chosen": "cat, 3D", "rejected": "a house"},
    ]


def test_a_concept_of_which_no_text_kept_anything_teaches_nothing():
    rows = [("cat", 0.1, 0.8), ("a house", 0.9, 0.1), ("a tree", 1.5, 0.1), ("fog", 0.5, 0.0)]
    scored = pd.DataFrame(rows, columns=["prompt", "quality", "faithfulness"]).assign(concept="cat")
    assert preferences_of(scored).empty
