"""A prompt writer that learned from pictures: ``ft_good`` goes on from pairs of prompts, one of which drew better.

In: a checkpoint of ``ft_good`` and a table of preferences (``PREFERENCE_COLUMNS``). Out: another checkpoint, a model
for ``prompts.models``. Direct preference optimization (Rafailov et al. 2023, arXiv:2305.18290), where the reference
is the checkpoint itself; that prompts can be learned from the pictures they make is Promptist's idea (Hao et al.
2023, arXiv:2212.09611). Ignored: how preferences came about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch.nn import functional
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from c2i_lib.config import LanguageModel
from c2i_lib.errors import C2IError
from c2i_lib.models.language_model import (
    count_frozen_layers,
    freeze_lower_layers,
    load_language_model,
    load_tokenizer,
    pad_rows,
)
from c2i_lib.records.files import atomic_dir
from c2i_lib.stages.finetuning.split_model import SplitModel
from c2i_lib.text.noun_phrases.topics import topic_tag
from c2i_lib.text.quality_tags import BEST

PREFERENCE_COLUMNS = {"concept": "str", "chosen": "str", "rejected": "str"}


@dataclass(frozen=True)
class PreferenceTraining:
    """``beta``: how dear it is to leave the reference; the other numbers are those of any training."""

    beta: float = 0.1
    epochs: int = 2
    batch_size: int = 16  # pairs
    learning_rate: float = 5e-5
    seed: int = 0


def tags_of(concept: str) -> str:
    """What ``ft_good`` reads before a prompt for ``concept``, after bos."""
    return (topic_tag(concept) + topic_tag(BEST)).rstrip()


def _rows(
    tokenizer: PreTrainedTokenizerBase, concepts: list[str], texts: list[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and what of them is the text and its end, both ``(n, length)``."""
    tags = [tokenizer(tags_of(concept), add_special_tokens=False).input_ids for concept in concepts]
    fronts = [[tokenizer.bos_token_id, *own] for own in tags]
    ends = [[*tokenizer(f" {text}", add_special_tokens=False).input_ids, tokenizer.eos_token_id] for text in texts]
    ids, mask = pad_rows([front + end for front, end in zip(fronts, ends, strict=True)], tokenizer.eos_token_id)
    counted = mask.bool()
    for row, front in enumerate(fronts):
        counted[row, : len(front)] = False
    return ids, counted


def _log_likelihoods(split: SplitModel, hidden: torch.Tensor, ids: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """``(n,)``: of each row's text, given what stands before it."""
    logits = split.head(split.upper(hidden, ids)[:, :-1]).float()
    losses = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return -(losses * counted[:, 1:]).sum(1)


def preference_loss(chosen: torch.Tensor, rejected: torch.Tensor, reference: torch.Tensor, beta: float) -> torch.Tensor:
    """DPO's loss, from log-likelihoods ``(n,)``; ``reference``: chosen minus rejected under the reference model."""
    return -functional.logsigmoid(beta * (chosen - rejected - reference)).mean()


def _batches(table: pd.DataFrame, size: int, seed: int) -> Iterator[pd.DataFrame]:
    order = table.sample(frac=1, random_state=seed)
    for start in range(0, len(order), size):
        yield order.iloc[start : start + size]


def learn_preferences(
    checkpoint: Path, preferences: pd.DataFrame, out_dir: Path, settings: LanguageModel, training: PreferenceTraining
) -> pd.DataFrame:
    """Train the layers of ``checkpoint`` that were not frozen, and save the result in ``out_dir``.

    Returns one row a step: ``step``, ``loss``, ``accuracy`` (share of pairs that are told right). Raises ``C2IError``
    where there are no preferences, ``ModelError`` for a model that cannot be loaded or split.
    """
    missing = set(PREFERENCE_COLUMNS) - set(preferences)
    if missing or not len(preferences):
        raise C2IError(
            f"expected a table of preferences with {', '.join(PREFERENCE_COLUMNS)}, found {len(preferences)} rows with "
            f"{', '.join(preferences)}: draw some first"
        )
    tokenizer, model = load_tokenizer(str(checkpoint)), load_language_model(str(checkpoint)).float()
    n_frozen = count_frozen_layers(model, settings.frozen_layers)
    freeze_lower_layers(model, n_frozen)
    split = SplitModel(model, n_frozen)
    model.eval()  # no dropout: what is compared are likelihoods
    trainable = [part for part in model.parameters() if part.requires_grad]
    optimizer = torch.optim.AdamW(trainable, training.learning_rate, weight_decay=0.0)
    references, log = {}, []
    steps = [
        batch
        for epoch in range(training.epochs)
        for batch in _batches(preferences.reset_index(drop=True), training.batch_size, training.seed + epoch)
    ]
    # Before the first step the model is its own reference.
    with torch.no_grad():
        for batch in _batches(preferences.reset_index(drop=True), training.batch_size, training.seed):
            chosen, rejected = _pair(split, tokenizer, batch)
            references |= dict(zip(batch.index, (chosen - rejected).tolist(), strict=True))
    for step, batch in enumerate(tqdm(steps, desc="preferences", mininterval=2), 1):
        chosen, rejected = _pair(split, tokenizer, batch)
        reference = torch.tensor([references[index] for index in batch.index], device=chosen.device)
        loss = preference_loss(chosen, rejected, reference, training.beta)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        accuracy = (chosen - rejected > reference).float().mean().item()
        log.append({"step": step, "loss": loss.item(), "accuracy": accuracy})
    with atomic_dir(Path(out_dir)) as folder:
        model.half().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return pd.DataFrame(log)


def _pair(
    split: SplitModel, tokenizer: PreTrainedTokenizerBase, batch: pd.DataFrame
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-likelihoods ``(n,)`` of the chosen and of the rejected prompts."""
    concepts, texts = [*batch["concept"]] * 2, [*batch["chosen"], *batch["rejected"]]
    ids, counted = (tensor.to(split.model.device) for tensor in _rows(tokenizer, concepts, texts))
    return _log_likelihoods(split, split.lower(ids), ids, counted).chunk(2)
