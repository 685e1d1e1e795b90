"""Judges of the embedded world tell good pictures from poor ones, and matching concepts from others."""

import random

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.captions import DEGRADATIONS, Pair, make_pairs
from c2i_lib.embedded.glyphs import load_glyphs
from c2i_lib.embedded.models import WEIGHTS
from c2i_lib.embedded.rendering import render
from c2i_lib.errors import ModelError
from c2i_lib.models.judges import load_judge, score_pictures
from c2i_lib.models.judges.glyph_encoder import GlyphJudge, neighbour_radii, realism, to_pixels
from c2i_lib.models.judges.glyphs import descriptors, statistics

BACKGROUND = "yellow"


@pytest.fixture(scope="module")
def judge():
    return GlyphJudge(WEIGHTS / "judge")


@pytest.fixture(scope="module")
def unseen():
    """60 glyphs that no training picture shows on a yellow background."""
    seen = {code for pair in make_pairs() if pair.background == BACKGROUND for code in pair.codes}
    return random.Random(5).sample([glyph for glyph in load_glyphs() if glyph.code not in seen], 60)


def pictures(glyphs, degradation: str | None = None) -> np.ndarray:
    return np.stack(
        [
            render(Pair(f"unseen-{glyph.code}", "", "background", (glyph.code,), BACKGROUND, degradation=degradation))
            for glyph in glyphs
        ]
    )


def area_under_curve(positive, negative) -> float:
    return roc_auc_score([1] * len(positive) + [0] * len(negative), [*positive, *negative])


def test_a_picture_is_faithful_to_its_own_concept(judge, unseen):
    images, names = pictures(unseen), [glyph.name for glyph in unseen]
    matched, mismatched = judge.faithfulness(images, names), judge.faithfulness(images, names[1:] + names[:1])
    assert area_under_curve(matched, mismatched) > 0.9
    assert (matched >= 0).all() and (matched <= 1).all()


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_a_degraded_picture_has_less_quality(degradation, judge, unseen):
    clean, poor = judge.quality(pictures(unseen)), judge.quality(pictures(unseen, degradation))
    assert area_under_curve(clean, poor) > 0.85


def test_the_glyph_judge_does_not_depend_on_the_batch_size(judge, unseen):
    images, names = pictures(unseen[:7]), [glyph.name for glyph in unseen[:7]]
    np.testing.assert_allclose(judge.quality(images, 3), judge.quality(images, 7), rtol=1e-4)
    np.testing.assert_allclose(judge.faithfulness(images, names, 3), judge.faithfulness(images, names, 7), atol=1e-4)


def test_the_glyph_judge_takes_larger_pictures(judge, unseen):
    """Each pixel four times over: the judge scales it down to the very same picture."""
    images = pictures(unseen[:3])
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(judge.quality(large), judge.quality(images), rtol=1e-3)


def test_realism_equals_its_definition():
    """Kynkäänniemi et al. 2019, equation 3, as a plain double loop."""
    generator = torch.Generator().manual_seed(0)
    features, real = torch.randn(7, 5, generator=generator), torch.randn(11, 5, generator=generator)
    radii = neighbour_radii(real)
    for one, radius in zip(real, radii, strict=True):
        distances = sorted((one - other).norm().item() for other in real if other is not one)
        others = distances[1:]  # without itself
        assert radius.item() == pytest.approx(others[2], rel=1e-4)
    expected = [
        max(radius / (feature - one).norm() for one, radius in zip(real, radii, strict=True)) for feature in features
    ]
    torch.testing.assert_close(realism(features, real, radii), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_a_real_picture_lies_inside_the_manifold():
    real = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    assert (realism(real, real, neighbour_radii(real)) >= 1).all()


def test_the_reference_pictures_of_quality_are_distinct(judge):
    """A duplicate would have a radius of zero and would count for nothing."""
    assert (judge.radii > 0).all()
    assert len(judge.real.unique(dim=0)) == len(judge.real) > 1000


KINDS = ("glyph_realism", "glyph_match", "glyph_statistics", "glyph_lookup")


@pytest.fixture(scope="module")
def judges():
    """The four judges of the embedded world, by kind."""
    models = dict.fromkeys(("glyph_realism", "glyph_match"), "embedded:glyph-judge")
    return {kind: load_judge(JudgeModel(kind=kind, model=models.get(kind))) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_scores_do_not_depend_on_the_batch_size(kind, judges, unseen):
    images, names = pictures(unseen[:7]), [glyph.name for glyph in unseen[:7]]
    one, all_ = (score_pictures(judges[kind], images, names, size) for size in (1, 7))
    np.testing.assert_allclose(one, all_, rtol=1e-4)


def test_the_embedded_judges_two_scores_are_two_judges(judges, judge, unseen):
    images, names = pictures(unseen[:5]), [glyph.name for glyph in unseen[:5]]
    np.testing.assert_allclose(judges["glyph_realism"].score(images, names), judge.quality(images))
    np.testing.assert_allclose(judges["glyph_match"].score(images, names), judge.faithfulness(images, names))
    assert [judges[kind].measures for kind in KINDS] == ["quality", "faithfulness"] * 2


def test_pictures_of_different_sizes_are_judged_together(judge, unseen):
    small, large = pictures(unseen[:1])[0], pictures(unseen[1:2])[0].repeat(3, axis=0).repeat(3, axis=1)
    alone = [judge.quality([picture])[0] for picture in (small, large)]
    np.testing.assert_allclose(judge.quality([small, large]), alone, rtol=1e-3)


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_edge_statistics_tell_degraded_pictures(degradation, judges, unseen):
    judge, names = judges["glyph_statistics"], [glyph.name for glyph in unseen]
    clean, poor = judge.score(pictures(unseen), names), judge.score(pictures(unseen, degradation), names)
    assert area_under_curve(clean, poor) > 0.85


def test_the_lookup_finds_the_concept_of_a_picture(judges, unseen):
    images, names = pictures(unseen), [glyph.name for glyph in unseen]
    lookup = judges["glyph_lookup"]
    assert area_under_curve(lookup.score(images, names), lookup.score(images, names[1:] + names[:1])) > 0.9


def test_statistics_are_shares_of_edges():
    """Half white and half black: one edge in each of 63 rows, and nothing else."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, 32:] = 255
    found = statistics(to_pixels([picture]) / 2 + 0.5)[0]
    torch.testing.assert_close(found[:6], torch.full((6,), (1 / 63) ** 0.5))
    torch.testing.assert_close(found[6:], torch.full((6,), (1 / 31) ** 0.5))


def test_descriptors_have_length_one_and_ignore_the_background():
    """The same square on two backgrounds, with the same difference to them."""
    dark, light = np.full((64, 64, 3), 20, np.uint8), np.full((64, 64, 3), 120, np.uint8)
    for picture in (dark, light):
        picture[20:40, 24:50] += 100
    found = descriptors(to_pixels([dark, light]) / 2 + 0.5)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=0)


def test_a_folder_without_the_embedded_judge_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match="judge.json"):
        load_judge(JudgeModel(kind="glyph_match", model=str(tmp_path)))
