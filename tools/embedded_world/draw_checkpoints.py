"""Draw the same captions with the TTI model at several points of its training: what a judge of quality must order.

    nice -n 19 python tools/embedded_world/draw_checkpoints.py

Each run writes ``OUT/<stage>_<pictures seen>/`` with ``0000.png`` and so on, and ``scenes.csv`` (number, kind, caption,
things) at the end; the clean pictures of the same scenes go into ``OUT/real_<stage>/``. Captions and starting noise
are the same in every run, so within a stage a number means the same scene. Decoded by the encoder's inverse, so that
the decoder's training does not count.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

import torch
from contact_sheet import to_images
from diffusers import UNet2DConditionModel
from model import DEFAULT_WORK, UNET, draw, make_pipeline
from PIL import Image
from train_tti import load_autoencoder

from c2i_lib.embedded.grammar import DIALECTS, write_caption
from c2i_lib.embedded.sampling import KINDS, draw_scene
from c2i_lib.embedded.scenes import Scene, compose

DEFAULT_OUT = Path.home() / ".cache" / "c2i-training" / "checkpoints"
SEED = 16_003
SEEN_KINDS = {"singles": ("single",), "scenes": tuple(KINDS)}  # of scenes, at each stage of the training


def captioned_scenes(n: int, kinds: tuple[str, ...], seed: int = SEED) -> list[tuple[str, Scene, str]]:
    """``n`` distinct scenes of ``kinds`` in turn: kind, scene, and a caption without words of style or flaw."""
    random_, found = random.Random(seed), {}
    while len(found) < n:
        kind = kinds[len(found) % len(kinds)]
        scene = draw_scene(random_, kind)
        if scene not in found:
            caption = write_caption(scene, random_, random_.choice(DIALECTS), styled=False)
            found[scene] = (kind, scene, caption)
    return list(found.values())


def load_average(work: Path) -> tuple[UNet2DConditionModel, str, int]:
    """The moving average in ``work/state.pt``, its stage, and the pictures seen in that stage."""
    state = torch.load(work / "state.pt", map_location="cpu", mmap=True)
    unet = UNet2DConditionModel(**UNET)
    unet.load_state_dict(state["average"])
    return unet, state["stage"], state["done"]


def write_pictures(folder: Path, images: list[Image.Image], first: int = 0) -> None:
    """``0000.png`` and so on, counted from ``first``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, first):
        image.save(folder / f"{number:04d}.png")


def write_table(file: Path, scenes: list[tuple[str, Scene, str]]) -> None:
    """``scenes.csv``: number, kind, caption, and the things' names (or the named scene's)."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow(("number", "kind", "caption", "things"))
        for number, (kind, scene, caption) in enumerate(scenes):
            things = "|".join(thing.name for thing in scene.things) or scene.named
            table.writerow((number, kind, caption, things))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="the TTI training's folder")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--n", type=int, default=256, help="pictures")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    unet, stage, done = load_average(args.work)
    scenes = captioned_scenes(args.n, SEEN_KINDS[stage])
    folder, real = args.out / f"{stage}_{done}", args.out / f"real_{stage}"
    if (folder / "scenes.csv").exists():
        raise SystemExit(f"{folder} is drawn already; run again when {args.work / 'state.pt'} has gone on")
    write_pictures(real, [compose(scene) for _, scene, _ in scenes])
    pipeline = make_pipeline(unet, load_autoencoder(args.work))
    captions = [caption for _, _, caption in scenes]
    for start in range(0, args.n, args.batch_size):  # drawn in parts, so that a run that is stopped leaves some
        part = captions[start : start + args.batch_size]
        pictures = draw(pipeline, part, steps=args.steps, seed=SEED + start, linear=True, batch_size=args.batch_size)
        write_pictures(folder, to_images(pictures), start)
        print(f"{stage}, {done} pictures seen: {start + len(part)} of {args.n} drawn", flush=True)
    write_table(folder / "scenes.csv", scenes)
    print(f"{args.n} pictures in {folder}, the composed ones of the same scenes in {real}")


if __name__ == "__main__":
    main()
