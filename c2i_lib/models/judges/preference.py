"""PickScore and HPSv2: CLIP-H finetuned to people's choices between pictures of one text.

In: pictures and concepts. Out: one score a picture. Both were trained on whole prompts, and mix quality with
faithfulness; here the text is the bare concept, never the prompt. HPSv2 needs a checkpoint that was converted to
transformers, such as ``adams-story/HPSv2-hf``. Ignored: probabilities within a set of pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from c2i_lib.config.judges import JudgeModel
from c2i_lib.models.judges.clip import Clip


class PickScore:
    """The scaled cosine of picture and concept (Kirstain et al. 2023, "Pick-a-Pic")."""

    measures = "preference"

    def __init__(self, settings: JudgeModel):
        self.clip = Clip(settings)

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        return (self.clip.scale * self.clip.cosines(pictures, concepts)).cpu().numpy()

    def features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """``(n, d)`` unit features of the pictures."""
        return self.clip.pictures(pictures).cpu().numpy()


class Hpsv2:
    """The cosine of picture and concept, as its authors' ``hpsv2.score`` gives it (Wu et al. 2023, "HPS v2")."""

    measures = "preference"

    def __init__(self, settings: JudgeModel):
        self.clip = Clip(settings)

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        return self.clip.cosines(pictures, concepts).cpu().numpy()

    def features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """``(n, d)`` unit features of the pictures."""
        return self.clip.pictures(pictures).cpu().numpy()
