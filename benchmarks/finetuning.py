"""Finetuning: ours against the Hugging Face ``Trainer``, on the same captions in one run.

All train the same language model on the same blocks in the same order, with the same optimizer and schedule, each in a
process of its own: ``ours`` (frozen layers run once), ``again`` (ours from the states that a training with another seed
kept), ``trainer`` (same precision, same frozen parameters), and ``naive`` (fp32, only lower layers frozen: the tied
embedding trains, and the backward pass goes through everything).
The precision is bf16 where the processor has it, else fp32. The last line printed is one JSON object.
"""

import argparse
import itertools
import json
import multiprocessing
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from c2i_lib.config import load_profile
from c2i_lib.models.device import use_bf16
from c2i_lib.models.language_model import load_tokenizer
from c2i_lib.stages.captions.sources import Reading, read_batches
from c2i_lib.stages.finetuning import make_rows, prepare_model
from c2i_lib.stages.finetuning.rows import make_batches
from c2i_lib.stages.finetuning.training import Trainer, rate_at

N_EVAL = 100  # captions
SEED = 0
FP32 = {"precision": "fp32"}


def read_captions(source: str, n: int) -> list[str]:
    settings = load_profile("paper", {"captions.source": source}).captions
    texts = (text for batch in read_batches(settings, 10_000, Reading()) for text in batch["text"].to_pylist())
    found = list(dict.fromkeys(text for text in texts if text and text.strip()))
    if len(found) < n:
        raise SystemExit(f"{source} has {len(found)} distinct captions, {n} are needed")
    return found[:n]


def load(args: argparse.Namespace) -> tuple:
    """Profile, rows and held-out rows: the same for all."""
    profile = load_profile("cpu", {"finetuning.epochs": args.epochs})
    tokenizer = load_tokenizer(profile.language_model.model)
    texts = read_captions(args.captions, args.rows + N_EVAL)
    length = profile.finetuning.block_length
    rows, eval_rows = (make_rows("ft", part, tokenizer, length) for part in (texts[N_EVAL:], texts[:N_EVAL]))
    n_blocks = (len(rows) - 1) // profile.finetuning.batch_size * profile.finetuning.batch_size
    whole = replace(rows, starts=rows.starts[: n_blocks + 1])  # whole batches, so that the Trainer cuts them alike
    return profile, replace(whole, tokens=rows.tokens[: rows.starts[n_blocks]]), eval_rows


def train_ours(args: argparse.Namespace) -> dict:
    profile, rows, eval_rows = load(args)
    split, _ = prepare_model(profile, rows)
    with tempfile.TemporaryDirectory() as folder:
        states = Path(folder) if args.one == "again" else None
        if states:  # only the frozen layers' part of an earlier training
            earlier = Trainer(split, rows, eval_rows, profile.finetuning, SEED + 1, Path(folder), states=states)
            for index in range(len(rows)):
                earlier._loss(rows, [index], earlier.cache)
            earlier.cache.finish()
        trainer = Trainer(split, rows, eval_rows, profile.finetuning, SEED, Path(folder), states=states)
        trainer.evaluate = lambda: 0.0  # not part of the comparison
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        del trainer.evaluate
        return {"seconds": seconds, "eval_loss": trainer.evaluate(), "tokens": args.epochs * len(rows.tokens)}


def train_with_peer(args: argparse.Namespace) -> dict:
    """The Hugging Face Trainer; its data set is the batches of all epochs in our order."""
    from torch.utils.data import SequentialSampler
    from transformers import Trainer as PeerTrainer
    from transformers import TrainingArguments

    profile, rows, eval_rows = load(args)
    settings = profile.finetuning
    split, _ = prepare_model(profile.model_copy(update={"finetuning": settings.model_copy(update=FP32)}), rows)
    model = split.model
    if args.one == "naive":
        model.get_output_embeddings().weight.requires_grad_(True)
    batches = [
        batch
        for epoch in range(args.epochs)
        for batch in make_batches(rows.lengths, settings.batch_size * settings.block_length, SEED + epoch)
    ]
    examples = [rows.batch([index])[0][0] for batch in batches for index in batch]
    examples = [{"input_ids": example, "labels": example} for example in examples]

    class InOurOrder(PeerTrainer):
        def _get_train_sampler(self, *arguments):
            return SequentialSampler(self.train_dataset)

    weights = [part for part in model.parameters() if part.requires_grad]
    optimizer = torch.optim.AdamW(weights, settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, len(batches), settings))
    with tempfile.TemporaryDirectory() as folder:
        options = TrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=settings.batch_size,
            max_grad_norm=1.0,
            bf16=args.one == "trainer" and use_bf16(settings.precision),
            use_cpu=not torch.cuda.is_available(),
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
        )
        peer = InOurOrder(model=model, args=options, train_dataset=examples, optimizers=(optimizer, schedule))
        start = time.perf_counter()
        peer.train()
        seconds = time.perf_counter() - start
        plain = Trainer(split, rows, eval_rows, settings.model_copy(update=FP32), SEED, Path(folder), cache=False)
        n_tokens = sum(len(example["input_ids"]) for example in examples)
        return {"seconds": seconds, "eval_loss": plain.evaluate(), "tokens": n_tokens}


def run_one(name: str, epochs: int, n_rows: int, captions: str) -> dict:
    """One training in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--epochs", str(epochs), "--rows", str(n_rows)]
    output = subprocess.run([*command, "--captions", captions], check=True, capture_output=True, text=True).stdout
    result = json.loads(output.strip().splitlines()[-1])
    result["tokens_per_second"] = round(result["tokens"] / result["seconds"], 1)
    print(f"{name}, {epochs} epochs, {n_rows} captions: {result}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", default="embedded", help="caption source (default: embedded)")
    parser.add_argument("--rows", type=int, default=1200, help="captions to train on")
    parser.add_argument("--quick", action="store_true", help="few captions, one epoch, within a minute")
    parser.add_argument("--one", choices=("ours", "again", "trainer", "naive"), help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, default=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        result = train_ours(args) if args.one in ("ours", "again") else train_with_peer(args)
        result["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        print(json.dumps(result))
        return
    n_rows = 150 if args.quick else args.rows
    figures = {"machine": f"{platform.processor() or platform.machine()}, {multiprocessing.cpu_count()} cores"}
    figures |= {"precision": "bf16" if use_bf16("auto") else "fp32", "captions": n_rows}
    for epochs in (1,) if args.quick else (1, 3):
        results = {name: run_one(name, epochs, n_rows, args.captions) for name in ("ours", "again", "trainer", "naive")}
        for name, result in results.items():
            for key in ("tokens_per_second", "eval_loss", "peak_mb"):
                figures[f"{name}_{epochs}_epochs_{key}"] = round(result[key], 4)
        for ours, peer in itertools.product(("ours", "again"), ("trainer", "naive")):
            ratio = results[ours]["tokens_per_second"] / results[peer]["tokens_per_second"]
            figures[f"{ours}_times_{peer}_{epochs}_epochs"] = round(ratio, 2)
    if not args.quick:
        half, whole = run_one("ours", 1, n_rows // 2, args.captions), run_one("ours", 1, n_rows, args.captions)
        figures["tokens_times"] = round(whole["tokens"] / half["tokens"], 2)
        figures["seconds_times"] = round(whole["seconds"] / half["seconds"], 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
