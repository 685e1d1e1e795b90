"""The training loop: the layers that are not frozen learn to predict captions.

In: a split model and rows. Out: the model, trained in place, and a log. An interrupted training goes on from its last
checkpoint and, in fp32, ends with the weights of an uninterrupted one, because batches and dropout depend on the seed
and the step alone. Several processes share each batch and sum their gradients, so that they take the steps that one
would take. Ignored: where the rows come from.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm

from c2i_lib.config.finetuning import Finetuning
from c2i_lib.errors import C2IError
from c2i_lib.models.device import use_bf16
from c2i_lib.models.distributed import Processes
from c2i_lib.records.files import atomic_path
from c2i_lib.stages.finetuning.checkpoints import load_checkpoint, save_checkpoint
from c2i_lib.stages.finetuning.prefix_cache import PrefixCache
from c2i_lib.stages.finetuning.rows import Rows, make_batches
from c2i_lib.stages.finetuning.split_model import SplitModel


def _peak_memory_mb() -> float:
    """Peak memory of the GPU, or of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def rate_at(step: int, n_steps: int, settings: Finetuning) -> float:
    """Share of the learning rate: linear warm-up, then cosine to zero."""
    n_warmup = max(1, round(settings.warmup_share * n_steps))
    if step < n_warmup:
        return (step + 1) / n_warmup
    return 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / max(1, n_steps - n_warmup)))


