"""How far prompts lie from the captions that the TTI model learned from.

In: ``prompts.parquet``, captions of the finetuning splits, and a caption model that no arm is. Out, in
``08_judges/closeness/``: ``closeness.parquet`` (``prompt_id, arm, replicate, concept, sample, log_likelihood, meaning,
wording, copied``; higher is closer) and ``clouds.parquet`` (``arm, distance, low, high``: how far the cloud of an arm's
prompts lies from that of the captions; lower is closer). The arm ``captions`` is held-out captions themselves:
the mark to reach. Plainer text than captions can have a higher log-likelihood. Ignored: pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from c2i_lib.config import Profile
from c2i_lib.models.language_model import load_language_model, load_tokenizer, perplexity
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.statistics.clouds import cloud_distance, neighbours_in_meaning
from c2i_lib.text.embeddings import embed_texts
from c2i_lib.text.similarity import nearest_captions

CAPTIONS = "captions"  # the arm of held-out captions

MAX_CAPTIONS = 2000  # of a cloud: the distance needs all pairs

_KEYS = ["prompt_id", "arm", "replicate", "concept", "sample"]


def _with_captions(prompts: pd.DataFrame, held_out: Sequence[str]) -> pd.DataFrame:
    """Prompts, and held-out captions as one more arm, each a concept of its own."""
    names = [f"{CAPTIONS}-{number}" for number in range(len(held_out))]
    table = pd.DataFrame({"prompt_id": names, "concept": names, "text": held_out})
    table = table.assign(arm=CAPTIONS, replicate=1, sample=0)
    return pd.concat([prompts[[*_KEYS, "text"]], table[[*_KEYS, "text"]]], ignore_index=True)


def measure_closeness(
    prompts_file: Path, captions_dir: Path, held_out_model: Path | None, out_dir: Path, profile: Profile
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure every prompt, and the cloud of every arm's, against the captions of ``finetune_train``.

    Returns ``closeness.parquet`` and ``clouds.parquet``. ``captions_dir``: the folder of stage 01; ``held_out_model``:
    the checkpoint ``held_out`` of stage 02, or None, and then there is no column ``log_likelihood``.
    """
    folder, settings = Path(out_dir), profile.analysis
    train_file, eval_file = (Path(captions_dir) / f"finetune_{part}.parquet" for part in ("train", "eval"))
    inputs = [prompts_file, train_file, eval_file]
    inputs += [Path(held_out_model) / "model.safetensors"] if held_out_model else []
    with Stage(folder, {**settings.model_dump(), "seed": profile.seed}, inputs, __name__) as stage:
        if not stage.done:
            captions = read_table(train_file)["text"].tolist()
            table = _with_captions(read_table(prompts_file), read_table(eval_file)["text"].tolist())
            texts, of_captions = embed_texts(table["text"].tolist()), embed_texts(captions)
            nearest = nearest_captions(table["text"], captions)
            table["wording"], table["copied"] = nearest["similarity"], nearest["copied"]
            table["meaning"] = neighbours_in_meaning(texts, of_captions).round(5)
            measures = ["meaning", "wording", "copied"]
            if held_out_model:
                model = load_language_model(str(held_out_model)), load_tokenizer(str(held_out_model))
                table["log_likelihood"] = -np.log(perplexity(*model, table["text"].tolist())).round(5)
                measures = ["log_likelihood", *measures]
            write_table(folder / "closeness.parquet", table[[*_KEYS, *measures]])
            write_table(folder / "clouds.parquet", _clouds(table, texts, of_captions[:MAX_CAPTIONS], profile))
    return pd.read_parquet(folder / "closeness.parquet"), pd.read_parquet(folder / "clouds.parquet")


def _clouds(table: pd.DataFrame, texts: torch.Tensor, captions: torch.Tensor, profile: Profile) -> pd.DataFrame:
    numbers = (profile.analysis.n_bootstrap, profile.analysis.confidence, profile.seed)
    rows = []
    for arm in dict.fromkeys(table["arm"]):
        own = (table["arm"] == arm).to_numpy(copy=True)  # pandas' own is read-only, which PyTorch warns of
        rows.append((arm, *cloud_distance(texts[own], table["concept"][own].tolist(), captions, *numbers)))
    return pd.DataFrame(rows, columns=["arm", "distance", "low", "high"])
