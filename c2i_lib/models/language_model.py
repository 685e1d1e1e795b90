"""Causal language models: loading, freezing, and perplexity. Shared by finetuning and prompt writing.

In: a hub id, a folder or an ``embedded:`` id. Out: a Hugging Face model and its tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from c2i_lib.embedded.models import resolve
from c2i_lib.errors import ModelError
from c2i_lib.models.device import device, quiet_libraries


def load_tokenizer(model: str, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of ``model``. Raises ``ModelError`` when it is not there or has no end token."""
    quiet_libraries()
    try:
        tokenizer = AutoTokenizer.from_pretrained(resolve(model), revision=revision)
    except (OSError, ValueError) as error:
        raise ModelError(f"no tokenizer for {model!r} (revision {revision}): {error}") from error
    if tokenizer.eos_token_id is None:
        raise ModelError(f"the tokenizer of {model!r} has no end token (eos), which the arm ft_tags needs")
    if tokenizer.bos_token_id is None:
        tokenizer.bos_token = tokenizer.eos_token
    return tokenizer


def load_language_model(model: str, revision: str | None = None) -> PreTrainedModel:
    """``model`` in fp32 on ``device()``. Raises ``ModelError`` when it is not there."""
    quiet_libraries()
    try:
        loaded = AutoModelForCausalLM.from_pretrained(
            resolve(model), revision=revision, dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"language model {model!r} (revision {revision}) cannot be loaded: {error}") from error
    return loaded.to(device()).eval()


def transformer_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The list of transformer layers, found by its length, so that no table of architectures is needed."""
    n_layers = model.config.num_hidden_layers
    found = [part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part) == n_layers]
    if len(found) != 1:
        raise ModelError(f"{type(model).__name__} has {len(found)} lists of {n_layers} layers; expected exactly one")
    return found[0]


def count_frozen_layers(model: PreTrainedModel, frozen_layers: int | str) -> int:
    """``language_model.frozen_layers`` of a profile as a number: itself, or a share such as the paper's ``42/48``.

    Raises ``ModelError`` when no layer would be left to train.
    """
    n_layers = len(transformer_layers(model))
    if isinstance(frozen_layers, str):
        part, whole = map(int, frozen_layers.split("/"))
        n_frozen = n_layers * part // whole
    else:
        n_frozen = frozen_layers
    if not 0 <= n_frozen < n_layers:
        raise ModelError(
            f"language_model.frozen_layers is {frozen_layers}, but the model has {n_layers} layers: "
            f"give a number from 0 to {n_layers - 1}, or a share such as 42/48"
        )
    return n_frozen


def freeze_lower_layers(model: PreTrainedModel, n_frozen: int) -> tuple[int, int]:
    """Freeze embeddings, the first ``n_frozen`` layers and the output head; the rest trains.

    The paper "froze the first 42 layers and trained the last 6" (Method). The head is tied to the embeddings
    in GPT-2 and SmolLM2, so it stays frozen with them: a head that trains would send the backward pass through
    every layer. Returns the numbers of trainable and frozen parameters.
    """
    frozen = [*transformer_layers(model)[:n_frozen], model.get_output_embeddings()]
    frozen += [part for part in model.modules() if isinstance(part, nn.Embedding)]
    model.requires_grad_(True)
    for part in frozen:
        part.requires_grad_(False)
    counts = {True: 0, False: 0}
    for parameter in model.parameters():
        counts[parameter.requires_grad] += parameter.numel()
    return counts[True], counts[False]


@torch.inference_mode()
def perplexity(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], batch_size: int = 32
) -> np.ndarray:
    """``(n_texts,)`` perplexity of each text after a bos token: exp of its mean negative log-likelihood."""
    result = np.empty(len(texts))
    for start in range(0, len(texts), batch_size):
        rows = [
            [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False).input_ids]
            for text in texts[start : start + batch_size]
        ]
        ids, mask = pad_rows(rows, tokenizer.eos_token_id)
        logits = model(ids.to(model.device), attention_mask=mask.to(model.device)).logits[:, :-1].float()
        targets, counted = ids[:, 1:].to(model.device), mask[:, 1:].to(model.device)
        losses = nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none") * counted
        result[start : start + batch_size] = (losses.sum(1) / counted.sum(1).clamp_min(1)).exp().cpu().numpy()
    return result


def pad_rows(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token rows padded on the right: ids ``(n, longest)`` and a 0/1 mask of the same shape."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_id)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask
