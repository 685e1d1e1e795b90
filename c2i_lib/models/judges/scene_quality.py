"""Judges of quality on scenes: how well is a picture drawn, whatever it shows?

In: pictures. Out: a score on a line where 1 is the median of clean pictures and 0 that of pictures with one flaw half
as strong again as "a blurry photo" has it (blur, grain, JPEG, watermark, speckle ...): higher is better, the scale is
that of ranks learnt from pairs and has no ends, so most clean pictures lie between 0.9 and 1.1 and ruined ones may
fall below 0. Ignored: concepts, style, and what is in the picture.

Two judges of this kind share neither features nor training scenes, so that one may select and the other report:
"embedded:quality" is a convolutional network, "embedded:quality-selecting" reads statistics made by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.models import resolve
from c2i_lib.errors import ModelError
from c2i_lib.models.judges.scene_encoder import BATCH_SIZE, read_judge, to_pixels
from c2i_lib.models.judges.scene_quality_nets import ARCHITECTURES

KIND = "scene_quality"


class SceneQuality:
    """How well the picture is drawn: 1 as clean scenes are, 0 as ruined ones."""

    measures = "quality"

    def __init__(self, settings: JudgeModel):
        folder = resolve(settings.model)
        facts, tensors = read_judge(folder, KIND)
        if facts["architecture"] not in ARCHITECTURES:
            known = " or ".join(ARCHITECTURES)
            raise ModelError(f"{folder}/judge.json has architecture {facts['architecture']!r}; expected {known}")
        self.poor, self.clean = facts["poor"], facts["clean"]
        self.net = ARCHITECTURES[facts["architecture"]]()
        self.net.load_state_dict(tensors, strict=False)
        self.net.eval()

    @torch.inference_mode()
    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        starts = range(0, len(pictures), BATCH_SIZE)
        numbers = torch.cat([self.net(to_pixels(pictures[start : start + BATCH_SIZE])) for start in starts])
        return (numbers.double().numpy() - self.poor) / (self.clean - self.poor)
