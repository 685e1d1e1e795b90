"""Stage 02: caption splits → one Hugging Face checkpoint per finetuned arm.

In: ``finetune_train`` and ``finetune_eval``. Out, in ``02_models/<arm>/``: the checkpoint (fp16 safetensors),
its ``README.md`` model card, and ``training_log.parquet`` (``step, tokens, loss, learning_rate, eval_loss``).

Arm ``ft``: captions joined by one space into a stream and cut into blocks, so a block may begin and end inside
a caption. Arm ``ft_tags``: every caption between the tokenizer's own bos and eos, one caption a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from torch.nn import functional
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from c2i_lib.config import Finetuning, Profile
from c2i_lib.errors import C2IError
from c2i_lib.files import atomic_path, write_table
from c2i_lib.language_model import freeze_lower_layers, load_language_model, load_tokenizer, pad_rows
from c2i_lib.runtime import device, use_bf16
from c2i_lib.stage import Stage, read_table

Rows = list[list[int]]
_SORTED_GROUP = 1000  # rows; larger groups pad less and mix less


def make_rows(arm: str, texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, block_length: int) -> Rows:
    """Token rows of ``texts`` as ``arm`` sees them; none is longer than ``block_length``.

    ``ft`` keeps every token. ``ft_tags`` cuts a caption that is longer than a block.
    """
    if arm == "ft":
        stream = tokenizer(" ".join(texts), add_special_tokens=False, verbose=False).input_ids
        blocks = [stream[start : start + block_length] for start in range(0, len(stream), block_length)]
        if len(blocks) > 1 and len(blocks[-1]) == 1:  # a single token predicts nothing by itself
            blocks[-2:] = [blocks[-2] + blocks[-1]]
        return blocks
    if arm == "ft_tags":
        ids = tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=block_length - 2).input_ids
        return [[tokenizer.bos_token_id, *row, tokenizer.eos_token_id] for row in ids]
    raise C2IError(f"arm {arm!r} cannot be finetuned: use ft or ft_tags")


def make_batches(rows: Rows, tokens_per_batch: int, seed: int) -> list[list[int]]:
    """Row indices in shuffled batches that hold at most ``tokens_per_batch`` tokens, padding included.

    Rows are shuffled, sorted by length within groups of ``_SORTED_GROUP`` (so that little is padded), batched,
    and the batches are shuffled.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows), generator=generator).tolist()
    groups = [order[start : start + _SORTED_GROUP] for start in range(0, len(order), _SORTED_GROUP)]
    batches: list[list[int]] = []
    for group in groups:
        batch: list[int] = []
        for index in sorted(group, key=lambda index: len(rows[index])):  # so the last row is the longest
            if batch and (len(batch) + 1) * len(rows[index]) > tokens_per_batch:
                batches.append(batch)
                batch = []
            batch.append(index)
        batches.append(batch)
    return [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]


def _loss(model: PreTrainedModel, rows: Rows, pad_id: int, precision: str) -> tuple[torch.Tensor, int]:
    """Summed next-token loss of ``rows`` (padding not counted) and the number of predicted tokens."""
    ids, mask = (tensor.to(model.device) for tensor in pad_rows(rows, pad_id))
    with torch.autocast(model.device.type, torch.bfloat16, enabled=use_bf16(precision)):
        logits = model(ids, attention_mask=mask).logits[:, :-1]
    counted = mask[:, 1:].bool()
    return functional.cross_entropy(logits[counted].float(), ids[:, 1:][counted], reduction="sum"), int(counted.sum())


@torch.inference_mode()
def evaluate(model: PreTrainedModel, rows: Rows, pad_id: int, settings: Finetuning) -> float:
    """Mean loss per token of ``rows``."""
    model.eval()
    total = n_tokens = 0
    for batch in make_batches(rows, settings.batch_size * settings.block_length, seed=0):
        loss, n_predicted = _loss(model, [rows[index] for index in batch], pad_id, settings.precision)
        total, n_tokens = total + loss.item(), n_tokens + n_predicted
    return total / max(1, n_tokens)


def _rate(step: int, n_steps: int, settings: Finetuning) -> float:
    """Share of the learning rate: linear warm-up, then cosine to zero."""
    n_warmup = max(1, round(settings.warmup_share * n_steps))
    if step < n_warmup:
        return (step + 1) / n_warmup
    return 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / max(1, n_steps - n_warmup)))


def _load_checkpoint(path: Path, trainable: dict, optimizer) -> tuple[int, list[dict]]:
    if not path.is_file():
        return 0, []
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name, parameter in trainable.items():
        parameter.data.copy_(state["parameters"][name])
    optimizer.load_state_dict(state["optimizer"])
    tqdm.write(f"going on from step {state['step']}")
    return state["step"], state["log"]


