"""Write the trained model for the library: fp16 weights of UNet, autoencoder and the scheduler's configuration.

    python tools/embedded_world/export.py FOLDER

``c2i_lib.embedded.models`` puts MiniLM beside them. The export is loaded again by
``DiffusionPipeline.from_pretrained`` and draws a picture before the command reports success.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from contact_sheet import load_model
from diffusers import DiffusionPipeline
from model import DEFAULT_WORK

LIMIT_MB = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    args = parser.parse_args()
    pipeline, trained, done = load_model(args.work)
    if not trained:
        raise SystemExit(f"expected a trained decoder in {args.work / 'decoder'}. Run train_decoder.py first.")
    for part in ("unet", "vae"):
        getattr(pipeline, part).half().save_pretrained(args.out / part)
    pipeline.scheduler.save_pretrained(args.out / "scheduler")
    for path in args.out.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes for its owner alone
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file()) / 1e6
    if size > LIMIT_MB:
        raise SystemExit(f"expected at most {LIMIT_MB} MB, found {size:.1f} MB in {args.out}")
    with tempfile.TemporaryDirectory() as folder:
        pipeline.save_pretrained(folder)
        again = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
        again.set_progress_bar_config(disable=True)
        picture = again("a red bicycle", num_inference_steps=4).images[0]
    print(f"{args.out}: {size:.1f} MB, pictures seen {done}, loads as {type(again).__name__}, draws {picture.size}")


if __name__ == "__main__":
    main()
