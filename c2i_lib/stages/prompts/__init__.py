"""Stage 04: checkpoints and concepts → prompts.

In: the arms' checkpoints, the concepts, a caption's mean length, the ``finetune_train`` captions and the TTI model's
tokenizer. Out, in ``04_prompts/``: ``prompts.parquet`` (``prompt_id, arm, replicate, concept, sample, seed, text,
n_tokens, ended, redrawn, explicit, n_tti_tokens, cut, perplexity, nearest_caption, similarity, copied``). A prompt
depends on its arm, concept, sample number and seed, not on what else is written. Ignored: the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from c2i_lib.config import Profile
from c2i_lib.errors import C2IError
from c2i_lib.models.language_model import load_language_model, load_tokenizer, perplexity
from c2i_lib.records.files import hash_of, seed_of, write_json, write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.stages.prompts.writer import Wanted, Writer, Written
from c2i_lib.study import FINETUNED_ARMS, replicates
from c2i_lib.text.similarity import nearest_captions

__all__ = [
    "Wanted",
    "Writer",
    "Written",
    "generate_prompts",
    "write_arm",
    "write_samples",
]


def write_arm(
    writer: Writer, concepts: Sequence[str], n_tokens: int, profile: Profile, replicate: int = 1
) -> list[dict]:
    """All prompts of one arm's model, as rows of the table.

    ``replicate`` numbers the models of an arm. Sample numbers and seeds are those of the first, so that models of an
    arm differ by their training alone.
    """
    arm = writer.arm
    wanted = [
        Wanted(concept, sample, seed_of(profile.seed, arm, concept, sample))
        for concept in concepts
        for sample in range(profile.prompts.n_per_concept)
    ]
    with tqdm(total=len(wanted), desc=f"prompts of {arm}", unit=" prompts", mininterval=2) as progress:
        prompts = writer.write(wanted, profile.prompts.length or n_tokens, progress.update)
    name = arm if replicate == 1 else f"{arm}_{replicate}"
    ids = [f"{name}-{hash_of(one.concept)[:6]}-{one.sample}" for one in wanted]
    return [
        dict(prompt_id=prompt_id, arm=arm, replicate=replicate, **vars(one), **vars(prompt))
        for prompt_id, one, prompt in zip(ids, wanted, prompts, strict=True)
    ]


def write_samples(
    checkpoints: Mapping[str, Path], concepts: Sequence[str], length_file: Path, out_dir: Path, profile: Profile
) -> pd.DataFrame:
    """One prompt of ``base`` and of each finetuned arm for each concept, to look at, in ``out_dir/samples.parquet``:
    ``arm, concept, text, ended`` and what else ``write_arm`` gives. Written once for the same checkpoints and settings.
    """
    folder = Path(out_dir)
    one = profile.model_copy(update={"prompts": profile.prompts.model_copy(update={"n_per_concept": 1})})
    inputs = [length_file, *(Path(path) / "model.safetensors" for path in checkpoints.values())]
    arms = ["base", *checkpoints]
    with Stage(folder, {**_settings(concepts, one), "arms": arms}, inputs, __name__) as stage:
        if not stage.done:
            n_tokens = json.loads(Path(length_file).read_text(encoding="utf-8"))["tokens"]
            parts = [write_arm(Writer(arm, one, checkpoints.get(arm)), concepts, n_tokens, one) for arm in arms]
            write_table(folder / "samples.parquet", pd.DataFrame([row for part in parts for row in part]))
    return pd.read_parquet(folder / "samples.parquet")


def _settings(concepts: Sequence[str], profile: Profile) -> dict:
    """What the prompts depend on. Not the batch size; of the models on offer, only those that are arms."""
    settings = profile.prompts.model_dump(exclude={"batch_size", "models"})
    models = {arm: model.model_dump() for arm, model in profile.prompts.models.items() if arm in profile.prompts.arms}
    base = (profile.language_model.model, profile.language_model.revision)
    tti = (profile.images.model, profile.images.revision)
    n_seeds = profile.finetuning.n_seeds
    key = {"seed": profile.seed, "n_seeds": n_seeds, "concepts": list(concepts), **settings}
    return {**key, "models": models, "base": base, "tti": tti}


def _weights(folder: Path) -> list[Path]:
    return sorted(Path(folder).glob("*.safetensors"))


def generate_prompts(
    checkpoints: Mapping[str, Path],
    concepts: Sequence[str],
    length_file: Path,
    train_file: Path,
    out_dir: Path,
    profile: Profile,
) -> pd.DataFrame:
    """Write every arm's prompts for every concept. ``checkpoints``: name of a checkpoint → its folder.

    An arm of several models (``finetuning.n_seeds``) writes with each of them; ``replicate`` tells which one.
    ``length_file``: ``length.json`` of stage 01; its ``tokens`` is a prompt's length (Experiments), unless
    ``prompts.length`` gives one. Each model's prompts are kept as soon as they are written, so an interrupted run goes
    on with the next one. Raises ``C2IError`` where a checkpoint is missing, and what ``Writer`` does.
    """
    folder = Path(out_dir)
    models = [
        (arm, *pair) for arm in profile.prompts.arms for pair in replicates(arm, profile.finetuning.n_seeds).items()
    ]
    missing = [name for arm, name, _ in models if arm in FINETUNED_ARMS and name not in checkpoints]
    if missing:
        raise C2IError(f"prompts.arms has {missing}, but no checkpoint of it is given: run stage 02 for it")
    used = [checkpoints[name] for _, name, _ in models if name in checkpoints]
    inputs = [length_file, train_file, *(Path(path) / "model.safetensors" for path in used)]
    inputs += [Path(profile.captions.explicit_words)] if profile.captions.explicit_words else []
    own = [profile.prompts.models[arm].model for arm in profile.prompts.arms if arm in profile.prompts.models]
    inputs += [path for model in own if Path(model).is_dir() for path in _weights(Path(model))]
    with Stage(folder, _settings(concepts, profile), inputs, __name__) as stage:
        if not stage.done:
            n_tokens = json.loads(Path(length_file).read_text(encoding="utf-8"))["tokens"]
            captions, parts = read_table(train_file)["text"].tolist(), []
            for arm, name, replicate in models:
                part = folder / f"part_{name}.json"
                if not part.is_file():
                    writer = Writer(arm, profile, checkpoints.get(name), captions)
                    write_json(part, write_arm(writer, concepts, n_tokens, profile, replicate))
                parts += json.loads(part.read_text(encoding="utf-8"))
            write_table(folder / "prompts.parquet", _described(pd.DataFrame(parts), captions, profile))
            for part in folder.glob("part_*.json"):
                part.unlink()
    return pd.read_parquet(folder / "prompts.parquet")


def _described(table: pd.DataFrame, captions: Sequence[str], profile: Profile) -> pd.DataFrame:
    """Prompts with their perplexity under the base model, and how near they come to a training caption."""
    base = (profile.language_model.model, profile.language_model.revision)
    table["perplexity"] = perplexity(load_language_model(*base), load_tokenizer(*base), table["text"]).round(3)
    return pd.concat([table, nearest_captions(table["text"], captions)], axis=1)
