"""How good is the embedded TTI model? Does it draw what it is asked for, and does good wording make better pictures?

    python -m pip install -r requirements-benchmarks.txt
    python benchmarks/embedded_tti.py [--quick] [--only names] [--weights FOLDER]
    python benchmarks/embedded_tti.py --sheet sheet.png --captions benchmarks/blind_naming.txt --no-labels

Drawn by the ordinary pipeline with the ``cpu`` profile's settings. Four parts:

- names: 200 names of things. Which rank has the right thing among all of the sprite pack, by an independent network
  (``recognition.py``), and how far is the nearest picture of training, in levels of 255 a pixel?
- combinations: 100 scenes of each kind that training never showed; the right composition must be nearer than those
  with another thing, place, number, colour or order.
- background: how white is white? Standard deviation of the outer pixels against decoded training pictures.
- headroom: bare concept against the same with good and with poor words, by both quality judges, in standard
  deviations within a concept; and how much of the edges "blurry photo of" leaves.

Each part prints a line with its bar; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from recognition import KINDS, compose_all, held_out_scenes, is_right, ranks_of_names, rivals, single_pictures

from c2i_lib.config import load_profile
from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.grammar import write_caption
from c2i_lib.embedded.models import assemble_pipeline, tti_weights
from c2i_lib.embedded.sampling import drawn_things, scene_things
from c2i_lib.embedded.scenes import Scene, Thing
from c2i_lib.models.device import quiet_libraries
from c2i_lib.models.judges import load_judge, score_pictures
from c2i_lib.stages.images import render

BARS = {"first": 0.8, "first_five": 0.95, "thing and place": 0.8, "count": 0.8, "color": 0.8, "ordered pair": 0.6}
BACKGROUND_BAR, HEADROOM_BAR = 2.0, 0.5
GOOD, POOR = "{x}, glossy 3D render, soft light", "blurry photo of {x}"
SEEDS_OF_A_CONCEPT = 5
MARGIN = 5  # pixels around a thing alone that are white in training
COLUMNS = 8


class Artist:
    """Draws prompts with the ``cpu`` profile's settings and counts its time."""

    def __init__(self, weights: Path) -> None:
        self.settings = load_profile("cpu").images
        self.pipeline = assemble_pipeline(weights)
        self.pipeline.set_progress_bar_config(disable=True)
        self.pictures, self.seconds = 0, 0.0

    def draw(self, prompts: list[str], first_seed: int = 0) -> np.ndarray:
        """uint8 ``(n, 128, 128, 3)``; the seed of each prompt is ``first_seed`` and its position."""
        started = time.monotonic()
        seeds = range(first_seed, first_seed + len(prompts))
        drawn = np.stack(render(self.pipeline, prompts, seeds, self.settings))
        self.pictures, self.seconds = self.pictures + len(prompts), self.seconds + time.monotonic() - started
        return (drawn.clip(0, 1) * 255).round().astype(np.uint8)


def _report(label: str, value: float, bar: float, passed: bool | None = None) -> None:
    passed = value >= bar if passed is None else passed
    print(f"{label}: {value:.3f}, bar {bar}: {'passed' if passed else 'not passed'}", flush=True)


def measure_names(artist: Artist, n: int) -> dict[str, float]:
    """Shares in the first place and the first five, and the distance to the nearest training picture."""
    names = [sprite.name for sprite in random.Random(0).sample(drawn_things(), n)]
    pictures = artist.draw(names)
    ranks = ranks_of_names(pictures, names)
    training = single_pictures().astype(np.int16)
    nearest = [float(np.abs(training - picture).mean((1, 2, 3)).min()) for picture in pictures.astype(np.int16)]
    result = {"first": float((ranks == 1).mean()), "first_five": float((ranks <= 5).mean())}
    for label, share in result.items():
        _report(f"names, {label.replace('_', ' ')}", share, BARS[label])
    missed = [name for name, rank in zip(names, ranks, strict=True) if rank > 5]
    print(f"missed: {', '.join(missed)}")
    return result | {"nearest_training_picture": float(np.median(nearest))}


def measure_combinations(artist: Artist, n: int) -> dict[str, float]:
    """Share of held-out scenes that come out right, for each respect."""
    result = {}
    for respect in KINDS:
        random_ = random.Random(respect)
        scenes = held_out_scenes(respect, n, random_)
        pictures = artist.draw([write_caption(scene, random_, "A", styled=True) for scene in scenes])
        right = [
            is_right(picture, scene, rivals(scene, respect, random_), respect)
            for picture, scene in zip(pictures, scenes, strict=True)
        ]
        result[respect] = float(np.mean([all(parts) for parts in right]))
        _report(f"held-out {respect}", result[respect], BARS[respect])
    return result


