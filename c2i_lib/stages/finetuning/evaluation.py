"""What finetuning has done: perplexity of held-out captions under every arm, and how its prompts look.

In: checkpoints, held-out captions, and sample prompts. Out: one row per checkpoint. Perplexities are comparable
between arms: each is over the tokens of the captions alone, after what the arm saw before a caption in training; but
``ft_topic`` and ``ft_good`` are told the topic, which is half of a short caption. ``perplexities`` is a stage, in
``02_models/perplexity/`` (``perplexity.parquet``: ``PERPLEXITY_COLUMNS``). Ignored: pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from c2i_lib.models.language_model import load_language_model, load_tokenizer
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.stages.finetuning.qualities import TERCILES_FILE, read_terciles
from c2i_lib.stages.finetuning.recipe import Recipe
from c2i_lib.stages.finetuning.rows import Rows, make_batches, tags_before
from c2i_lib.study import TOPIC_ARMS

_TOKENS_PER_BATCH = 2048
PERPLEXITY_COLUMNS = {"arm": "str", "perplexity": "float64"}
N_CAPTIONS = 200  # held-out captions are all alike; more of them take longer and say the same


def caption_rows(
    arm: str, texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, qualities: Sequence[str] = ()
) -> Rows:
    """``texts``, one per row, each after what ``arm`` saw before a caption; only the caption's tokens are predicted.

    ``ft``: the caption before it; ``ft_topic``, ``ft_good``: bos and its tags (``qualities`` as in ``make_rows``); all
    others: bos.
    """
    spaced, bos = arm in ("ft", *TOPIC_ARMS), tokenizer.bos_token_id
    ids = tokenizer([" " * spaced + text for text in texts], add_special_tokens=False, verbose=False).input_ids
    if arm == "ft":
        before = [ids[index - 1] for index in range(len(ids))]
    elif arm in TOPIC_ARMS:
        tags = [tag.rstrip() for tag in tags_before(arm, texts, qualities)]
        before = [[bos, *row] for row in tokenizer(tags, add_special_tokens=False).input_ids]
    else:
        before = [[bos]] * len(ids)
    sizes = [(len(front), len(row)) for front, row in zip(before, ids, strict=True)]
    tokens = np.array([token for front, row in zip(before, ids, strict=True) for token in (*front, *row)], np.int32)
    learned = np.concatenate([np.repeat([False, True], pair) for pair in sizes])
    totals = np.array(sizes).sum(1)
    return Rows(tokens, np.concatenate([[0], np.cumsum(totals)]), np.repeat(np.arange(len(ids)), totals), learned)


@torch.inference_mode()
def caption_perplexity(
    arm: str,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    qualities: Sequence[str] = (),
) -> float:
    """exp of the mean negative log-likelihood per token of ``texts`` under ``model``."""
    rows = caption_rows(arm, texts, tokenizer, qualities)
    total = n_tokens = 0
    for batch in tqdm(make_batches(rows.lengths, _TOKENS_PER_BATCH, 0), desc=f"perplexity of {arm}", mininterval=2):
        ids, predicted = (tensor.to(model.device) for tensor in rows.batch(batch))
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1][predicted[:, 1:]].float()
        total += torch.nn.functional.cross_entropy(logits, ids[:, 1:][predicted[:, 1:]], reduction="sum").item()
        n_tokens += int(predicted.sum())
    return math.exp(total / max(1, n_tokens))


def perplexities(folders: Mapping[str, Path], eval_file: Path, out_dir: Path, recipe: Recipe) -> pd.Series:
    """``caption_perplexity`` of ``base`` and of each checkpoint, by name, over the first held-out captions.

    ``folders``: checkpoint → its folder. Computed once for the same checkpoints and captions.
    """
    folder, language_model = Path(out_dir), recipe.language_model
    models = {"base": (language_model.model, language_model.revision)}
    models |= {name: (str(path), None) for name, path in folders.items()}
    arms = {"base": "base", **recipe.settings.checkpoints}
    inputs = [eval_file, *(Path(path) / "model.safetensors" for path in folders.values())]
    inputs += [Path(path) / TERCILES_FILE for name, path in folders.items() if arms[name] == "ft_good"]
    with Stage(folder, {"arms": list(models), **language_model.model_dump()}, inputs, __name__) as stage:
        if not stage.done:
            captions, rows = read_table(eval_file).head(N_CAPTIONS), []
            for name, model in models.items():
                words = read_terciles(folders[name]).words(captions["quality"]) if arms[name] == "ft_good" else ()
                loaded = load_language_model(*model), load_tokenizer(*model)
                rows.append((name, caption_perplexity(arms[name], *loaded, captions["text"].tolist(), words)))
            table = pd.DataFrame(rows, columns=list(PERPLEXITY_COLUMNS))
            write_table(folder / "perplexity.parquet", table, PERPLEXITY_COLUMNS)
    return pd.read_parquet(folder / "perplexity.parquet").set_index("arm")["perplexity"]
