"""Stage 02: caption splits → one Hugging Face checkpoint per finetuned arm.

In: ``finetune_train`` and ``finetune_eval``. Out, in ``02_models/<arm>/``: the checkpoint (fp16 safetensors), its
``README.md`` model card, ``training_log.parquet`` (``training.LOG_COLUMNS``), and of ``ft_good`` the borders of its
tags (``qualities.py``). ``recipe.py`` says what checkpoints share, ``rows.py`` what each arm sees; ``split_model.py``
computes frozen layers once; ``training.py`` is the loop.
Ignored: the text-to-image model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from c2i_lib.config import LanguageModel
from c2i_lib.models.device import device, use_bf16
from c2i_lib.models.distributed import Processes, stage_of_all
from c2i_lib.models.language_model import count_frozen_layers, freeze_lower_layers, load_language_model, load_tokenizer
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import read_table
from c2i_lib.stages.finetuning.checkpoints import remove_checkpoints
from c2i_lib.stages.finetuning.prefix_cache import states_folder
from c2i_lib.stages.finetuning.qualities import save_terciles, terciles_of
from c2i_lib.stages.finetuning.recipe import Recipe
from c2i_lib.stages.finetuning.rows import Rows, make_rows
from c2i_lib.stages.finetuning.split_model import SplitModel
from c2i_lib.stages.finetuning.training import LOG_COLUMNS, Trainer
from c2i_lib.study import HELD_OUT

__all__ = ["Recipe", "finetune", "finetune_all", "make_rows"]


def _model_card(name: str, recipe: Recipe, rows: Rows, counts: tuple[int, int], log: pd.DataFrame) -> str:
    before, after = log["eval_loss"].dropna().iloc[[0, -1]]
    settings = "\n".join(f"| {key} | {value} |" for key, value in recipe.settings.model_dump().items())
    language_model = recipe.language_model
    curve = "\n".join(
        f"| {row.epoch} | {row.step} | {row.eval_loss:.3f} | {row.eval_perplexity:.1f} |"
        for row in log.dropna(subset=["eval_loss"]).itertuples()
    )
    return f"""# {name}: {language_model.model} finetuned on image captions

Made by c2i with the profile `{recipe.profile}`. For writing text-to-image prompts; not for any other use.

- Base model: `{language_model.model}`, revision `{language_model.revision}`; its licence holds for this model too.
- Captions: {len(set(rows.captions.tolist()))} from `{recipe.source}`, {len(rows.tokens)} tokens an epoch;
  their terms and biases are those of that source.
- Trainable parameters: {counts[0]:,}; frozen: {counts[1]:,} (first {language_model.frozen_layers} layers, embeddings,
  output head).
- Evaluation loss per token: {before:.3f} before, {after:.3f} after
  (perplexity {math.exp(before):.1f} → {math.exp(after):.1f}). Losses of different arms are not comparable.
- Limits: it continues captions. It knows no facts, follows no instructions, and repeats what captions of the web say.

| epoch | step | held-out loss | perplexity |
| --- | --- | --- | --- |
{curve}

| setting | value |
| --- | --- |
{settings}
"""


def _save(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: LanguageModel, bf16: bool
) -> None:
    """Save the checkpoint in fp16. Frozen weights are those of the base model, not their bf16 rounding."""
    if bf16:
        trained = {name: part for name, part in model.named_parameters() if part.requires_grad}
        model = load_language_model(settings.model, settings.revision)
        for name, part in model.named_parameters():
            if name in trained:
                part.data.copy_(trained[name])
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _frozen_to_bf16(model: PreTrainedModel) -> None:
    """Half the memory of what never changes; it computes in bf16 anyway."""
    for part in model.parameters():
        if not part.requires_grad:
            part.data = part.data.to(torch.bfloat16)


def prepare_model(settings: LanguageModel, precision: str, rows: Rows) -> tuple[SplitModel, tuple[int, int]]:
    """The language model of ``settings``, frozen and cut, checked on a few tokens of ``rows``.

    ``precision``: of a profile's ``finetuning``. Returns the model and the numbers of trainable and frozen parameters.
    """
    model = load_language_model(settings.model, settings.revision)
    n_frozen = count_frozen_layers(model, settings.frozen_layers)
    counts = freeze_lower_layers(model, n_frozen)
    split = SplitModel(model, n_frozen)
    split.check(rows.batch([0])[0][:, :16].to(model.device))
    if use_bf16(precision):
        _frozen_to_bf16(model)
    return split, counts


@contextmanager
def _tensorboard(folder: Path, enabled: bool) -> Iterator[Callable[[dict], None]]:
    """A function that writes rows of the log for TensorBoard, where it is installed; else one that does nothing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        enabled = False
    if not enabled:
        yield lambda row: None
        return

    def write(row: dict) -> None:
        for name, value in row.items():
            if name != "step" and value is not None:
                writer.add_scalar(name, value, row["step"])

    with SummaryWriter(str(folder)) as writer:
        yield write


