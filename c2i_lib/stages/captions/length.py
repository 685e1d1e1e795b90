"""The length of a caption in tokens: how long a prompt should be.

In: the ``length`` captions and the language model's tokenizer. Out, in ``01_captions/length/``: ``lengths.parquet``
(``n_tokens, captions``: how many captions have so many tokens) and ``length.json``. The paper "estimated the mean token
length on a set of 300,000 captions using the GPT2 tokenizer" for "the caption generation length" (Experiments).
Ignored: begin and end tags.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from c2i_lib.config.finetuning import LanguageModel
from c2i_lib.models.language_model import load_tokenizer
from c2i_lib.records.files import write_json, write_table
from c2i_lib.records.stage import Stage, read_table

_BATCH_SIZE = 10_000  # captions


def count_tokens(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """``(n_texts,)`` int: tokens of each text, without begin and end tags."""
    counts = []
    for start in tqdm(range(0, len(texts), _BATCH_SIZE), desc="count tokens", unit=" batches", mininterval=2):
        part = list(texts[start : start + _BATCH_SIZE])
        counts += [len(ids) for ids in tokenizer(part, add_special_tokens=False, verbose=False).input_ids]
    return np.array(counts, np.int64)


def measure_length(captions: Path, out_dir: Path, settings: LanguageModel) -> dict:
    """Measure the captions of a table and write the distribution.

    Returns ``captions``, ``mean_tokens``, ``sd_tokens``, ``median_tokens``, ``p95_tokens`` and ``tokens``, the mean as
    a whole number: what prompts take.
    """
    folder = Path(out_dir)
    with Stage(folder, {"model": settings.model, "revision": settings.revision}, [captions], __name__) as stage:
        if not stage.done:
            texts = read_table(captions)["text"].tolist()
            counts = count_tokens(texts, load_tokenizer(settings.model, settings.revision))
            values, numbers = np.unique(counts, return_counts=True)
            write_table(folder / "lengths.parquet", pd.DataFrame({"n_tokens": values, "captions": numbers}))
            result = {"captions": len(counts), "mean_tokens": round(float(counts.mean()), 3)}
            result |= {"sd_tokens": round(float(counts.std()), 3), "median_tokens": float(np.median(counts))}
            result |= {"p95_tokens": float(np.quantile(counts, 0.95)), "tokens": round(float(counts.mean()))}
            write_json(folder / "length.json", result)
    return json.loads((folder / "length.json").read_text(encoding="utf-8"))