class Trainer:
    """Everything that one training needs. ``captions``: ids of the captions of ``rows``, for messages.

    With more than one epoch, hidden states at the cut are computed in the first and read from ``folder`` in the others
    (``cache=False`` computes them again); in ``states``, another folder, they are kept for the next training. Each of
    ``observers`` is called with each row of the log.
    """

    def __init__(
        self,
        split: SplitModel,
        rows: Rows,
        eval_rows: Rows,
        settings: Finetuning,
        seed: int,
        folder: Path,
        captions: Sequence[str] = (),
        cache: bool = True,
        states: Path | None = None,
        observers: Sequence[Callable[[dict], None]] = (),
    ):
        self.split, self.rows, self.settings, self.seed, self.folder = split, rows, settings, seed, Path(folder)
        self.captions, self.observers, self.model = captions, observers, split.model
        self.processes = Processes()
        self.bf16 = use_bf16(settings.precision)
        self.width, self.device = split.head.weight.shape[1], self.model.device
        self.trainable = {name: part for name, part in self.model.named_parameters() if part.requires_grad}
        weights, fused = self.trainable.values(), self.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(
            weights, settings.learning_rate, weight_decay=settings.weight_decay, fused=fused
        )
        self.tokens_per_batch = settings.batch_size * settings.block_length
        self.steps = [
            (epoch, batch)
            for epoch in range(settings.epochs)
            for batch in make_batches(rows.lengths, self.tokens_per_batch, seed + epoch)
        ]
        self.eval_rows, self.cache, self.eval_cache = eval_rows, None, None
        with self.processes.main_first():  # which makes the files that the others open
            if cache and (settings.epochs > 1 or states):
                self.cache = self._cache(states or self.folder, "prefix_cache.bin", rows)
            if cache:
                self.eval_cache = self._cache(states or self.folder, "prefix_cache_eval.bin", eval_rows)

    def _cache(self, folder: Path, name: str, rows: Rows) -> PrefixCache:
        cache = PrefixCache(folder / name, rows, self.width, torch.bfloat16 if self.bf16 else torch.float32)
        if not cache.missing([0]):  # kept from another training: is it of this very model?
            with self._autocast():
                states = self.split.lower(rows.batch([0])[0].to(self.device))
            if not torch.allclose(cache.load([0]).float(), states.float().cpu(), rtol=0.01, atol=0.01):
                cache.forget()
        return cache

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def _loss(self, rows: Rows, indices: Sequence[int], cache: PrefixCache | None) -> tuple[torch.Tensor, int]:
        """Summed loss of some rows, and the number of predicted tokens."""
        if not indices:  # a batch of fewer rows than processes
            return torch.zeros((), requires_grad=True), 0
        ids, predicted = (tensor.to(self.device) for tensor in rows.batch(indices))
        with self._autocast():
            if cache is None or cache.missing(indices):
                hidden = self.split.lower(ids)
                if cache is not None:
                    cache.store(indices, hidden)
            else:
                hidden = cache.load(indices).to(self.device)
            return self.split.loss(hidden.float(), ids, predicted), int(predicted.sum())

    @torch.no_grad()
    def evaluate(self) -> float:
        """Mean loss per predicted token of the held-out rows."""
        self.model.eval()
        total = n_tokens = 0
        for batch in make_batches(self.eval_rows.lengths, self.tokens_per_batch, seed=0):
            loss, n_predicted = self._loss(self.eval_rows, self.processes.share(batch), self.eval_cache)
            total, n_tokens = total + loss.item(), n_tokens + n_predicted
        total, n_tokens = self.processes.total(total, n_tokens)  # where all processes wait for each other
        if self.eval_cache is not None:
            self.eval_cache.finish()
        return total / max(1, n_tokens)

    def _step(self, step: int) -> tuple[float, int]:
        """One step of the optimizer. Returns the mean loss and the number of predicted tokens, of all processes."""
        _, batch = self.steps[step]
        # Dropout, in models that have it, differs between processes as it does between the rows of a batch.
        torch.manual_seed((self.seed + step) * self.processes.count + self.processes.rank)
        self.model.train()
        try:
            summed, n_predicted = self._loss(self.rows, self.processes.share(batch), self.cache)
            total, n_predicted = self.processes.total(summed.item(), n_predicted)
            loss = total / max(1, n_predicted)
            self._check(loss, step, batch)
            (summed / max(1, n_predicted)).backward()
        except RuntimeError as error:
            raise self._explained(error) from error
        self.processes.sum_gradients(self.trainable.values())
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * rate_at(step, len(self.steps), self.settings)
        nn.utils.clip_grad_norm_(self.trainable.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss, int(n_predicted)

    def _check(self, loss: float, step: int, batch: Sequence[int]) -> None:
        if not math.isfinite(loss):
            places = self.rows.captions_of(batch)
            ids = [str(self.captions[place]) if len(self.captions) else str(place) for place in places[:20]]
            raise C2IError(
                f"the loss is {loss} at step {step}: lower finetuning.learning_rate, or look at the captions of "
                f"this batch ({', '.join(ids)}{' …' if len(places) > 20 else ''})"
            )

    def _explained(self, error: RuntimeError) -> RuntimeError | C2IError:
        if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
            return error
        size = self.settings.batch_size
        return C2IError(
            f"out of memory with finetuning.batch_size={size} blocks of {self.settings.block_length} tokens ({error}): "
            f"try finetuning.batch_size={max(1, size // 2)}"
        )

    def _resume(self) -> tuple[int, list[dict]]:
        first, log = load_checkpoint(self.folder, self.trainable, self.optimizer)
        if self.cache is not None:  # the cache was flushed with the checkpoint
            done = [index for epoch, batch in self.steps[:first] if epoch == 0 for index in batch]
            self.cache.filled[done] = True
        return first, log

    def train(self) -> pd.DataFrame:
        """Train to the end. Returns the log: a row a step, and losses of held-out rows at each epoch's end."""
        first, log = self._resume()
        if not log:
            log = [self._log_row(0, 0, 0, None, self.evaluate(), 0.0)]
        progress = tqdm(
            range(first, len(self.steps)),
            initial=first,
            total=len(self.steps),
            desc="finetune",
            mininterval=2,
            disable=not self.processes.is_main,
        )
        best = _Best(self.trainable, self.settings.early_stopping, self.folder, self.processes.is_main)
        for step in progress:
            started = time.perf_counter()
            loss, n_predicted = self._step(step)
            seconds = time.perf_counter() - started
            ends_epoch = step + 1 == len(self.steps) or self.steps[step + 1][0] > self.steps[step][0]
            eval_loss = self._end_epoch() if ends_epoch else None
            log.append(self._log_row(step + 1, log[-1]["tokens"] + n_predicted, n_predicted, loss, eval_loss, seconds))
            progress.set_postfix(loss=f"{loss:.3f}", refresh=False)
            for observer in self.observers:
                observer(log[-1])
            if ends_epoch and best.should_stop(log):
                tqdm.write(f"stopped early after step {step + 1}: held-out loss has not improved")
                break
            if (step + 1) % self.settings.checkpoint_every == 0 and step + 1 < len(self.steps):
                self._save_checkpoint(step + 1, log)
        best.restore()
        return pd.DataFrame(log)

    def _end_epoch(self) -> float:
        eval_loss = self.evaluate()
        if self.cache is not None:  # now each process has stored its rows in the file that they share
            self.cache.finish()
        return eval_loss

    def _save_checkpoint(self, step: int, log: list[dict]) -> None:
        if self.processes.is_main:
            for cache in filter(None, (self.cache, self.eval_cache)):
                cache.flush()
            save_checkpoint(self.folder, step, self.trainable, self.optimizer, log)

    def remove_caches(self) -> None:
        """Remove the files of hidden states from ``folder``: they take the space of many checkpoints."""
        self.cache = self.eval_cache = None
        for path in self.folder.glob("prefix_cache*"):
            path.unlink()

    def _log_row(
        self, step: int, tokens: int, n_predicted: int, loss: float | None, eval_loss: float | None, seconds: float
    ) -> dict:
        epoch = self.steps[step - 1][0] + 1 if step else 0
        row = {"step": step, "epoch": epoch, "tokens": tokens, "loss": loss, "eval_loss": eval_loss}
        row["eval_perplexity"] = math.exp(min(eval_loss, 700)) if eval_loss is not None else None
        row["learning_rate"] = self.optimizer.param_groups[0]["lr"] if step else 0.0
        row["tokens_per_second"] = n_predicted / seconds if seconds else None
        return {**row, "peak_memory_mb": _peak_memory_mb()}


class _Best:
    """Early stopping: keeps the weights of the epoch with the lowest held-out loss, in a file, for a killed run too."""

    def __init__(self, trainable: dict[str, nn.Parameter], patience: int | None, folder: Path, is_main: bool):
        self.trainable, self.patience, self.path = trainable, patience, folder / "best.safetensors"
        self.is_main = is_main  # one of several processes writes the file and the final model

    def should_stop(self, log: list[dict]) -> bool:
        """Whether held-out loss has not improved for ``patience`` epochs. Call it at the end of each epoch."""
        if self.patience is None:
            return False
        losses = [row["eval_loss"] for row in log if row["eval_loss"] is not None]
        epochs_since_best = len(losses) - 1 - losses.index(min(losses))
        if epochs_since_best == 0 and self.is_main:
            with atomic_path(self.path) as temporary:
                save_file({name: part.detach().contiguous() for name, part in self.trainable.items()}, temporary)
        return epochs_since_best >= self.patience

    def restore(self) -> None:
        """Put the best weights back, where early stopping has kept some."""
        if self.is_main and self.path.is_file():
            for name, weights in load_file(self.path).items():
                self.trainable[name].data.copy_(weights)
            self.path.unlink()
