"""Scenes whose answers are known: the wrong words are wrong in one part, and no training shows the pictures."""

import numpy as np
import pytest

from c2i_lib.embedded.known_scenes import (
    FLAWS,
    PARTS,
    clean_scenes,
    flawed_picture_of,
    known_scenes,
    picture_of,
)
from c2i_lib.embedded.painting import SIZE
from c2i_lib.embedded.sampling import is_held_out


@pytest.mark.parametrize("part", PARTS)
def test_known_scenes_were_never_trained_on_and_their_wrong_words_differ(part):
    known = known_scenes(part, 30, 0)
    assert len(known) == 30 and known == known_scenes(part, 30, 0) != known_scenes(part, 30, 1)
    assert all(is_held_out(one.scene) and one.scene.degradation is None for one in known)
    assert all(one.right != one.wrong for one in known)


@pytest.mark.parametrize(
    ("part", "words"),
    [("number", ("two", "pair", "three")), ("time", ("dusk", "sunset", "night")), ("colour", ("red", "blue", "green"))],
)
def test_the_part_in_question_is_said(part, words):
    known = known_scenes(part, 40, 2)
    said = [any(word in one.right for word in words) for one in known]
    assert all(said) if part != "colour" else any(said)


def test_only_the_part_in_question_is_wrong():
    """The scene's other words are the same, up to the name of the thing."""
    for one in known_scenes("place", 20, 3):
        thing = one.scene.things[0]
        words = set(one.right.split()) & set(one.wrong.split())
        assert words, (one.right, one.wrong)
        assert thing.color is None or thing.color in words


def test_clean_scenes_are_of_many_kinds():
    scenes = [scene for scene, _ in clean_scenes(40, 0)]
    assert all(is_held_out(scene) for scene in scenes)
    assert {len(scene.things) for scene in scenes} == {1, 2} and {scene.things[0].count for scene in scenes} > {1}
    assert any(scene.place for scene in scenes) and any(not scene.place for scene in scenes)


@pytest.mark.parametrize("flaw", FLAWS, ids=str)
def test_a_flawed_picture_is_another_of_the_same_size(flaw):
    scene = clean_scenes(4, 1)[3][0]
    clean, poor = picture_of(scene), flawed_picture_of(scene, flaw, 0)
    assert clean.shape == poor.shape == (SIZE, SIZE, 3) and clean.dtype == poor.dtype == np.uint8
    assert np.abs(clean.astype(float) - poor).mean() > 0.5
    assert np.array_equal(poor, flawed_picture_of(scene, flaw, 0))
    assert np.array_equal(poor, flawed_picture_of(scene, flaw, 1)) == (flaw[0] != "noise")
