"""Stage 04: checkpoints and concepts → prompts.

In: the arms' checkpoints, the concepts, a caption's mean length, the ``finetune_train`` captions and the TTI model's
tokenizer. Out, in ``04_prompts/``: ``prompts.parquet`` (``PROMPT_COLUMNS``). A prompt depends on its arm, concept,
sample number and seed, not on what else is written. Ignored: the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from c2i_lib.config import LanguageModel
from c2i_lib.errors import C2IError
from c2i_lib.models.language_model import load_language_model, load_tokenizer, perplexity
from c2i_lib.records.files import hash_of, seed_of, write_json, write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.stages.prompts.prompt import Prompt, PromptRequest
from c2i_lib.stages.prompts.recipe import Recipe
from c2i_lib.stages.prompts.window import Window
from c2i_lib.stages.prompts.wishes import NO_WISHES, Finished, Wishes, finish
from c2i_lib.stages.prompts.writer import Writer
from c2i_lib.study import FINETUNED_ARMS
from c2i_lib.text.similarity import nearest_captions

__all__ = [
    "NO_WISHES",
    "PROMPT_COLUMNS",
    "SAMPLE_COLUMNS",
    "Finished",
    "Prompt",
    "PromptRequest",
    "Recipe",
    "Window",
    "Wishes",
    "Writer",
    "finish",
    "generate_prompts",
    "write_arm",
    "write_samples",
]

SAMPLE_COLUMNS = {
    "prompt_id": "str",
    "arm": "str",
    "replicate": "int64",  # which model of the arm, from 1
    "concept": "str",
    "sample": "int64",
    "seed": "int64",
    "text": "str",
    "n_tokens": "int64",
    "ended": "bool",
    "redrawn": "int64",
    "explicit": "bool",
    "put_first": "bool",
    "n_tti_tokens": "int64",
    "cut": "bool",
    "n_candidates": "int64",
    "n_passed": "int64",
}
PROMPT_COLUMNS = SAMPLE_COLUMNS | {
    "perplexity": "float64",  # under the base model
    "nearest_caption": "str",
    "similarity": "float64",
    "copied": "bool",
}


def write_arm(writer: Writer, concepts: Sequence[str], n_tokens: int, replicate: int = 1) -> list[dict]:
    """All prompts of one arm's model, as rows with ``SAMPLE_COLUMNS``.

    ``n_tokens``: a prompt's length, unless the recipe gives one; ``replicate`` numbers the models of an arm. Sample
    numbers and seeds are those of the first, so that models of an arm differ by their training alone.
    """
    arm, recipe = writer.arm, writer.recipe
    requests = [
        PromptRequest(concept, sample, seed_of(recipe.seed, arm, concept, sample))
        for concept in concepts
        for sample in range(recipe.settings.n_per_concept)
    ]
    with tqdm(total=len(requests), desc=f"prompts of {arm}", unit=" prompts", mininterval=2) as progress:
        prompts = writer.write(requests, recipe.settings.length or n_tokens, progress.update)
    name = arm if replicate == 1 else f"{arm}_{replicate}"
    ids = [f"{name}-{hash_of(request.concept)[:6]}-{request.sample}" for request in requests]
    return [
        dict(prompt_id=prompt_id, arm=arm, replicate=replicate, **vars(request), **vars(prompt))
        for prompt_id, request, prompt in zip(ids, requests, prompts, strict=True)
    ]


def _weights_of(checkpoints: Mapping[str, Path]) -> list[Path]:
    return [Path(folder) / "model.safetensors" for folder in checkpoints.values()]


def write_samples(
    checkpoints: Mapping[str, Path], concepts: Sequence[str], length_file: Path, out_dir: Path, recipe: Recipe
) -> pd.DataFrame:
    """One prompt of ``base`` and of each finetuned arm for each concept, to look at, in ``out_dir/samples.parquet``
    (``SAMPLE_COLUMNS``). Written once for the same checkpoints and settings.
    """
    folder, recipe = Path(out_dir), recipe.with_one_per_concept()
    arms, inputs = ["base", *checkpoints], [length_file, *_weights_of(checkpoints)]
    key = {**recipe.key(concepts), "arms": arms}
    with Stage(folder, key, inputs, __name__, others=recipe.files()) as stage:
        if not stage.done:
            n_tokens = json.loads(Path(length_file).read_text(encoding="utf-8"))["tokens"]
            parts = [write_arm(Writer(arm, recipe, checkpoints.get(arm)), concepts, n_tokens) for arm in arms]
            table = pd.DataFrame([row for part in parts for row in part])
            write_table(folder / "samples.parquet", table, SAMPLE_COLUMNS)
    return pd.read_parquet(folder / "samples.parquet")


def generate_prompts(
    checkpoints: Mapping[str, Path],
    concepts: Sequence[str],
    length_file: Path,
    train_file: Path,
    out_dir: Path,
    recipe: Recipe,
) -> pd.DataFrame:
    """Write every arm's prompts for every concept. ``checkpoints``: name of a checkpoint → its folder.

    An arm of several models (``finetuning.n_seeds``) writes with each of them; ``replicate`` tells which one.
    ``length_file``: ``length.json`` of stage 01; its ``tokens`` is a prompt's length (Experiments), unless
    ``prompts.length`` gives one. Each model's prompts are kept as soon as they are written, so an interrupted run goes
    on with the next one. Raises ``C2IError`` where a checkpoint is missing, and what ``Writer`` does.
    """
    folder = Path(out_dir)
    missing = [name for arm, name, _ in recipe.models if arm in FINETUNED_ARMS and name not in checkpoints]
    if missing:
        raise C2IError(f"prompts.arms has {missing}, but no checkpoint of it is given: run stage 02 for it")
    used = {name: checkpoints[name] for _, name, _ in recipe.models if name in checkpoints}
    inputs = [length_file, train_file, *_weights_of(used)]
    with Stage(folder, recipe.key(concepts), inputs, __name__, others=recipe.files()) as stage:
        if not stage.done:
            n_tokens = json.loads(Path(length_file).read_text(encoding="utf-8"))["tokens"]
            captions, rows = read_table(train_file)["text"].tolist(), []
            for arm, name, replicate in recipe.models:
                part = folder / f"part_{name}.json"
                if not part.is_file():
                    writer = Writer(arm, recipe, checkpoints.get(name), captions)
                    write_json(part, write_arm(writer, concepts, n_tokens, replicate))
                rows += json.loads(part.read_text(encoding="utf-8"))
            table = _described(pd.DataFrame(rows), captions, recipe.language_model)
            write_table(folder / "prompts.parquet", table, PROMPT_COLUMNS)
            for part in folder.glob("part_*.json"):
                part.unlink()
    return pd.read_parquet(folder / "prompts.parquet")


def _described(table: pd.DataFrame, captions: Sequence[str], language_model: LanguageModel) -> pd.DataFrame:
    """Prompts with their perplexity under the base model, and how near they come to a training caption."""
    base = (language_model.model, language_model.revision)
    table["perplexity"] = perplexity(load_language_model(*base), load_tokenizer(*base), table["text"]).round(3)
    return pd.concat([table, nearest_captions(table["text"], captions)], axis=1)
