"""The cut: both halves are the whole model, for every family; the chunked loss is torch's; the cache gives back."""

import os
import subprocess
import sys

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from c2i_lib.errors import ModelError
from c2i_lib.models.language_model import freeze_lower_layers
from c2i_lib.stages.finetuning import split_model
from c2i_lib.stages.finetuning.split_model import SplitModel, _ChunkedLoss

SMALL = {"vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
SMALL |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
GPT2 = {"vocab_size": 90, "n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 64, "bos_token_id": 0}
FAMILIES = {
    "gpt2": {**GPT2, "eos_token_id": 1},
    "llama": SMALL,
    "llama tied": {**SMALL, "tie_word_embeddings": True},
    "gpt_neox": SMALL,
    "qwen2": SMALL,
    "qwen3": {**SMALL, "head_dim": 8},
    "mistral": SMALL,
    "phi": SMALL,  # its head has a bias
}


def make_model(family):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family.split()[0], **FAMILIES[family]))
    with torch.no_grad():  # larger weights, so that a wrong half is seen
        for part in model.parameters():
            part.add_(0.1 * torch.randn_like(part))
    return model


@pytest.fixture
def ids():
    return torch.randint(2, 90, (3, 11), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n_frozen", [0, 3])
def test_both_halves_are_the_whole_model(family, n_frozen, ids):
    model = make_model(family).eval()
    freeze_lower_layers(model, n_frozen)
    split = SplitModel(model, n_frozen)
    split.check(ids)
    whole = model(input_ids=ids, labels=ids).loss
    whole.backward()
    expected = {name: part.grad.clone() for name, part in model.named_parameters() if part.requires_grad}
    model.zero_grad()
    everything = torch.ones_like(ids, dtype=torch.bool)
    (split.loss(split.lower(ids), ids, everything) / (3 * 10)).backward()
    for name, part in model.named_parameters():
        if part.requires_grad:
            assert torch.allclose(part.grad, expected[name], atol=1e-5), name
        else:
            assert part.grad is None, f"{name} is frozen"


def test_the_model_is_whole_again_afterwards(ids):
    model = make_model("llama").eval()
    before = model(input_ids=ids).logits
    split = SplitModel(model, 3)
    split.upper(split.lower(ids), ids)
    assert torch.equal(model(input_ids=ids).logits, before)


def test_right_padding_changes_nothing(ids):
    split = SplitModel(make_model("gpt2").eval(), 2)
    predicted = torch.zeros_like(ids, dtype=torch.bool)
    predicted[:, 1:6] = True
    padded = split.loss(split.lower(ids), ids, predicted)
    short = split.loss(split.lower(ids[:, :6]), ids[:, :6], predicted[:, :6])
    assert torch.isclose(padded, short, rtol=1e-5)


def test_a_model_that_scales_its_logits_is_refused(ids):
    model = make_model("llama")
    head = model.lm_head.forward
    model.lm_head.forward = lambda hidden: 0.5 * head(hidden)
    freeze_lower_layers(model, 2)
    with pytest.raises(ModelError, match="cannot be trained from its frozen layers.*scale its logits"):
        SplitModel(model, 2).check(ids)


def test_a_part_that_trains_below_the_cut_is_refused(ids):
    model = make_model("llama")
    freeze_lower_layers(model, 2)
    model.model.layers[0].requires_grad_(True)
    with pytest.raises(ModelError, match="no gradient reaches model.layers.0"):
        SplitModel(model, 2).check(ids)


@pytest.mark.parametrize("bias", [None, torch.linspace(-1, 1, 50)])
@pytest.mark.parametrize("chunk", [3, 512])
def test_the_chunked_loss_is_that_of_torch(bias, chunk, monkeypatch):
    monkeypatch.setattr(split_model, "_CHUNK", chunk)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(20, 8, generator=generator, requires_grad=True)
    weight, targets = 3 * torch.randn(50, 8, generator=generator), torch.randint(0, 50, (20,), generator=generator)
    loss = _ChunkedLoss.apply(hidden, weight, bias, targets)
    (0.5 * loss).backward()
    found, hidden.grad = hidden.grad, None
    expected = torch.nn.functional.cross_entropy(
        torch.nn.functional.linear(hidden, weight, bias), targets, reduction="sum"
    )
    (0.5 * expected).backward()
    assert torch.isclose(loss, expected, rtol=1e-5) and torch.allclose(found, hidden.grad, atol=1e-5)


LIGER = """
import torch
from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy
from c2i_lib.finetuning import split_model
torch.manual_seed(0)
states, weight, targets = torch.randn(37, 32), torch.randn(369, 32), torch.randint(0, 369, (37,))
found = []
for loss in (split_model._ChunkedLoss.apply, liger_fused_linear_cross_entropy):
    hidden = states.clone().requires_grad_()
    total = loss(hidden, weight, None, targets) if not found else loss(hidden, weight, targets, None, reduction="sum")
    total.backward()
    found.append((total.detach(), hidden.grad))
assert torch.allclose(found[0][0], found[1][0]), found
assert torch.allclose(found[0][1], found[1][1], atol=1e-4)
"""


def test_liger_kernel_gives_the_same_loss_and_gradient():
    """Runs where Liger Kernel is installed; without a GPU in Triton's interpreter."""
    pytest.importorskip("liger_kernel", reason="pip install liger-kernel triton, to compare its loss with ours")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-c", LIGER], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
