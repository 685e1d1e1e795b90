"""Features of pictures, by which candidates are compared: of unit length, and alike for pictures that are alike."""

import numpy as np
import pytest

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.scenes import Scene, Thing, compose
from c2i_lib.errors import ModelError
from c2i_lib.models.judges import load_judge, picture_features


def picture(name: str, color: str, place: str) -> np.ndarray:
    return np.asarray(compose(Scene((Thing(name, color),), place=place)))


def test_pictures_of_one_thing_are_more_alike_than_those_of_others():
    judge = load_judge(JudgeModel(kind="scene_match", model="embedded:match"))
    shown = [picture(*one) for one in (("car", "red", "beach"), ("car", "red", "meadow"), ("cat", "blue", "space"))]
    features = picture_features(judge, shown, batch_size=2)
    assert np.linalg.norm(features, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    likeness = features @ features.T
    assert likeness[0, 1] > likeness[0, 2] + 0.1
    assert picture_features(judge, shown[2:], 64) == pytest.approx(features[2:], abs=1e-4)  # whatever the batch


def test_a_judge_that_has_none_is_told_with_those_that_have():
    judge = load_judge(JudgeModel(kind="scene_parts", model="embedded:parts"))
    with pytest.raises(ModelError, match="found scene_parts: use one of clip_score, pickscore, hpsv2, scene_match"):
        picture_features(judge, [], 4)
