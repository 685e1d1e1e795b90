"""Judges on pairs whose answer is known: does the better picture, or the right concept, get the higher score?

In: scenes of the embedded world that no model was trained on, or the run's own images of the bare concept.
Out: ``validity.parquet`` (``KNOWN_ANSWERS_COLUMNS``). Tests: a picture with its own concept against the same picture
with another one; and the picture against poorer copies of itself. On scenes the other concept is wrong in one part
(thing, number, colour, place, time), copies have each flaw at several strengths, and a judge takes the tests of what it
measures. On a run's images each takes all: a judge of quality that ignores the concept is at 0.5 in the first test, and
a judge of faithfulness may be near 0.5 in the others. Ignored: people, with whom ``statistics/validity.py`` compares
judges.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from c2i_lib.config.judges import JudgeModel, Judges
from c2i_lib.embedded import known_scenes
from c2i_lib.errors import C2IError
from c2i_lib.models.judges import Judge, judge_name, load_judge, score_pictures
from c2i_lib.records.files import seed_of, write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.evaluation.scores import read_pictures, sound_images
from c2i_lib.statistics.bootstrap import Resampling, cluster_interval

DEGRADATIONS = ("blur", "noise", "JPEG", "downsampled")
NOISE_SIGMA = 45.0  # of 255
JPEG_QUALITY = 5  # of 95
BLUR, DOWNSAMPLED = 1 / 32, 1 / 6  # shares of the picture's side: blur's standard deviation, and what is left
GRAINS = 224  # noise has at most so many grains a side: finer ones would vanish when CLIP shrinks the picture
KNOWN_ANSWERS_COLUMNS = {"judge": "str", "test": "str", "measure": "str", "value": "float64", "low": "float64"}
KNOWN_ANSWERS_COLUMNS |= {"high": "float64", "n": "int64"}
BARE_ARMS = ("concept_only", "base")  # whose pictures show the concept most surely
MEASURES = ("quality", "faithfulness", "preference")

Pictures = Callable[[], Iterator[np.ndarray]]  # called, it starts from the first one


@dataclass(frozen=True)
class Known:
    """``pictures`` with their own ``concepts``, and for each test ``worse`` ones: poorer copies, or wrong concepts.

    Judges that measure one of ``measures`` take these tests.
    """

    pictures: Pictures
    concepts: Sequence[str]
    worse: Mapping[str, tuple[Pictures, Sequence[str]]]
    measures: tuple[str, ...] = MEASURES


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


def other_concepts(concepts: Sequence[str], seed: int) -> list[str]:
    """For every picture a concept that is not its own, at random. Raises ``C2IError`` when there is only one."""
    names = sorted(set(concepts))
    if len(names) < 2:
        raise C2IError("judges are tested by exchanging concepts, which needs pictures of at least two concepts")
    steps = np.random.default_rng(seed).integers(1, len(names), len(concepts))
    return [names[(names.index(concept) + step) % len(names)] for concept, step in zip(concepts, steps, strict=True)]


def pair_measures(
    better: np.ndarray, worse: np.ndarray, concepts: Sequence[str], resampling: Resampling
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
    low, high = cluster_interval(values, resampling)
    # Sums of shares miss 1 by a rounding error, on either side.
    numbers = {name: part.clip(0, 1) for name, part in (("value", values.mean(0)), ("low", low), ("high", high))}
    return pd.DataFrame({"measure": ["paired accuracy", "AUC"], **numbers, "n": len(codes)})


def known_of_images(pictures: Pictures, concepts: Sequence[str], seed: int) -> list[Known]:
    """Pictures of any size against copies with each of ``DEGRADATIONS``, and with concepts that are not theirs."""

    def copies(degradation: str) -> Iterator[np.ndarray]:
        for index, picture in enumerate(pictures()):
            yield degrade(picture, degradation, seed_of(seed, degradation, index))

    worse = {"right against other concept": (pictures, other_concepts(concepts, seed))}
    worse |= {f"clean against {name}": (partial(copies, name), concepts) for name in DEGRADATIONS}
    return [Known(pictures, concepts, worse)]


def known_of_scenes(n: int, seed: int) -> list[Known]:
    """``n`` clean scenes against copies with each of ``known_scenes.FLAWS``; for each part of a concept as many
    scenes, with concepts that are wrong in that part alone."""
    scenes, concepts = zip(*known_scenes.clean_scenes(n, seed), strict=True)

    def copies(flaw: tuple[str, float]) -> Iterator[np.ndarray]:
        for index, scene in enumerate(scenes):
            yield known_scenes.flawed_picture_of(scene, flaw, seed_of(seed, *flaw, index))

    flawed = {
        f"clean against {name}, strength {strength:g}": (partial(copies, (name, strength)), concepts)
        for name, strength in known_scenes.FLAWS
    }
    tests = [Known(partial(map, known_scenes.picture_of, scenes), concepts, flawed, ("quality", "preference"))]
    for part in known_scenes.PARTS:
        shown, right, wrong = zip(*known_scenes.known_scenes(part, n, seed), strict=True)
        pictures = partial(map, known_scenes.picture_of, shown)
        worse = {f"right against wrong {part}": (pictures, wrong)}
        tests.append(Known(pictures, right, worse, ("faithfulness", "preference")))
    return tests


def check_judge(
    judge: Judge, known: Sequence[Known], batch_size: int, resampling: Resampling, label: str
) -> pd.DataFrame:
    """All tests of what one judge measures: ``test, measure, value, low, high, n``."""
    tables = []
    for group in known:
        if judge.measures not in group.measures:
            continue
        better = score_pictures(judge, group.pictures(), group.concepts, batch_size, label)
        for test, (pictures, concepts) in group.worse.items():
            worse = score_pictures(judge, pictures(), concepts, batch_size, label)
            tables.append(pair_measures(better, worse, group.concepts, resampling).assign(test=test))
    return pd.concat(tables, ignore_index=True)


def every_judge(settings: Judges) -> list[JudgeModel]:
    """All judges of a profile, each once: reporting, further ones, and those for selection."""
    selecting = [settings.selection.quality, settings.selection.faithfulness] if settings.selection else []
    return list(dict.fromkeys([settings.quality, settings.faithfulness, *settings.others, *selecting]))


def _known(images_file: Path, settings: Judges, seed: int) -> list[Known]:
    if settings.known_answers == "scenes":
        return known_of_scenes(settings.n_known_answers, seed)
    table = sound_images(images_file)
    arms = set(table["arm"])
    arm = next((name for name in BARE_ARMS if name in arms), table["arm"].iloc[0])
    table = table[table["arm"] == arm].sort_values("sample", kind="stable").head(settings.n_known_answers)
    return known_of_images(lambda: read_pictures(images_file, table), list(table["concept"]), seed)


def check_known_answers(images_file: Path, out_dir: Path, settings: Judges, resampling: Resampling) -> pd.DataFrame:
    """Every judge of a profile on pairs whose answer is known: ``KNOWN_ANSWERS_COLUMNS``.

    What is left to chance, scenes, noise and other concepts, depends on the seed of ``resampling``.
    """
    folder, judges = Path(out_dir), every_judge(settings)
    key = settings.model_dump(include={"known_answers", "n_known_answers"})
    key |= {"judges": [judge.model_dump() for judge in judges], **asdict(resampling)}
    with Stage(folder, key, [images_file] if settings.known_answers == "images" else [], __name__) as stage:
        if not stage.done:
            known = _known(images_file, settings, resampling.seed)
            tables = []
            for judge in judges:
                name = judge_name(judge)
                questions = (known, settings.batch_size, resampling, f"known answers, {name}")
                tables.append(check_judge(load_judge(judge), *questions).assign(judge=name))
            write_table(folder / "validity.parquet", pd.concat(tables), KNOWN_ANSWERS_COLUMNS)
    return pd.read_parquet(folder / "validity.parquet")
