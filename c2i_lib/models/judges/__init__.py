"""Judges: pictures and their concepts → scores.

In: a judge's settings and pictures. Out: one score per picture. Pictures are scored against their concept, never
against their prompt, in batches. Ignored: files, and which judge reports (``stages/evaluation``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm import tqdm

from c2i_lib.config.judges import JudgeModel
from c2i_lib.errors import ModelError
from c2i_lib.models.judges.aesthetic import Aesthetic
from c2i_lib.models.judges.clip import ClipIqa, ClipScore
from c2i_lib.models.judges.preference import Hpsv2, PickScore
from c2i_lib.models.judges.scene_match import SceneMatch
from c2i_lib.models.judges.scene_parts import SceneParts
from c2i_lib.models.judges.scene_quality import SceneQuality

KINDS = {
    "clip_iqa": ClipIqa,
    "clip_score": ClipScore,
    "aesthetic": Aesthetic,
    "pickscore": PickScore,
    "hpsv2": Hpsv2,
    "scene_quality": SceneQuality,
    "scene_parts": SceneParts,
    "scene_match": SceneMatch,
}


class Judge(Protocol):
    """One score per picture, higher is better. ``measures``: quality, faithfulness, or preference (both at once).

    ``score`` takes one batch: uint8 pictures ``(height, width, 3)``, which may differ in size, and their concepts.
    The score of a picture does not depend on the others.
    """

    measures: str

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray: ...


def load_judge(settings: JudgeModel) -> Judge:
    """The judge of ``settings.kind``. Raises ``ModelError`` when its model cannot be loaded."""
    return KINDS[settings.kind](settings)


def judge_name(settings: JudgeModel) -> str:
    """What tables call a judge: its kind, and the last two parts of its model's hub id or folder."""
    return " ".join([settings.kind, "/".join(Path(settings.model).parts[-2:])])


def score_pictures(
    judge: Judge, pictures: Iterable[np.ndarray], concepts: Sequence[str], batch_size: int, label: str = "judge"
) -> np.ndarray:
    """``(n,)`` scores. Only ``batch_size`` pictures are held at a time, so ``pictures`` may be read as it goes."""
    pictures, scores = iter(pictures), []
    with tqdm(total=len(concepts), desc=label, mininterval=2) as progress:
        for start in range(0, len(concepts), batch_size):
            named = concepts[start : start + batch_size]
            scores.append(judge.score(list(islice(pictures, len(named))), named))
            progress.update(len(named))
    return np.concatenate(scores).astype(float)


def picture_features(judge: Judge, pictures: Sequence[np.ndarray], batch_size: int) -> np.ndarray:
    """``(n, d)`` unit features of pictures, of the network that the judge sees them with: their dot products say how
    alike they are. Raises ``ModelError`` for a judge without such features."""
    if not hasattr(judge, "features"):
        able = ", ".join(kind for kind, own in KINDS.items() if hasattr(own, "features"))
        found = next((kind for kind, own in KINDS.items() if type(judge) is own), type(judge).__name__)
        raise ModelError(f"to compare pictures a judge needs features of them, found {found}: use one of {able}")
    starts = range(0, len(pictures), batch_size)
    return np.concatenate([judge.features(pictures[start : start + batch_size]) for start in starts])
