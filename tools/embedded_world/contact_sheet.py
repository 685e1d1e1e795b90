"""Draw captions with the model in training and lay the pictures out on one sheet to look at.

    python tools/embedded_world/contact_sheet.py sheet.png
    python tools/embedded_world/contact_sheet.py sheet.png "a red bicycle" "two dogs in the snow"

Uses the moving average in ``state.pt``, and the trained decoder where ``--work`` has one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from model import DEFAULT_WORK, UNET, draw, make_pipeline
from PIL import Image, ImageDraw

from c2i_lib.embedded.autoencoder import PatchAutoencoder

CAPTIONS = (
    "cat|a dog|bicycle|umbrella|a castle|house|sailboat|rocket|an owl|elephant|guitar|camera|snowman|pizza|"
    "birthday cake|robot|sunflower|flamingo|violin|helicopter|teapot|dragon|tiger|telescope|volcano|mermaid|"
    "a fire engine|hedgehog|accordion|pretzel|lobster|a cup of coffee|"
    "a red bicycle|a puppy|a slice of cake|the sea at night|an angry man|a sports car|a bunch of roses|London|"
    "two dogs|a blue car|a cat and a dog|a castle in the snow|a lighthouse at dusk|a wizard|"
    "a spaceship|blurry photo of a cat"
).split("|")


def load_model(work: Path) -> tuple[StableDiffusionPipeline, bool, dict]:
    """The pipeline, whether its decoder is trained, and ``{stage: pictures}`` so far."""
    state = torch.load(work / "state.pt", map_location="cpu")
    unet = UNet2DConditionModel(**UNET)
    unet.load_state_dict(state["average"])
    trained = (work / "decoder" / "config.json").exists()
    vae = PatchAutoencoder.from_pretrained(work / ("decoder" if trained else "vae"), torch_dtype=torch.float32)
    return make_pipeline(unet, vae), trained, {**state["history"], state["stage"]: state["done"]}


def to_images(pictures: torch.Tensor) -> list[Image.Image]:
    """PIL images from ``(n, 3, h, w)`` in [-1, 1]."""
    values = pictures.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(np.ascontiguousarray(picture)) for picture in values]


def lay_out(images: list[Image.Image], labels: list[str], columns: int = 8) -> Image.Image:
    """Images in rows, each above its label."""
    width, height = images[0].width + 6, images[0].height + 18
    sheet = Image.new("RGB", (columns * width, -(-len(images) // columns) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        left, top = index % columns * width, index // columns * height
        sheet.paste(image, (left + 3, top + 2))
        pen.text((left + 3, top + image.height + 4), label[: image.width // 6], fill="black")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("captions", nargs="*", default=CAPTIONS)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipeline, trained, done = load_model(args.work)
    print(f"pictures seen: {done}; {'trained' if trained else 'linear'} decoder")
    pictures = draw(pipeline, list(args.captions), args.guidance, args.steps, args.seed, linear=not trained)
    lay_out(to_images(pictures), list(args.captions)).save(args.out)


if __name__ == "__main__":
    main()