def finetune(
    name: str,
    train_file: Path,
    eval_file: Path,
    out_dir: Path,
    recipe: Recipe,
    on_step: Callable[[dict], None] | None = None,
    n_captions: int | None = None,
) -> Path:
    """Finetune one checkpoint and save it in ``out_dir/<name>``, a stage folder of its own. Returns that folder.

    ``name``: one of ``recipe.settings.checkpoints``, which is the arm itself for its first model; ``n_captions``: only
    the first so many train. ``on_step`` gets each row of the training log. Called in every process of ``accelerate
    launch``, it shares the work between them. Raises ``ModelError`` when the model cannot be loaded or split or has too
    few layers, ``C2IError`` for an unknown name, an empty split, ``ft_good`` of captions without quality, a loss that
    is no number, a full disk and too little memory.
    """
    settings, language_model = recipe.settings, recipe.language_model
    folder, processes, arm, seed = Path(out_dir) / name, Processes(), recipe.arm_of(name), recipe.seed_of(name)
    unused = {"arms", "keep_states", "n_seeds", "held_out_model"}
    key = {"arm": arm, "seed": seed, **language_model.model_dump(), **settings.model_dump(exclude=unused)}
    key |= {"n_captions": n_captions} if n_captions else {}
    with stage_of_all(processes, folder, key, [train_file, eval_file], __name__, need_mb=1500) as done:
        if done:
            return folder
        tokenizer = load_tokenizer(language_model.model, language_model.revision)
        train, held_out = read_table(train_file).iloc[:n_captions], read_table(eval_file)
        terciles = terciles_of(train) if arm == "ft_good" else None
        rows, eval_rows = (
            make_rows(
                arm,
                table["text"].tolist(),
                tokenizer,
                settings.block_length,
                terciles.words(table["quality"]) if terciles else (),
            )
            for table in (train, held_out)
        )
        split, counts = prepare_model(language_model, settings.precision, rows)
        bf16 = use_bf16(settings.precision)
        if processes.is_main:
            print(_opening(name, split, counts, bf16, processes.count))
        captions, observers = train["caption_id"].tolist(), [on_step] if on_step else []
        with _tensorboard(folder / "tensorboard", processes.is_main) as write:
            observers.append(write)
            states = states_folder(language_model, bf16, rows, eval_rows) if settings.keep_states else None
            trainer = Trainer(split, rows, eval_rows, settings, seed, folder, captions, True, states, observers)
            log = trainer.train()
        if processes.is_main:
            trainer.remove_caches()
            _save(folder, split.model, tokenizer, language_model, bf16)
            write_table(folder / "training_log.parquet", log, LOG_COLUMNS)
            if terciles:
                save_terciles(folder, terciles)
            (folder / "README.md").write_text(_model_card(name, recipe, rows, counts, log), encoding="utf-8")
            remove_checkpoints(folder)
            if states:
                print(f"hidden states for the next seed or learning rate are in {states}; delete it when none follows")
        processes.wait()
    return folder


def _opening(name: str, split: SplitModel, counts: tuple[int, int], bf16: bool, n_processes: int) -> str:
    """What trains, where and how, before it begins."""
    shared = f", shared by {n_processes} processes" if n_processes > 1 else ""
    return (
        f"{name}: {counts[0]:,} parameters train, {counts[1]:,} are frozen (layers 1 to {split.n_frozen} of "
        f"{len(split.layers)}), on {device()} in {'bf16' if bf16 else 'fp32'}{shared}"
    )


def finetune_all(
    captions_dir: Path, out_dir: Path, recipe: Recipe, observe: Callable[[str], Callable[[dict], None]] | None = None
) -> dict[str, Path]:
    """Finetune every checkpoint of the recipe: name → folder, the first models of all arms first.

    ``captions_dir``: the folder of stage 01. The held-out model trains on as many captions of the mining split as the
    arms have to train on. ``observe`` makes ``on_step`` from a name. Raises what ``finetune`` does.
    """
    train_file, eval_file, mining_file = (
        Path(captions_dir) / f"{name}.parquet" for name in ("finetune_train", "finetune_eval", "mining")
    )
    folders = {}
    if "ft_good" in recipe.settings.checkpoints.values():
        terciles_of(read_table(train_file))  # before hours of other arms' training
    for name in recipe.settings.checkpoints:
        captions = (mining_file, len(read_table(train_file))) if name == HELD_OUT else (train_file, None)
        on_step = observe(name) if observe else None
        folders[name] = finetune(name, captions[0], eval_file, out_dir, recipe, on_step, captions[1])
    return folders
