"""Calibrate a quality judge of scenes, or print how well both do on scenes that neither has seen.

    python tools/embedded_world/quality_report.py
    python tools/embedded_world/quality_report.py --role selecting --work ~/.cache/c2i-training/tti

In: the judges' folders, and the TTI model in training. Out: figures on the screen, those of each kind of flaw in
``judge.json`` too. Scenes are of the split "test"; kinds of flaws that a judge was never shown are printed apart.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from autoencoder import SIZE
from contact_sheet import load_model, to_images
from flaws import ALL_FLAWS, add_flaw
from judge_training import write_facts
from model import DEFAULT_WORK, draw
from quality_pairs import MOST, NEVER_SHOWN, STYLE_SHARES, draw_judged, styles_of
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from train_tti import load_autoencoder

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.grammar import write_caption
from c2i_lib.embedded.models import WEIGHTS
from c2i_lib.embedded.scenes import Scene, compose
from c2i_lib.models.judges import load_judge
from c2i_lib.models.judges.scene_quality import KIND, SceneQuality

FOLDERS = {"reporting": WEIGHTS / "quality", "selecting": WEIGHTS / "quality_selecting"}
ARCHITECTURE = {"reporting": "convolutional", "selecting": "statistics"}
STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
CALIBRATION_SEED, TEST_SEED = 92_001, 92_002
N_CLEAN, N_PER_FLAW = 500, 80  # scenes
Figures = dict[str, dict[str, float]]


def area(higher: Sequence[float], lower: Sequence[float]) -> float:
    return float(roc_auc_score([1] * len(higher) + [0] * len(lower), [*higher, *lower]))


def _score(judge: SceneQuality, pictures: Iterable) -> np.ndarray:
    pictures = [np.asarray(picture) for picture in pictures]
    return judge.score(pictures, [""] * len(pictures))


def calibrate(folder: Path, role: str, vae) -> dict:
    """Write ``judge.json`` with a scale on which clean pictures have the median 1, ruined ones 0."""
    facts = {"kind": KIND, "architecture": ARCHITECTURE[role], "poor": 0.0, "clean": 1.0}
    facts["never_shown"] = list(NEVER_SHOWN[role])
    write_facts(folder, facts)
    judge, random_ = load_judge(JudgeModel(kind=KIND, model=str(folder))), random.Random(CALIBRATION_SEED)
    clean = [compose(draw_judged(random_, role)) for _ in range(N_CLEAN)]
    kinds = [kind for kind in ALL_FLAWS if kind not in NEVER_SHOWN[role]]
    ruined = [add_flaw(picture, random_.choice(kinds), MOST, index, vae) for index, picture in enumerate(clean)]
    for name, pictures in (("poor", ruined), ("clean", clean)):
        facts[name] = round(float(np.median(_score(judge, pictures))), 4)
    write_facts(folder, facts)
    return facts


def flaw_figures(judge: SceneQuality, scenes: list[Scene], clean: np.ndarray, vae) -> Figures:
    """For each kind of flaw: clean against flawed (AUC), order within scenes (Spearman), and mean scores."""
    figures, pictures = {}, [compose(scene) for scene in scenes[:N_PER_FLAW]]
    for kind in ALL_FLAWS:
        rows = [clean[: len(pictures)]]
        for strength in STRENGTHS:
            flawed = (add_flaw(picture, kind, strength, seed, vae) for seed, picture in enumerate(pictures))
            rows.append(_score(judge, flawed))
        table = np.stack(rows, 1)
        one = {f"AUC at {strength}": area(clean, table[:, 1 + STRENGTHS.index(strength)]) for strength in (0.5, 1.0)}
        one["AUC at 0.5 to 1.5"] = area(clean, table[:, 1 + STRENGTHS.index(0.5) :].ravel())
        one["Spearman"] = float(np.mean([spearmanr(row, -np.array((0, *STRENGTHS))).statistic for row in table]))
        figures[kind] = one | {"mean at 1.0": float(table[:, 1 + STRENGTHS.index(1.0)].mean())}
    return figures


def _groups(scenes: list[Scene]) -> dict[str, list[str]]:
    """What clean pictures are compared by: the class of each scene in each respect."""
    names = {name: [str(getattr(scene, name)) for scene in scenes] for name in ("place", "time", "weather")}
    numbers = ["named" if scene.named else str(sum(thing.count for thing in scene.things)) for scene in scenes]
    return {"things": numbers, **names}


def content_figures(scenes: list[Scene], clean: np.ndarray) -> Figures:
    """Mean scores of clean pictures by number of things, place, time and weather, where there are ten or more."""
    figures = {}
    for name, classes in _groups(scenes).items():
        for value in sorted(set(classes)):
            of_class = clean[np.array(classes) == value]
            if len(of_class) >= 10:
                figures[f"{name} {value}"] = {"n": len(of_class), "mean": of_class.mean(), "SD": of_class.std()}
    return figures


def style_figures(judge: SceneQuality, n: int = 150) -> Figures:
    """Scores of the same clean scenes in each style."""
    random_, scenes = random.Random(TEST_SEED + 1), []
    while len(scenes) < n:
        scene = draw_judged(random_, "test")
        if len(styles_of(scene)) == len(STYLE_SHARES):
            scenes.append(scene)
    figures = {}
    for style in STYLE_SHARES:
        scores = _score(judge, [compose(Scene(**{**vars(scene), "style": style})) for scene in scenes])
        figures[f"style {style}"] = {"n": n, "mean": scores.mean(), "SD": scores.std()}
    return figures


def draw_generated(work: Path, n: int, steps: int, seed: int = TEST_SEED) -> tuple[list, list]:
    """``n`` clean pictures of things alone and what the TTI model makes of their captions."""
    random_ = random.Random(seed)
    scenes = [draw_judged(random_, "test", "single", "3d") for _ in range(n)]
    captions = [write_caption(scene, random_, "A", False) for scene in scenes]
    pipeline, trained, done = load_model(work)
    print(f"TTI model after {done} pictures, {'trained' if trained else 'linear'} decoder, {steps} steps", flush=True)
    with torch.inference_mode():
        pictures = draw(pipeline, captions, steps=steps, seed=seed, linear=not trained)
    return [compose(scene) for scene in scenes], to_images(pictures)


def print_table(title: str, figures: Figures) -> None:
    print(f"\n{title}")
    if figures:
        columns = list(next(iter(figures.values())))
        print(" " * 22 + "".join(f"{column:>19}" for column in columns))
        for name, row in figures.items():
            print(f"  {name:<20}" + "".join(f"{row[column]:>19.3f}" for column in columns), flush=True)


def report(folder: Path, role: str, vae) -> SceneQuality:
    """Print the figures of the judge in ``folder``; those of each kind of flaw go into its ``judge.json``."""
    judge, random_ = load_judge(JudgeModel(kind=KIND, model=str(folder))), random.Random(TEST_SEED)
    scenes = [draw_judged(random_, "test") for _ in range(N_CLEAN)]
    clean = _score(judge, [compose(scene) for scene in scenes])
    low, median, high = np.quantile(clean, (0.05, 0.5, 0.95))
    print(f"\n{role}: {N_CLEAN} clean scenes, median {median:.3f}, nine in ten from {low:.3f} to {high:.3f}")
    figures = flaw_figures(judge, scenes, clean, vae)
    for title, shown in (("kinds that it learnt from", True), ("kinds never shown to it", False)):
        chosen = {kind: row for kind, row in figures.items() if (kind not in NEVER_SHOWN[role]) == shown}
        print_table(f"{role}: {title}, held-out scenes", chosen)
    print_table(f"{role}: clean pictures by content", content_figures(scenes, clean) | style_figures(judge))
    facts = {"kind": KIND, "architecture": ARCHITECTURE[role], "poor": judge.poor, "clean": judge.clean}
    facts |= {"never_shown": list(NEVER_SHOWN[role])}
    rounded = {kind: {name: round(value, 3) for name, value in row.items()} for kind, row in figures.items()}
    write_facts(folder, facts | {"figures": rounded})
    return judge


def finish(folder: Path, role: str, work: Path) -> None:
    """Calibrate a judge that has just been trained, and print its figures."""
    vae = load_autoencoder(work)
    calibrate(folder, role, vae)
    report(folder, role, vae)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--role", choices=list(FOLDERS), nargs="*", default=list(FOLDERS))
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="the TTI model's training")
    parser.add_argument("--generated", type=int, default=100, help="pictures that the TTI model draws")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--only-generated", action="store_true", help="no figures of flaws")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.only_generated:
        judges = {role: load_judge(JudgeModel(kind=KIND, model=str(FOLDERS[role]))) for role in args.role}
    else:
        vae = load_autoencoder(args.work)
        judges = {role: report(FOLDERS[role], role, vae) for role in args.role}
    real, generated = draw_generated(args.work, args.generated, args.steps)
    figures = {}
    for role, judge in judges.items():
        better, worse = _score(judge, real), _score(judge, generated)
        figures[role] = {"AUC": area(better, worse), "real above its own": float((better > worse).mean())}
        figures[role] |= {"mean real": better.mean(), "mean generated": worse.mean(), "SD generated": worse.std()}
    print_table(f"{len(real)} real clean pictures against generated ones, {SIZE} pixels", figures)


if __name__ == "__main__":
    main()
