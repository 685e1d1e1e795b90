"""Loading, freezing and perplexity of language models."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, Qwen2Config

from c2i_lib.errors import ModelError
from c2i_lib.models.language_model import (
    count_frozen_layers,
    freeze_lower_layers,
    load_language_model,
    load_tokenizer,
    pad_rows,
    perplexity,
    transformer_layers,
)

SMALL = dict(
    vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4, head_dim=8
)
CONFIGS = {
    "gpt2": GPT2Config(vocab_size=96, n_embd=32, n_layer=4, n_head=4, n_positions=32),
    "llama": LlamaConfig(**SMALL, num_key_value_heads=2),
    "llama_tied": LlamaConfig(**SMALL, tie_word_embeddings=True),
    "gpt_neox": GPTNeoXConfig(**SMALL),
    "qwen2": Qwen2Config(**SMALL, num_key_value_heads=2),
}


def build(name: str):
    return AutoModelForCausalLM.from_config(CONFIGS[name])


@pytest.mark.parametrize("name", CONFIGS)
def test_layers_are_found_in_every_architecture(name):
    model = build(name)
    layers = transformer_layers(model)
    assert len(layers) == 4
    assert all(any(part is layer for part in model.modules()) for layer in layers)
    assert len({type(layer) for layer in layers}) == 1


@pytest.mark.parametrize("name", CONFIGS)
def test_freezing_keeps_embeddings_lower_layers_and_head_still(name):
    model = build(name)
    n_trainable, n_frozen = freeze_lower_layers(model, 3)
    layers = transformer_layers(model)
    assert not any(parameter.requires_grad for layer in layers[:3] for parameter in layer.parameters())
    assert all(parameter.requires_grad for parameter in layers[3].parameters())
    assert not model.get_input_embeddings().weight.requires_grad
    assert not model.get_output_embeddings().weight.requires_grad
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert sum(parameter.numel() for parameter in trainable) == n_trainable
    assert n_trainable + n_frozen == sum(parameter.numel() for parameter in model.parameters())


def test_freezing_again_with_fewer_layers_thaws_the_others():
    model = build("gpt2")
    freeze_lower_layers(model, 3)
    freeze_lower_layers(model, 0)
    assert all(parameter.requires_grad for parameter in transformer_layers(model).parameters())


@pytest.mark.parametrize("frozen_layers", [-1, 4, 42, "48/48"])
def test_freezing_more_layers_than_can_be_is_refused(frozen_layers):
    with pytest.raises(ModelError, match="frozen_layers is .* from 0 to 3"):
        count_frozen_layers(build("gpt2"), frozen_layers)


def test_a_share_of_the_layers_is_rounded_down():
    assert [count_frozen_layers(build("gpt2"), value) for value in (0, 3, "42/48", "1/2")] == [0, 3, 3, 2]


def test_perplexity_equals_the_models_own_loss(tiny_language_model):
    """Text by text without padding, as the reference; in batches with padding, as the function does it."""
    model, tokenizer = load_language_model(str(tiny_language_model)), load_tokenizer(str(tiny_language_model))
    texts = ["a cat", "illustration of a dog next to a tree", "x", "blurry photo of an old house, flat vector icon"]
    expected = []
    for text in texts:
        ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text).input_ids]])
        with torch.inference_mode():
            expected.append(model(ids, labels=ids).loss.exp().item())
    assert np.std(expected) > 1, "the texts should differ, or the test would not see mixed-up rows"
    for batch_size in (1, 3, 32):
        np.testing.assert_allclose(perplexity(model, tokenizer, texts, batch_size), expected, rtol=1e-4)


def test_perplexity_of_an_empty_text_is_a_number(tiny_language_model):
    model, tokenizer = load_language_model(str(tiny_language_model)), load_tokenizer(str(tiny_language_model))
    assert np.isfinite(perplexity(model, tokenizer, ["", "a cat"])).all()


def test_rows_are_padded_on_the_right():
    ids, mask = pad_rows([[5], [6, 7, 8]], pad_id=1)
    assert ids.tolist() == [[5, 1, 1], [6, 7, 8]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1]]


def test_models_load_in_fp32_and_ready_for_inference(tiny_language_model):
    model = load_language_model(str(tiny_language_model))
    assert model.dtype == torch.float32
    assert not model.training


@pytest.mark.parametrize("load", [load_language_model, load_tokenizer])
def test_an_unknown_model_is_a_model_error_that_names_it(load, tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        load(str(tmp_path / "nowhere"))


def test_a_tokenizer_without_an_end_token_is_refused(tiny_language_model, tmp_path):
    tokenizer = load_tokenizer(str(tiny_language_model))
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="no end token"):
        load_tokenizer(str(tmp_path))


def test_a_tokenizer_without_a_begin_token_begins_with_its_end_token(tiny_language_model, tmp_path):
    """As GPT-2's does, whose only special token is <|endoftext|>."""
    tokenizer = load_tokenizer(str(tiny_language_model))
    tokenizer.bos_token = None
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    assert loaded.bos_token_id == loaded.eos_token_id is not None