def _border_deviation(pictures: np.ndarray) -> float:
    """Median over pictures of the standard deviation of the outer ``MARGIN`` pixels, in levels of 255."""
    inside = np.zeros(pictures.shape[1:3], bool)
    inside[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    return float(np.median(pictures[:, ~inside].astype(float).std((1, 2))))


@torch.inference_mode()
def _through_autoencoder(vae: torch.nn.Module, pictures: np.ndarray) -> np.ndarray:
    values = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    decoded = torch.cat([vae.decode(vae.encode(batch).latents).sample for batch in values.split(16)])
    return decoded.add(1).mul(127.5).clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()


def measure_background(artist: Artist, n: int) -> dict[str, float]:
    """The white around things, drawn, over that of training pictures that went through the autoencoder."""
    names = [sprite.name for sprite in random.Random(1).sample(drawn_things(), n)]
    drawn = artist.draw([GOOD.format(x=name) for name in names])
    alone = compose_all([Scene((Thing(name),)) for name in names])
    real = _border_deviation(_through_autoencoder(artist.pipeline.vae, alone))
    ratio = _border_deviation(drawn) / max(real, 0.5)  # half a level of 255 is as even as 8 bits can show
    _report("deviation of the white background over decoded training pictures", ratio, BACKGROUND_BAR, ratio <= 2)
    return {"background_ratio": ratio, "background_of_decoded": real}


def _edge_strength(pictures: np.ndarray) -> np.ndarray:
    """``(n,)`` mean of the strongest hundredth of differences between neighbours."""
    grey = pictures.astype(float).mean(3)
    steps = np.concatenate([np.abs(np.diff(grey, axis=axis)).reshape(len(grey), -1) for axis in (1, 2)], 1)
    return np.sort(steps, 1)[:, -steps.shape[1] // 100 :].mean(1)


def measure_headroom(artist: Artist, n: int) -> dict[str, float]:
    """What good and poor words do to the quality of ``n`` bare concepts' pictures."""
    concepts = [sprite.name for sprite in random.Random(2).sample(scene_things(), n)]
    repeated = [concept for concept in concepts for _ in range(SEEDS_OF_A_CONCEPT)]
    wordings = {"bare": "{x}", "good": GOOD, "poor": POOR}
    drawn = {name: artist.draw([frame.format(x=x) for x in repeated]) for name, frame in wordings.items()}
    result = {}
    for model in ("embedded:quality", "embedded:quality-selecting"):
        judge = load_judge(JudgeModel(kind="scene_quality", model=model))
        scores = {
            name: score_pictures(judge, pictures, repeated, 64).reshape(n, -1) for name, pictures in drawn.items()
        }
        within = float(np.sqrt(scores["bare"].var(1, ddof=1).mean()))
        for name in ("good", "poor"):
            result[f"{name}_{model}"] = float((scores[name] - scores["bare"]).mean()) / within
        _report(f"good words over the bare concept, {model}", result[f"good_{model}"], HEADROOM_BAR)
    edges = {name: _edge_strength(drawn[name]) for name in ("good", "poor")}
    result["blurred_edges"] = float(np.median(edges["poor"] / edges["good"]))
    print(f"edges that are left in {POOR.format(x='…')!r}: {result['blurred_edges']:.2f}")
    return result


def save_sheet(pictures: np.ndarray, labels: list[str] | None, path: Path) -> None:
    """Pictures in rows of ``COLUMNS``; numbered where there are no ``labels``."""
    size, below = pictures.shape[1], 18
    texts = labels or [str(number + 1) for number in range(len(pictures))]
    sheet = Image.new("RGB", (COLUMNS * (size + 6), -(-len(pictures) // COLUMNS) * (size + below)), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        left, top = index % COLUMNS * (size + 6), index // COLUMNS * (size + below)
        sheet.paste(Image.fromarray(picture), (left + 3, top + 2))
        pen.text((left + 3, top + size + 4), text[: size // 6], fill="black")
    sheet.save(path)


PARTS = {
    "names": (measure_names, 200, 40),
    "combinations": (measure_combinations, 100, 20),
    "background": (measure_background, 100, 20),
    "headroom": (measure_headroom, 60, 10),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the pictures")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (may be given again)")
    parser.add_argument("--weights", type=Path, default=tti_weights(), help="a folder with unet, vae and scheduler")
    parser.add_argument("--sheet", type=Path, help="draw --captions into this PNG and measure nothing")
    parser.add_argument("--captions", type=Path, default=Path(__file__).with_name("blind_naming.txt"))
    parser.add_argument("--no-labels", action="store_true", help="number the sheet's pictures")
    parser.add_argument("--seed", type=int, default=0, help="of the sheet's first picture")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    quiet_libraries()
    artist = Artist(args.weights)
    if args.sheet:
        captions = args.captions.read_text(encoding="utf-8").split("\n")
        captions = [caption for caption in captions if caption.strip()]
        save_sheet(artist.draw(captions, args.seed), None if args.no_labels else captions, args.sheet)
        return
    result: dict[str, float] = {}
    for part in args.only or PARTS:
        measure, n, n_quick = PARTS[part]
        result |= measure(artist, n_quick if args.quick else n)
    result["images_per_second"] = artist.pictures / artist.seconds
    print(json.dumps({name: round(value, 4) for name, value in result.items()}))


if __name__ == "__main__":
    main()