def train(
    model: PreTrainedModel, rows: Rows, eval_rows: Rows, pad_id: int, settings: Finetuning, seed: int, checkpoint: Path
) -> pd.DataFrame:
    """Train the parameters that are not frozen, in place; resume from ``checkpoint`` when it exists.

    Every row is seen once per epoch, in an order that depends on ``seed`` and the epoch alone, so an
    interrupted run ends with the weights of an uninterrupted one. Returns the training log.
    """
    tokens_per_batch = settings.batch_size * settings.block_length
    batches = [
        batch for epoch in range(settings.epochs) for batch in make_batches(rows, tokens_per_batch, seed + epoch)
    ]
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.AdamW(trainable.values(), settings.learning_rate, weight_decay=settings.weight_decay)
    first, log = _load_checkpoint(checkpoint, trainable, optimizer)
    log = log or [_log_row(0, 0, None, 0.0, evaluate(model, eval_rows, pad_id, settings))]
    n_tokens = int(log[-1]["tokens"])
    progress = tqdm(range(first, len(batches)), initial=first, total=len(batches), desc="finetune", mininterval=2)
    for step in progress:
        torch.manual_seed(seed + step)  # dropout, in models that have it
        model.train()
        loss, n_predicted = _loss(model, [rows[index] for index in batches[step]], pad_id, settings.precision)
        loss = loss / n_predicted
        if not torch.isfinite(loss):
            raise C2IError(f"the loss is {loss.item()} at step {step}: lower finetuning.learning_rate")
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _rate(step, len(batches), settings)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        n_tokens += n_predicted
        log.append(_log_row(step + 1, n_tokens, loss.item(), optimizer.param_groups[0]["lr"], None))
        progress.set_postfix(loss=f"{loss.item():.3f}")
        if step + 1 == len(batches):
            log[-1]["eval_loss"] = evaluate(model, eval_rows, pad_id, settings)
        elif (step + 1) % settings.checkpoint_every == 0:
            state = {"step": step + 1, "parameters": trainable, "optimizer": optimizer.state_dict(), "log": log}
            with atomic_path(checkpoint) as temporary:
                torch.save(state, temporary)
    return pd.DataFrame(log)


def _log_row(step: int, tokens: int, loss: float | None, rate: float, eval_loss: float | None) -> dict:
    return {"step": step, "tokens": tokens, "loss": loss, "learning_rate": rate, "eval_loss": eval_loss}


def _model_card(arm: str, profile: Profile, n_train: int, n_trainable: int, n_frozen: int, log: pd.DataFrame) -> str:
    before, after = log["eval_loss"].dropna().iloc[[0, -1]]
    settings = "\n".join(f"| {key} | {value} |" for key, value in profile.finetuning.model_dump().items())
    return f"""# {arm}: {profile.language_model.model} finetuned on image captions

Made by c2i with the profile `{profile.name}`. For writing text-to-image prompts; not for any other use.

- Captions: {n_train} from `{profile.captions.source}`; their terms and biases are those of that source.
- Licence: that of the base model, `{profile.language_model.model}`.
- Trainable parameters: {n_trainable:,}; frozen: {n_frozen:,} (first {profile.language_model.frozen_layers} layers,
  embeddings, output head).
- Evaluation loss per token: {before:.3f} before, {after:.3f} after
  (perplexity {math.exp(before):.1f} → {math.exp(after):.1f}).

| setting | value |
| --- | --- |
{settings}
"""


def finetune(arm: str, train_file: Path, eval_file: Path, out_dir: Path, profile: Profile) -> Path:
    """Finetune one arm and save it in ``out_dir/<arm>``, a stage folder of its own. Returns that folder.

    Raises ``ModelError`` when the model cannot be loaded or has too few layers, ``C2IError`` on a NaN loss.
    """
    settings, language_model = profile.finetuning, profile.language_model
    folder = Path(out_dir) / arm
    key = {"arm": arm, "seed": profile.seed, **language_model.model_dump(), **settings.model_dump(exclude={"arms"})}
    with Stage(folder, key, [train_file, eval_file], need_mb=1500) as stage:
        if stage.done:
            return folder
        tokenizer = load_tokenizer(language_model.model, language_model.revision)
        rows, eval_rows = (
            make_rows(arm, read_table(path)["text"].tolist(), tokenizer, settings.block_length)
            for path in (train_file, eval_file)
        )
        model = load_language_model(language_model.model, language_model.revision)
        n_trainable, n_frozen = freeze_lower_layers(model, language_model.frozen_layers)
        precision = "bf16" if use_bf16(settings.precision) else "fp32"
        print(f"{arm}: {n_trainable:,} parameters train, {n_frozen:,} are frozen, on {device()} in {precision}")
        checkpoint = folder / "checkpoint.pt"
        log = train(model, rows, eval_rows, tokenizer.eos_token_id, settings, profile.seed, checkpoint)
        model.half().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        write_table(folder / "training_log.parquet", log)
        n_train = len(read_table(train_file))
        card = _model_card(arm, profile, n_train, n_trainable, n_frozen, log)
        (folder / "README.md").write_text(card, encoding="utf-8")
        checkpoint.unlink(missing_ok=True)
    return folder
