"""Judges on pairs whose answer is known: does the better picture, or the right concept, get the higher score?

In: clean glyphs on backgrounds that no training picture has them on, or the run's own images of the bare concept.
Out: ``validity.parquet`` (``judge, test, measure, value, low, high, n``). Tests: a picture with its own concept against
the same picture with another one; and the picture against poorer copies of itself. A judge of quality that ignores the
concept is at 0.5 in the first test; a judge of faithfulness may be near 0.5 in the others. Ignored: people, with whom
``validity.py`` compares judges.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from c2i_lib.config import Profile
from c2i_lib.config.judges import JudgeModel, Judges
from c2i_lib.embedded.captions import BACKGROUNDS, Pair, make_pairs
from c2i_lib.embedded.glyphs import load_glyphs
from c2i_lib.embedded.rendering import render
from c2i_lib.errors import C2IError
from c2i_lib.models.judges import Judge, judge_name, load_judge, score_pictures
from c2i_lib.records.files import seed_of, write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.evaluation.scores import read_pictures, shown_images
from c2i_lib.statistics.bootstrap import cluster_interval

DEGRADATIONS = ("blur", "noise", "JPEG", "downsampled")
NOISE_SIGMA = 45.0  # of 255
JPEG_QUALITY = 5  # of 95
BLUR, DOWNSAMPLED = 1 / 32, 1 / 6  # shares of the picture's side: blur's standard deviation, and what is left
GRAINS = 224  # noise has at most so many grains a side: finer ones would vanish when CLIP shrinks the picture
BARE_ARMS = ("concept_only", "base")  # whose pictures show the concept most surely


def degrade(picture: np.ndarray, degradation: str, seed: int) -> np.ndarray:
    """A poorer copy of a uint8 picture, as visible at 64 pixels as at 768; the noise depends on ``seed``."""
    image, side = Image.fromarray(picture), min(picture.shape[:2])
    if degradation == "blur":
        return np.asarray(image.filter(ImageFilter.GaussianBlur(BLUR * side)))
    if degradation == "noise":
        height, width = picture.shape[:2]
        grain = max(1, round(side / GRAINS))
        noise = np.random.default_rng(seed).normal(0, NOISE_SIGMA, (-(-height // grain), -(-width // grain), 3))
        noise = noise.repeat(grain, axis=0).repeat(grain, axis=1)[:height, :width]
        return (picture + noise).clip(0, 255).astype(np.uint8)
    if degradation == "JPEG":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=JPEG_QUALITY)
        return np.asarray(Image.open(buffer))
    if degradation == "downsampled":
        small = [max(1, round(length * DOWNSAMPLED)) for length in image.size]
        return np.asarray(image.resize(small, Image.BOX).resize(image.size, Image.NEAREST))
    raise ValueError(f"unknown degradation {degradation!r}; known: {', '.join(DEGRADATIONS)}")


def glyph_pictures(n: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """``n`` clean renderings and their names: glyphs at random, each on a background that ``make_pairs`` does not give
    it, so that neither the TTI model nor the judge was trained on the picture."""
    draw = random.Random(seed)
    seen = {(code, pair.background) for pair in make_pairs() for code in pair.codes}
    glyphs = list(load_glyphs())
    pictures, names = [], []
    for glyph in draw.sample(glyphs, len(glyphs)):
        free = [background for background in BACKGROUNDS if (glyph.code, background) not in seen]
        if free and len(names) < n:
            pictures.append(render(Pair("", "", "background", (glyph.code,), draw.choice(free))))
            names.append(glyph.name)
    return pictures, names


def other_concepts(concepts: Sequence[str], seed: int) -> list[str]:
    """For every picture a concept that is not its own, at random. Raises ``C2IError`` when there is only one."""
    names = sorted(set(concepts))
    if len(names) < 2:
        raise C2IError("judges are tested by exchanging concepts, which needs pictures of at least two concepts")
    steps = np.random.default_rng(seed).integers(1, len(names), len(concepts))
    return [names[(names.index(concept) + step) % len(names)] for concept, step in zip(concepts, steps, strict=True)]


def pair_measures(
    better: np.ndarray, worse: np.ndarray, concepts: Sequence[str], n_bootstrap: int, confidence: float, seed: int
) -> pd.DataFrame:
    """``measure, value, low, high, n`` of scores ``better``, which should be higher, and ``worse`` of these pictures.

    Paired accuracy: how often a picture's better score is above its own worse one. AUC: how often it is above any
    picture's worse one. Ties count half, and concepts weigh alike. Intervals resample concepts; the AUC's resample its
    structural components (DeLong et al. 1988; by clusters: Obuchowski 1997), whose mean it is.
    """
    codes, names = pd.factorize(np.asarray(concepts))
    share = (codes == np.arange(len(names))[:, None]).astype(float)
    share /= share.sum(1, keepdims=True)
    wins = (np.sign(np.subtract.outer(better, worse)) + 1) / 2
    by_concept = share @ wins @ share.T
    area = by_concept.mean()
    values = np.stack([share @ np.diag(wins), by_concept.mean(0) + by_concept.mean(1) - area], axis=1)
    low, high = cluster_interval(values, n_bootstrap, confidence, seed)
    table = pd.DataFrame({"measure": ["paired accuracy", "AUC"], "value": values.mean(0)})
    return table.assign(low=low.clip(0, 1), high=high.clip(0, 1), n=len(codes))


def check_judge(
    judge: Judge, pictures: Callable[[], Iterator[np.ndarray]], concepts: Sequence[str], profile: Profile, label: str
) -> pd.DataFrame:
    """All tests of one judge: ``test, measure, value, low, high, n``. ``pictures()`` starts from the first picture."""

    def scores(named: Sequence[str], degradation: str | None = None) -> np.ndarray:
        shown = (
            degrade(picture, degradation, seed_of(profile.seed, degradation, place)) if degradation else picture
            for place, picture in enumerate(pictures())
        )
        return score_pictures(judge, shown, named, profile.judges.batch_size, label)

    right = scores(concepts)
    worse = {"right against other concept": scores(other_concepts(concepts, profile.seed))}
    for degradation in DEGRADATIONS:
        worse[f"clean against {degradation}"] = scores(concepts, degradation)
    numbers = (profile.analysis.n_bootstrap, profile.analysis.confidence, profile.seed)
    tables = [pair_measures(right, scores, concepts, *numbers).assign(test=test) for test, scores in worse.items()]
    return pd.concat(tables, ignore_index=True)


def every_judge(settings: Judges) -> list[JudgeModel]:
    """All judges of a profile, each once: reporting, further ones, and those for selection."""
    selecting = [settings.selection.quality, settings.selection.faithfulness] if settings.selection else []
    return list(dict.fromkeys([settings.quality, settings.faithfulness, *settings.others, *selecting]))


def _known_pictures(images_file: Path, profile: Profile) -> tuple[Callable[[], Iterator[np.ndarray]], list[str]]:
    settings = profile.judges
    if settings.known_answers == "glyphs":
        pictures, names = glyph_pictures(settings.n_known_answers, profile.seed)
        return lambda: iter(pictures), names
    table = shown_images(images_file)
    arms = set(table["arm"])
    arm = next((name for name in BARE_ARMS if name in arms), table["arm"].iloc[0])
    table = table[table["arm"] == arm].sort_values("sample", kind="stable").head(settings.n_known_answers)
    return lambda: read_pictures(images_file, table), list(table["concept"])


def check_known_answers(images_file: Path, out_dir: Path, profile: Profile) -> pd.DataFrame:
    """Every judge of the profile on pairs whose answer is known: ``judge, test, measure, value, low, high, n``."""
    folder, settings = Path(out_dir), profile.judges
    judges = every_judge(settings)
    key = settings.model_dump(include={"known_answers", "n_known_answers"})
    key |= {"judges": [judge.model_dump() for judge in judges], "seed": profile.seed}
    key |= profile.analysis.model_dump(include={"n_bootstrap", "confidence"})
    with Stage(folder, key, [images_file] if settings.known_answers == "images" else [], __name__) as stage:
        if not stage.done:
            pictures, concepts = _known_pictures(images_file, profile)
            tables = []
            for judge in judges:
                name = judge_name(judge)
                checked = check_judge(load_judge(judge), pictures, concepts, profile, f"known answers, {name}")
                tables.append(checked.assign(judge=name))
            columns = "judge test measure value low high n".split()
            write_table(folder / "validity.parquet", pd.concat(tables, ignore_index=True)[columns])
    return pd.read_parquet(folder / "validity.parquet")
