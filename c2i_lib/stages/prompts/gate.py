"""Which of several prompts to render, by their texts alone.

In: prompts and a concept. Out: their scores, and the best of them. Three questions: does a prompt still mean the
concept, is nothing in it but the concept's kin, and is it in the language of captions? Ignored: who wrote it; pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from c2i_lib.models.language_model import pad_rows, perplexity
from c2i_lib.text.embeddings import embed_texts
from c2i_lib.text.noun_phrases.strangers import head_of, things_beside
from c2i_lib.text.noun_phrases.wordnet import singular
from c2i_lib.text.whole_words import find_whole

GATE_COLUMNS = {
    "text": "str",
    "verbatim": "bool",  # the concept is in it as it is
    "named": "bool",  # all its words are in it, in any order and number
    "means": "bool",  # as named, or with another name of what it is: "a red bike" means red bicycle
    "meaning": "float64",  # cosine of its sentence embedding and the concept's
    "strangers": "int64",  # things in it that are not of the concept
    "log_likelihood": "float64",  # per token; NaN where no model is given
    "promise": "float64",  # of a good picture, as ``ft_good`` knows it; NaN where nothing tells
    "passes": "bool",
}
Rows = Sequence[tuple[Sequence[int], Sequence[int]]]
Scores = Callable[[Sequence[str]], np.ndarray]  # texts → a number for each


def likelihood_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Scores:
    """Mean log-likelihood per token of texts under a caption model, such as ``held_out``.

    Plain captions are the likeliest, so it is a test of language and no measure of quality.
    """
    return lambda texts: -np.log(perplexity(model, tokenizer, texts))


@torch.inference_mode()
def log_likelihoods(model: PreTrainedModel, end: int, rows: Rows) -> np.ndarray:
    """``(n,)`` sums over tokens: of each row's second part and the token ``end``, after its first part."""
    ids, mask = pad_rows([[*front, *text, end] for front, text in rows], end)
    logits = model(ids.to(model.device), attention_mask=mask.to(model.device)).logits[:, :-1].float()
    losses = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:].to(model.device), reduction="none").cpu()
    counted = mask[:, 1:].bool()
    for row, (front, _) in enumerate(rows):
        counted[row, : len(front) - 1] = False
    return -(losses * counted).sum(1).double().numpy()


def _words(text: str) -> set[str]:
    return {singular(word.strip(".,;:!?\"'()[]")) for word in text.lower().split()}


def gate(
    prompts: Sequence[str],
    concept: str,
    likelihood: Scores | None = None,
    least: float = -np.inf,
    promise: Scores | None = None,
) -> pd.DataFrame:
    """One row for each prompt, in order (``GATE_COLUMNS``).

    A prompt passes when it means the concept, no stranger is in it, and its log-likelihood is ``least`` or more, such
    as a low quantile of held-out captions. A row depends on the prompt and the concept alone.
    """
    texts = [" ".join(prompt.split()) for prompt in prompts]
    if not texts:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in GATE_COLUMNS.items()})
    things, wanted, head = things_beside(texts, concept), _words(concept), head_of(concept)
    table = pd.DataFrame({"text": texts})
    table["verbatim"] = [find_whole(text, concept) is not None for text in texts]
    table["named"] = [wanted <= _words(text) for text in texts] | table["verbatim"].to_numpy()
    renamed = [bool(own.names) and wanted - {head} <= _words(text) for own, text in zip(things, texts, strict=True)]
    table["means"] = renamed | table["named"].to_numpy()
    table["meaning"] = (embed_texts(texts) @ embed_texts([concept])[0]).double().numpy().round(4)
    table["strangers"] = [len(own.strangers) for own in things]
    table["log_likelihood"] = likelihood(texts) if likelihood else np.nan
    table["promise"] = promise(texts) if promise else np.nan
    in_language = table["log_likelihood"] >= least if likelihood else True
    table["passes"] = table["means"] & (table["strangers"] == 0) & in_language
    return table.astype(GATE_COLUMNS)[list(GATE_COLUMNS)]


def rank(scores: pd.DataFrame) -> list[int]:
    """Positions of the rows of ``gate``, the best first.

    Prompts that pass come first; of these, those that name the concept, then those likelier and of more promise, then
    the earlier. Of the others, those that mean the concept, with fewer strangers, nearer in meaning. A text that
    has come before, case aside, comes last.
    """
    failing = ~scores["passes"]
    keys = {
        "again": scores["text"].str.lower().duplicated(),
        "fails": failing,
        "lost": failing & ~scores["means"],
        "strangers": scores["strangers"].where(failing, 0),
        "apart": (-scores["meaning"]).where(failing, 0),
        "renamed": ~scores["named"],
        "unlikely": -scores["log_likelihood"].fillna(0.0) - scores["promise"].fillna(0.0),
    }
    table = pd.DataFrame(keys).reset_index(drop=True)
    return table.sort_values(list(keys), kind="stable").index.tolist()


def best_prompts(prompts: Sequence[str], concept: str, n: int, promise: Scores | None = None) -> list[int]:
    """Positions of the best ``n`` of ``prompts`` for ``concept``, the best first; all where there are fewer."""
    return rank(gate(prompts, concept, promise=promise))[:n]
