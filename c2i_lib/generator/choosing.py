"""The best of several pictures, chosen by the profile's selecting judges as notebook 08 chooses (``selection.py``).

In: candidates of one concept. Out: which ones, and how the choice came about. Ignored: how candidates were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from c2i_lib.config.judges import JudgeModel
from c2i_lib.config.judges import Selection as Judges
from c2i_lib.errors import C2IError
from c2i_lib.generator.rendering import Picture
from c2i_lib.generator.sheet import Written
from c2i_lib.models.judges import judge_name, load_judge, score_pictures
from c2i_lib.stages.images import to_pixels


@dataclass(frozen=True)
class Choice:
    """The best of ``n_candidates``: ``pictures``, the best first. ``n_usable`` could be chosen at all, and ``n_passed``
    of these reach ``threshold``, the gate; it is minus infinity where the bare concept has no picture to compare with.
    """

    pictures: list[Picture]
    n_candidates: int
    n_usable: int
    n_passed: int
    gate: float
    threshold: float

    @property
    def note(self) -> str:
        """How the choice came about, in one line."""
        left_out = self.n_candidates - self.n_usable
        if not self.n_usable:
            return f"all {self.n_candidates} candidates are flagged, so that none could be judged"
        gate = f"faithfulness {self.threshold:.3f}, quantile {self.gate:g} of the bare concept's own pictures"
        if np.isinf(self.threshold):
            gate = "open, because no picture of the bare concept could be judged"
        note = f"{self.n_passed} of {self.n_candidates} candidates passed the gate ({gate})"
        return f"{note}; {left_out} flagged or with an explicit prompt" if left_out else note


class Candidate(NamedTuple):
    """A prompt and its picture: ``image`` is float, from 0 to 1."""

    written: Written
    image: np.ndarray
    flagged: str


def check_choice(n: int, best_of: int, gate: float) -> None:
    """Raise ``C2IError`` where so many pictures cannot be chosen so."""
    if not 1 <= n <= best_of:
        raise C2IError(
            f"the best of {best_of} candidates can be 1 to {best_of} pictures, found {n}: "
            "ask for fewer pictures (n), or draw more candidates (best_of)"
        )
    if not 0 <= gate <= 1:
        raise C2IError(f"the gate is a quantile and should be 0 to 1, found {gate:g}: 0.5 is the median")


def usable(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that may be chosen: with nothing wrong; where there are none, those whose prompt alone is explicit."""
    sound = [one for one in candidates if not one.flagged]
    return [one for one in sound if not one.written.explicit] or sound


def judge(
    images: Sequence[np.ndarray], bare: Sequence[np.ndarray], concept: str, gate: float, judges: Judges, batch_size: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Selecting quality and faithfulness of ``images``, and the faithfulness that passes the gate: its quantile among
    the pictures of the ``bare`` concept."""
    scores = _score(judges.faithfulness, [*images, *bare], concept, batch_size)
    faithfulness, of_bare = np.split(scores, [len(images)])
    threshold = float(np.quantile(of_bare, gate)) if len(bare) else -np.inf
    return _score(judges.quality, images, concept, batch_size), faithfulness, threshold


def _score(judge: JudgeModel, images: Sequence[np.ndarray], concept: str, batch_size: int) -> np.ndarray:
    """One score per picture, rounded as in stage 08. Loaded anew: a judge may be as large as the TTI model."""
    pictures, concepts = [to_pixels(image) for image in images], [concept] * len(images)
    return score_pictures(load_judge(judge), pictures, concepts, batch_size, judge_name(judge)).round(5)
