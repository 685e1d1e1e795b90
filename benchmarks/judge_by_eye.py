"""Does the faithfulness judge see what a person sees in the embedded TTI model's own pictures?

    python benchmarks/judge_by_eye.py --draw sheet.png     # 100 first draws, numbered, with their concepts
    python benchmarks/judge_by_eye.py --marks figures/judge_by_eye/marks.csv

A person looks at the sheet and writes, for each number, 1 where the picture shows the whole concept, 0.5 for a part of
it, and 0 (columns ``number``, ``mark``). Then: the rank correlation of the judges' scores with the marks, and the
probability that a picture that shows its concept scores higher than one that does not (AUC). The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
from embedded_tti import Artist, save_sheet
from scipy.stats import rankdata, spearmanr

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.grammar import write_caption
from c2i_lib.embedded.models import tti_weights
from c2i_lib.embedded.sampling import KINDS, draw_scene
from c2i_lib.models.device import quiet_libraries
from c2i_lib.models.judges import load_judge, score_pictures

N_PICTURES = 100
JUDGES = {"reporting": ("scene_parts", "embedded:parts"), "selecting": ("scene_match", "embedded:match")}


def concepts(n: int = N_PICTURES) -> list[str]:
    """Captions without style words of scenes of every kind, as many of each."""
    random_ = random.Random("by eye")
    scenes = [draw_scene(random_, list(KINDS)[number % len(KINDS)]) for number in range(n)]
    return [write_caption(scene, random_, "A", styled=False) for scene in scenes]


def area_under_curve(scores: np.ndarray, shown: np.ndarray) -> float:
    """Probability that one of ``shown`` scores higher than one of the others; ties count half."""
    ranks, n_shown = rankdata(scores), int(shown.sum())
    return float((ranks[shown].sum() - n_shown * (n_shown + 1) / 2) / (n_shown * (len(scores) - n_shown)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", type=Path, help="draw the sheet and measure nothing")
    parser.add_argument("--marks", type=Path, help="CSV of the marks that a person gave to the sheet")
    parser.add_argument("--weights", type=Path, default=tti_weights(), help="a folder with unet, vae and scheduler")
    args = parser.parse_args()
    if (args.draw is None) == (args.marks is None):
        parser.error("give one of --draw and --marks")
    quiet_libraries()
    asked = concepts()
    pictures = Artist(args.weights).draw(asked)
    if args.draw:
        save_sheet(pictures, [f"{number} {concept}" for number, concept in enumerate(asked, 1)], args.draw)
        Path(args.draw).with_suffix(".txt").write_text("\n".join(asked) + "\n", encoding="utf-8")
        return
    marks = pd.read_csv(args.marks).set_index("number")["mark"].reindex(range(1, N_PICTURES + 1))
    if marks.isna().any():
        parser.error(f"{args.marks} has no mark for {marks.index[marks.isna()].tolist()}")
    result = {"shown": float((marks == 1).mean()), "not_shown": float((marks == 0).mean())}
    for name, (kind, model) in JUDGES.items():
        scores = score_pictures(load_judge(JudgeModel(kind=kind, model=model)), pictures, asked, 64)
        result[f"spearman_{name}"] = float(spearmanr(scores, marks).statistic)
        clear = (marks != 0.5).to_numpy()
        result[f"auc_{name}"] = area_under_curve(scores[clear], (marks == 1).to_numpy()[clear])
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
