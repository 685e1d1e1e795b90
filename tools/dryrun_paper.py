"""The paper's models at their own size, without their weights: ``make dryrun-paper``, in two parts.

``language_model`` builds GPT-2 XL from its true configuration with random weights (1.56 B parameters), and runs
notebook 02 of the profile ``paper`` on it for a handful of steps, on the embedded captions. Prints what changed, the
peak memory, and the hours that 450,000 captions would take: here, from the run's tokens a second, and on GPUs, from
arithmetic that is shown. ``images`` is in ``dryrun_images.py``: notebooks 05 and 08.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dryrun_images
import pandas as pd
import torch
from safetensors import safe_open
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from c2i_lib.embedded.models import resolve
from c2i_lib.models.device import has_bf16
from c2i_lib.run.pipeline import run_notebooks
from c2i_lib.run.places import Run, open_run

# huggingface.co/openai-community/gpt2-xl, config.json
GPT2_XL = {"n_embd": 1600, "n_head": 25, "n_layer": 48, "n_positions": 1024, "vocab_size": 50257}
N_CAPTIONS = 405_000  # 450,000 less the 10 % held out
TOKENS_PER_CAPTION = 16.5  # mean of 1,716 captions of LAION with SmolLM2's tokenizer; GPT-2's is much like it
# Dense bf16 peak (makers' data sheets) and the share of it that training reaches in practice.
GPUS = {"A100 80 GB": (312e12, 0.4), "RTX 4090 24 GB": (165e12, 0.4)}


def build_model(folder: Path) -> int:
    """Write GPT-2 XL with random weights and a tokenizer of the embedded world. Returns its number of parameters."""
    if not (folder / "model.safetensors").is_file():
        torch.manual_seed(0)
        model = GPT2LMHeadModel(GPT2Config(**GPT2_XL))
        model.half().save_pretrained(folder, max_shard_size="20GB")
        AutoTokenizer.from_pretrained(resolve("embedded:smollm2-135m")).save_pretrained(folder)
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        names = tensors.keys()
        return sum(tensors.get_tensor(name).numel() for name in names)


def overrides(model: Path, tti: Path, n_captions: int, batch_size: int) -> dict:
    """What differs from the profile ``paper``: the models' places, the captions, and one arm for few steps."""
    changed = {"language_model.model": str(model), "language_model.revision": None, "captions.source": "embedded"}
    changed |= {"images.model": str(tti), "images.revision": None}
    changed |= {"captions.n_finetune": n_captions, "captions.n_mining": 100, "captions.n_length": 100}
    changed |= {"finetuning.arms": ["ft"], "finetuning.batch_size": batch_size}
    if not has_bf16():  # emulated, a step takes many minutes
        print("this processor has no bf16: the dry run computes in fp32, where the profile says bf16")
        changed["finetuning.precision"] = "fp32"
    changed |= {"prompts.arms": ["base", "ft"], "survey.arms": ["base", "ft"], "survey.images_per_survey": 50}
    return changed


def changed_parts(run: Run, model: Path) -> tuple[set[int], set[str]]:
    """Layers (from 1) and other parameters that differ between the checkpoint and the model that it started from."""
    layers, others = set(), set()
    with (
        safe_open(model / "model.safetensors", "pt") as before,
        safe_open(run.folder(2) / "ft" / "model.safetensors", "pt") as after,
    ):
        names = before.keys()
        for name in names:
            if not torch.equal(before.get_tensor(name), after.get_tensor(name)):
                parts = name.split(".")
                layers |= {int(parts[parts.index("h") + 1]) + 1} if "h" in parts else set()
                others |= set() if "h" in parts else {name}
    return layers, others


def flops_per_token() -> float:
    """Arithmetic of one training token: 2 a parameter forward; backward twice that, through what trains only."""
    width, vocabulary = GPT2_XL["n_embd"], GPT2_XL["vocab_size"]
    layer, head = 12 * width**2, width * vocabulary
    return 2 * 42 * layer + 3 * 2 * 6 * layer + 2 * 2 * head


def dry_run(folder: Path, args: argparse.Namespace) -> None:
    """Run the part ``language_model`` in ``folder`` and print its figures."""
    model, tti, start = folder / "gpt2-xl", folder / "tti", time.perf_counter()
    n_parameters = build_model(model)
    dryrun_images.make_tokenizer().save_pretrained(tti / "tokenizer")  # all that notebook 02 needs of the TTI model
    print(f"GPT-2 XL with random weights: {n_parameters:,} parameters ({time.perf_counter() - start:.0f} s)")
    changed = overrides(model, tti, args.captions, args.batch_size)
    run = open_run("paper", folder / "run", None, changed)
    run_notebooks(run, "paper", changed, 1, 2)
    layers, others = changed_parts(run, model)
    print(f"changed: layers {sorted(layers)} of 48, and {sorted(others)}")
    log = pd.read_parquet(run.folder(2) / "ft" / "training_log.parquet").iloc[1:]
    speed, flops = log["tokens_per_second"].median(), flops_per_token()
    n_tokens = N_CAPTIONS * TOKENS_PER_CAPTION
    print(
        f"{len(log)} steps; peak memory {log['peak_memory_mb'].max() / 1024:.1f} GB; {speed:.1f} tokens/s in "
        f"{'bf16' if has_bf16() else 'fp32'}, {platform.processor() or platform.machine()}"
    )
    print(f"{N_CAPTIONS:,} captions x {TOKENS_PER_CAPTION} tokens = {n_tokens / 1e6:.2f} M tokens an epoch")
    print(f"here: {n_tokens / speed / 3600:,.0f} hours an epoch")
    print(f"arithmetic: {flops / 1e9:.2f} GFLOP a token (2 x 42 layers, 6 x 6 layers, 4 x head)")
    for name, (peak, share) in GPUS.items():
        hours = n_tokens * flops / (peak * share) / 3600
        print(f"{name}: {hours:.2f} hours at {share:.0%} of {peak / 1e12:.0f} TFLOP/s")
    layer, head = 12 * GPT2_XL["n_embd"] ** 2, GPT2_XL["n_embd"] * GPT2_XL["vocab_size"]
    frozen, trained = 2 * (42 * layer + head), 16 * 6 * layer  # bytes: bf16; fp32 with gradient and AdamW's two moments
    print(f"memory on a GPU: {frozen / 1e9:.1f} GB frozen in bf16, {trained / 1e9:.1f} GB trained, and activations")
    # fp16 hides the smallest changes of the norm's weights, which are near one.
    if (
        layers != set(range(43, 49))
        or not others
        or others - {f"transformer.ln_f.{part}" for part in ("weight", "bias")}
    ):
        raise SystemExit(f"expected layers 43 to 48 and the last norm to change, found {layers} and {others}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("language_model", "images"), help="one part (default: both)")
    parser.add_argument("--run-dir", type=Path, help="folder to keep (default: one in runs/, removed at the end)")
    parser.add_argument("--captions", type=int, default=240, help="captions to finetune on (default: 240)")
    parser.add_argument("--batch-size", type=int, default=4, help="blocks of 128 tokens a step (default: 4)")
    args = parser.parse_args()
    if not args.only:  # each in a process of its own, so that memory is measured apart
        for part in ("language_model", "images"):
            subprocess.run([sys.executable, *sys.argv, "--only", part], check=True)
        return
    Path("runs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dryrun-", dir="runs") as temporary:
        folder = (args.run_dir or Path(temporary)).resolve()
        if args.only == "images":
            dryrun_images.dry_run(folder)
        else:
            dry_run(folder, args)


if __name__ == "__main__":
    main()
