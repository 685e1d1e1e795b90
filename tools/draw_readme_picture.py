"""Draw ``figures/imagine.png``: for each of ten concepts the bare concept's first picture, and the tool's below it.

By the ready writer, or by a run of your own. Nothing is picked by hand: one concept, one seed, one picture each.

    python tools/draw_readme_picture.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from c2i_lib.generator import ConceptToImage
from c2i_lib.reporting.figures import plot_pictures
from c2i_lib.reporting.style import save_figure
from c2i_lib.run.ready import READY, find_tool

CONCEPTS = (
    "a red bicycle",
    "a puppy",
    "the sea at night",
    "a slice of cake",
    "an angry man",
    "a castle in the snow",
    "a guitar",
    "a bunch of roses",
    "two dogs",
    "a sports car",
)
COLUMNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", default=READY)
    parser.add_argument("--arm", default="ft_good", help="who writes the prompts of the lower pictures")
    parser.add_argument("--out", type=Path, default=Path("figures"))
    args = parser.parse_args()
    run = find_tool(None, args.run_dir)
    arms = ("concept_only", args.arm)
    rows = {arm: [ConceptToImage(run, arm).imagine(concept, n=1)[0] for concept in CONCEPTS] for arm in arms}
    pictures = [
        picture
        for start in range(0, len(CONCEPTS), COLUMNS)
        for arm in arms
        for picture in rows[arm][start : start + COLUMNS]
    ]
    for picture in rows[args.arm]:
        print(picture.prompt)
    figure = plot_pictures([picture.image for picture in pictures], [picture.prompt for picture in pictures], COLUMNS)
    pdf, _ = save_figure(figure, args.out, "imagine", run.profile.label)
    pdf.unlink()  # the README shows the PNG


if __name__ == "__main__":
    main()
